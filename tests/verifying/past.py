"""What happened in a city in the months before: one resident, one merchant with a machine that may tell late.

Each kind of row that only time makes is in here: late captures, those that came too late, expired holds and coins,
merchants' days, months that are closed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.offers import NewOffer
from service import keys
from service.api_keys import create_api_key
from service.business_days import business_day
from service.db import transaction
from service.ledger.coin_life import set_coin_life
from service.ledger.expiring import expire_step
from service.redemption.limits import set_limit
from service.redemption.merchants import add_merchant
from service.redemption.offers import add_offer
from service.residents.residents import register_resident
from service.secrets import Keyring
from service.settings import Settings
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.settling import set_rate, settle
from service.tables.ledger import transfer
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller
from tests.verifying.clock import let_days_pass
from tests.webhooks.receiver import Receiver, receiving
from tests.webhooks.world import World as Webhooks
from tests.world import World, open_session, post, weigh_event

KIOSK: Final = "NK-M-03"
WATER: Final = "water-5l"
CARD: Final = "0BADCAFE"
HOLD_DAYS, GRACE_DAYS = 1, 3
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Past:
    """Who was there, and how to reach them."""

    engine: AsyncEngine
    owner_engine: AsyncEngine
    settings: Settings
    world: World
    client: TestClient[web.Request, web.Application]
    patron_id: int
    patron: Caller
    kiosk: Caller
    machine: MachineCaller
    operators: tuple[Caller, Caller]

    async def let_days_pass(self, days: int) -> None:
        await let_days_pass(self.owner_engine, self.client.app[keys.REFERENCE], days)

    async def earn(self, coins: int) -> None:
        """At the tariff of the world, a hundred coins a kilogram; of each number once, as it names the event."""
        credential = {"kind": "card", "value": CARD}
        event = weigh_event("NK-0002", id=f"past-{coins}", weight_grams=coins * 10, credential=credential)
        outcome = (await said(post(self.client, self.world.hmac, event)))["outcomes"][0]
        assert (outcome["outcome"], outcome["coins"]) == ("credited", coins)

    async def redeem(self, **wanted: Any) -> dict[str, Any]:
        return await said(self.patron.post(OWN, {"merchant_id": KIOSK, **wanted}))

    async def authorise(self, **wanted: Any) -> dict[str, Any]:
        wanted = {"pay_code": await self.patron.new_pay_code(), "capture": False, **wanted}
        return await said(self.machine.post(BY_PAY_CODE, wanted))

    async def refund(self, of: dict[str, Any], coins: int) -> None:
        await said(self.kiosk.post(f"{BY_PAY_CODE}/{of['id']}/refund", {"coins": coins}))

    async def adjust(self, direction: str, coins: int, *, decision: str | None) -> None:
        """One operator asks, the other decides."""
        asked = {"resident_id": self.patron_id, "direction": direction, "coins": coins}
        asking, deciding = self.operators
        wanted = await said(asking.post("/v1/adjustments", {**asked, "reason": "case 7", "reference": "case 7"}))
        if decision is not None:
            why = {"reason": "no case"} if decision == "reject" else {}
            await said(deciding.post(f"/v1/adjustments/{wanted['id']}/{decision}", why))


async def said(call: Any) -> dict[str, Any]:
    """What a call that succeeds is answered."""
    response: ClientResponse = await call
    assert response.status in (200, 201), await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


async def live_through(
    engine: AsyncEngine,
    owner_engine: AsyncEngine,
    settings: Settings,
    world: World,
    client: TestClient[web.Request, web.Application],
) -> Past:
    """Three months of it, until now; nothing is folded yet. `owner_engine` moves the clock."""
    past = await _begin(engine, owner_engine, settings, world, client)
    async with receiving() as receiver:
        webhooks = Webhooks(engine, settings)
        await _close_a_shop(webhooks, receiver)
        await webhooks.register(receiver.base_url, KIOSK)
        await _set_rules(past)
        await past.let_days_pass(2)
        late, too_late = await _first_days(past)
        await past.let_days_pass(HOLD_DAYS + 1)
        await _tell_late(past, late)
        # Into another month, when coins from before are over.
        await past.let_days_pass(36)
        await _next_month(past, late, too_late)
        await past.let_days_pass(45)
        await _yesterday(past)
        await past.let_days_pass(1)
        await _today(past)
        receiver.statuses = [500]
        async with webhooks.worker(webhook_private_addresses=True) as worker:
            await worker.work()
    return past


async def _begin(
    engine: AsyncEngine,
    owner_engine: AsyncEngine,
    settings: Settings,
    world: World,
    client: TestClient[web.Request, web.Application],
) -> Past:
    async with transaction(engine) as connection:
        patron_id = await register_resident(connection)
        await add_merchant(
            connection,
            merchant_id=KIOSK,
            name="饮水站",
            name_en="Water Kiosk",
            site_id="site-1",
            hold_seconds=HOLD_DAYS * 86_400,
            capture_grace_seconds=GRACE_DAYS * 86_400,
        )
        till = await create_api_key(connection, role="merchant", name="till", merchant_id=KIOSK)
        operators = [await create_api_key(connection, role="operator", name=name) for name in ("李工", "王工")]
    key = await install_machine(engine, Keyring.of(settings), "NK-W-03", KIOSK)
    patron = Caller(client, await open_session(engine, patron_id))
    await said(patron.post("/v1/me/cards", {"value": CARD}))
    asking, deciding = (Caller(client, each) for each in operators)
    return Past(
        engine,
        owner_engine,
        settings,
        world,
        client,
        patron_id,
        patron,
        Caller(client, till),
        MachineCaller(client, key),
        (asking, deciding),
    )


async def _close_a_shop(webhooks: Webhooks, receiver: Receiver) -> None:
    """Its server says that it is gone, so a message to it has failed for good."""
    await webhooks.register(f"{receiver.base_url}/gone", "NK-M-02")
    await webhooks.write(1, "NK-M-02")
    receiver.statuses = [410]
    async with webhooks.worker(webhook_private_addresses=True) as worker:
        await worker.work()


async def _set_rules(past: Past) -> None:
    zone = past.settings.business_timezone
    water = NewOffer(
        id=WATER,
        title="直饮水",
        title_en="Drinking water",
        unit="5 升",
        unit_en="5 l",
        coins=30,
        machine_kind="water",
        resident_day_max=5,
        stock=9,
    )
    async with transaction(past.engine) as connection:
        for merchant_id in ("NK-M-01", "NK-M-02", KIOSK):
            long_ago = datetime.now(UTC) - 400 * DAY
            await set_rate(connection, merchant_id=merchant_id, fen_per_1000_coins=1499, effective_from=long_ago)
        await set_limit(connection, kind="merchant_day", coins=1000, merchant_id=KIOSK, effective_from=None, zone=zone)
        await set_limit(connection, kind="redemption", coins=800, merchant_id=KIOSK, effective_from=None, zone=zone)
        await set_coin_life(connection, months=1, effective_from=None, zone=zone)
        await add_offer(connection, KIOSK, water)


async def _first_days(past: Past) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two holds stay open: of one the machine tells late, of the other too late."""
    await past.earn(500)
    await past.earn(100)
    await past.refund(await past.redeem(coins=40), 10)
    await past.redeem(offer_id=WATER)
    voided = await past.authorise(offer_id=WATER)
    await said(past.machine.post(f"{BY_PAY_CODE}/{voided['id']}/void", {}))
    captured = await past.authorise(coins=25)
    await said(past.machine.post(f"{BY_PAY_CODE}/{captured['id']}/capture", {"coins": 21}))
    await past.adjust("debit", 7, decision="approve")
    await past.adjust("credit", 70, decision="reject")
    await past.authorise(offer_id=WATER)
    return await past.authorise(coins=120), await past.authorise(coins=60)


async def _tell_late(past: Past, late: dict[str, Any]) -> None:
    """Of 120 coins that the machine gave out, the resident has 20 left; of what they get back they have paid less."""
    await past.redeem(coins=492)
    await said(past.machine.post(f"{BY_PAY_CODE}/{late['id']}/capture", {}))
    await past.refund(late, 90)
    await past.earn(50)


async def _next_month(past: Past, late: dict[str, Any], too_late: dict[str, Any]) -> None:
    response = await past.machine.post(f"{BY_PAY_CODE}/{too_late['id']}/capture", {"coins": 55})
    assert response.status == 409, await response.text()
    await past.refund(late, 5)
    await _expire(past, lots=2)
    await past.earn(200)
    await past.earn(90)
    await past.redeem(coins=130)
    await past.adjust("credit", 33, decision="approve")
    async with transaction(past.engine) as connection:
        await set_rate(connection, merchant_id=KIOSK, fen_per_1000_coins=1999, effective_from=None)
        await set_coin_life(connection, months=24, effective_from=None, zone=past.settings.business_timezone)


async def _yesterday(past: Past) -> None:
    await _expire(past, lots=3)
    await past.earn(80)
    await past.redeem(coins=27)


async def _today(past: Past) -> None:
    """The months are closed; a hold is open, and an adjustment waits."""
    zone = past.settings.business_timezone
    now = datetime.now(UTC)
    async with transaction(past.engine) as connection:
        first = sa.select(sa.func.min(transfer.c.created_at)).where(transfer.c.kind == "redemption")
        month = Month.of(business_day((await connection.execute(first)).scalar_one(), zone))
        [kiosk] = await queries.list_merchants(connection, KIOSK)
        issued = 0
        # Not one that ended a moment ago, which cannot be closed yet.
        while month.ends_at(zone) < now - DAY:
            issued += (await settle(connection, merchant=kiosk, month=month, zone=zone)).issued
            month = month.next
        assert issued >= 2
    await past.authorise(offer_id=WATER)
    await past.adjust("debit", 3, decision=None)


async def _expire(past: Past, *, lots: int) -> None:
    """A pass of the worker, which takes so many lots."""
    settings = past.settings.model_copy(update={"expiry_interval_seconds": 1e-6})
    posted = 0
    while (step := await expire_step(past.engine, settings)).more:
        posted += step.posted
    assert posted + step.posted == lots
