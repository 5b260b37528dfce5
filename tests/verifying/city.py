"""A city in which every kind of row exists, made over HTTP and by the service's own use cases.

Its past is in past.py; here is what happened today.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.indicator_inputs import IndicatorInput, SourceDocument
from service import keys
from service.app import build_app
from service.carbon.choosing import choose_set
from service.carbon.factor_sets import add_set
from service.db import create_engine, transaction
from service.indicator.inputs import record_input
from service.ledger.queries import insert_transfer, move_posted, read_transfer
from service.reference import raise_revision
from service.residents.residents import register_resident
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer
from service.tables.people import merchant
from service.tables.reference import material, tariff
from tests.carbon.conftest import a_set
from tests.fleet.telling import telemetry, tell
from tests.folding.drops import fold_all
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import Caller
from tests.verifying.doubts import hold_and_decide
from tests.verifying.figures import publish_figures
from tests.verifying.past import KIOSK, live_through
from tests.weighing.emptying import CLEARANCES, clearance
from tests.weighing.emptying import post as post_to
from tests.world import SEQUENCE, World, add_shop, build_world, open_session, post, weigh_event

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
LATE_CARD = "DEADBEEF"


@dataclass(frozen=True)
class City:
    """Who is there: a resident with a card from the start, one who binds theirs late, one with a past, and three
    merchants' accounts."""

    resident_id: int
    late_id: int
    patron_id: int
    shop_account_id: int
    other_shop_account_id: int
    kiosk_account_id: int


# No worker does in between what the city does itself, or leaves undone.
AT_REST = {
    "fold_interval_seconds": 3600,
    "hold_sweep_interval_seconds": 3600,
    "webhook_poll_seconds": 3600,
    "waiting_interval_seconds": 3600,
}


async def build_city(settings: Settings) -> City:
    """Everything is folded but the last event."""
    engine = create_engine(settings)
    owner_engine = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    try:
        world = await build_world(engine, Keyring.of(settings))
        shop_key = await add_shop(engine)
        await add_shop(engine, "NK-M-02")
        machine_key = await install_machine(engine, Keyring.of(settings))
        async with TestClient(TestServer(build_app(settings.model_copy(update=AT_REST)))) as client:
            past = await live_through(engine, owner_engine, settings, world, client)
            late_id = await prepare(engine)
            await client.app[keys.REFERENCE].refresh()
            tokens = [await open_session(engine, resident_id) for resident_id in (world.resident_id, late_id)]
            await drop(client, world)
            await burn(client, world)
            await empty(client, world)
            await fold_all(engine, settings)
            late = Caller(client, tokens[1])
            await succeed(late.post("/v1/me/cards", {"value": LATE_CARD}))
            await appeal(Caller(client, tokens[0]))
            await spend(Caller(client, tokens[0]), Caller(client, shop_key), MachineCaller(client, machine_key))
            await correct(engine, world.resident_id)
            await hold_and_decide(engine, Keyring.of(settings))
            await publish_figures(engine)
            await fold_all(engine, settings)
            await succeed(post(client, world.hmac, weigh_event("NK-0002", id="unfolded")))
        async with transaction(engine) as connection:
            merchants = await connection.execute(sa.select(merchant.c.id, merchant.c.account_id))
            accounts = {row.id: row.account_id for row in merchants}
        shops = (accounts[merchant_id] for merchant_id in ("NK-M-01", "NK-M-02", KIOSK))
        return City(world.resident_id, late_id, past.patron_id, *shops)
    finally:
        await engine.dispose()
        await owner_engine.dispose()


async def prepare(engine: AsyncEngine) -> int:
    """Paper's tariff is superseded, glass has none until an hour ago; the resident without a card."""
    now = datetime.now(UTC)
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(material).values(id="glass", name="玻璃", name_en="glass"))
        await connection.execute(
            sa.insert(tariff),
            [
                {"material_id": "paper", "effective_from": now - HOUR, "coins_per_kg": 110},
                {"material_id": "glass", "effective_from": now - HOUR, "coins_per_kg": 30},
            ],
        )
        await raise_revision(connection)
        await choose_factors(connection)
        cleared = IndicatorInput(
            area="nankai",
            period=str(now.year),
            kind="cleared",
            source="a",
            grams=10**9,
            document=SourceDocument(name="report", date=now.date(), sha256="0" * 64),
        )
        await record_input(connection, cleared, recorded_by=uuid.uuid4(), today=now.date())
        return await register_resident(connection)


async def choose_factors(connection: AsyncConnection) -> None:
    """One set since ever, and another from a day to come."""
    for set_id in ("a", "b"):
        await add_set(connection, a_set(set_id, paper=820_000))
    await choose_set(connection, "a", effective_from=None, zone="Asia/Shanghai")
    await choose_set(connection, "b", effective_from=date(2099, 1, 1), zone="Asia/Shanghai")


async def burn(client: TestClient[Any, Any], world: World) -> None:
    """A bin tells of everything that is an alarm, and that it no longer burns."""
    alarming = {"smoke": True, "temperature_celsius": 90.0, "scale_zero_grams": 500, "battery_percent": 3}
    await tell(client, world.ed25519, telemetry("NK-0001", alarming))
    await tell(client, world.ed25519, telemetry("NK-0001", {"smoke": False}))


async def drop(client: TestClient[Any, Any], world: World) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    late_card = {"kind": "card", "value": LATE_CARD}
    first = weigh_event("NK-0001", id="first", weight_grams=20_000)
    await succeed(post(client, world.ed25519, first))
    await succeed(post(client, world.ed25519, first))
    await succeed(post(client, world.ed25519, {**first, "data": {**first["data"], "weight_grams": 1}}))
    await succeed(
        post(
            client,
            world.hmac,
            [
                weigh_event("NK-0002", id="old", time=yesterday, weight_grams=1999),
                weigh_event("NK-0002", id="plastic", material="plastic", weight_grams=777),
                weigh_event("NK-0002", id="light", weight_grams=9),
                weigh_event("NK-0002", id="late", credential=late_card, weight_grams=4000),
                weigh_event("NK-0002", id="late-too", credential=late_card, time=yesterday),
                weigh_event("NK-0002", id="unclaimed", credential=None),
                weigh_event("NK-0002", id="held", material="glass", time=yesterday),
                weigh_event("NK-0002", id="glass", material="glass", weight_grams=3000),
                weigh_event("NK-0002", id="of-gold", material="gold"),
            ],
        )
    )


async def appeal(resident: Caller) -> None:
    """Against what is held of theirs, as their phone does."""
    page = await resident.get("/v1/me/held-drops")
    for each in (await page.json())["held_drops"]:
        await succeed(resident.post(f"/v1/me/held-drops/{each['id']}/appeal", {"text": "it was glass"}))


async def empty(client: TestClient[Any, Any], world: World) -> None:
    """A box is emptied, filled and emptied, what was in it being known then; an event of it is lost, and one late."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    first, second, late, lost, third = (next(SEQUENCE) for _ in range(5))
    before = clearance("NK-0001", first, now, 9000, 100, id="emptied")
    other = {**before, "data": {**before["data"], "mass_after_grams": 0}}
    unknown = clearance("NK-0001", third + 1, now + 5 * SECOND, 10, material="gold", id="of-gold")
    filled = weigh_event("NK-0001", id="filled", sequence=second, time=(now + SECOND).isoformat(), weight_grams=5000)
    also = weigh_event("NK-0001", id="also-filled", sequence=late, time=(now + 2 * SECOND).isoformat())
    await succeed(post_to(client, world.ed25519, CLEARANCES, [before, before, other]))
    await succeed(post(client, world.ed25519, [filled, also]))
    await succeed(
        post_to(
            client,
            world.ed25519,
            CLEARANCES,
            [clearance("NK-0001", lost, now + 3 * SECOND, 6350, id="emptied-again"), unknown],
        )
    )
    # Its number was used before, and it is no later.
    again = weigh_event("NK-0001", id="again", sequence=second, time=filled["time"], credential=None)
    await succeed(post(client, world.ed25519, again))


async def spend(resident: Caller, shop: Caller, machine: MachineCaller) -> None:
    await succeed(resident.redeem(300))
    await succeed(resident.redeem(50, merchant_id="NK-M-02"))
    await succeed(shop.take(await resident.new_pay_code(), 70))
    await succeed(machine.take(await resident.new_pay_code(), 20))
    assert (await resident.redeem(1_000_000)).status == 409
    for action, asked in (("capture", {"coins": 11}), ("void", {}), (None, {})):
        held = await machine.take(await resident.new_pay_code(), 15, capture=False)
        path = f"/v1/redemptions/{(await held.json())['id']}"
        if action is not None:
            await succeed(machine.post(f"{path}/{action}", asked))
        if action == "capture":
            await succeed(shop.post(f"{path}/refund", {"coins": 4}))
    await resident.new_pay_code()


async def correct(engine: AsyncEngine, resident_id: int) -> None:
    """A credit and a redemption are reversed, and the first reversal too."""
    of_plastic = sa.select(transfer.c.id).where(transfer.c.event_id == "plastic")
    of_shop = sa.select(transfer.c.id).where(transfer.c.kind == "redemption", transfer.c.coins == 300)
    async with transaction(engine) as connection:
        plastic_id = (await connection.execute(of_plastic)).scalar_one()
        shop_id = (await connection.execute(of_shop)).scalar_one()
        reversal_id = await reverse(connection, resident_id, plastic_id, "weighed twice")
        await reverse(connection, resident_id, shop_id, "no goods")
        await reverse(connection, resident_id, reversal_id, "weighed once")


async def reverse(connection: AsyncConnection, owner_id: int, transfer_id: int, reason: str) -> int:
    """A correction as it was posted before there were adjustments; the new transfer's id."""
    original = await read_transfer(connection, owner_id, transfer_id)
    assert original is not None
    incoming = original.credit_account_id == owner_id
    assert await move_posted(connection, owner_id, -original.coins if incoming else original.coins) is not None
    return await insert_transfer(
        connection,
        owner_id=owner_id,
        kind="reversal",
        debit_account_id=original.credit_account_id,
        credit_account_id=original.debit_account_id,
        coins=original.coins,
        reverses_id=transfer_id,
        reason=reason,
    )


async def succeed(call: Any) -> None:
    response = await call
    assert response.status in (200, 201), await response.text()
