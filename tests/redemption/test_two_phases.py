"""Holds: authorised, captured in whole or in part, voided, expired, told late; and refunds of what was captured."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.secrets import Keyring
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.ledger import hold, hold_resolution, transfer, wallet
from service.tables.people import merchant
from service.tables.redemption import redemption, uncovered_capture
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import BY_PAY_CODE, Caller, code_of
from tests.world import World, earn, post, weigh_event

Client = TestClient[Any, Any]


async def authorise(caller: Caller | MachineCaller, resident: Caller, coins: int) -> dict[str, Any]:
    wanted = {"pay_code": await resident.new_pay_code(), "coins": coins, "capture": False}
    response = await caller.post(BY_PAY_CODE, wanted)
    assert response.status == 201, await response.text()
    held: dict[str, Any] = await response.json()
    return held


async def act(
    caller: Caller | MachineCaller, of: dict[str, Any], what: str, document: Any = None, *, key: str | None = None
) -> ClientResponse:
    return await caller.post(f"{BY_PAY_CODE}/{of['id']}/{what}", document or {}, key=key)


async def available(resident: Caller) -> int:
    coins: int = (await (await resident.get("/v1/me")).json())["balance_coins"]
    return coins


async def pass_time(admin_engine: AsyncEngine, by: timedelta) -> None:
    """As if every hold had been placed so much earlier."""
    async with admin_engine.begin() as connection:
        await connection.execute(sa.update(hold).values(held_at=hold.c.held_at - by, expires_at=hold.c.expires_at - by))
        await connection.execute(
            sa.update(hold_resolution).values(
                held_at=hold_resolution.c.held_at - by,
                expires_at=hold_resolution.c.expires_at - by,
                resolved_at=hold_resolution.c.resolved_at - by,
            )
        )
        await connection.execute(sa.update(redemption).values(expires_at=redemption.c.expires_at - by))


async def wallet_of(engine: AsyncEngine, world: World) -> tuple[int, int]:
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(wallet.c.posted, wallet.c.held))).one()
    return row.posted, row.held


async def kinds(engine: AsyncEngine) -> list[tuple[str, int]]:
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(transfer.c.kind, transfer.c.coins).order_by(transfer.c.id))
        return [(row.kind, row.coins) for row in rows]


@pytest.fixture
async def rich(world: World, client: Client, resident: Caller) -> Caller:
    """The resident, with 500 coins."""
    await earn(client, world, 500)
    return resident


@pytest.fixture
async def machine(client: Client, engine: AsyncEngine, keyring: Keyring, shop: Caller) -> MachineCaller:
    return MachineCaller(client, await install_machine(engine, keyring))


async def test_held_coins_are_neither_spent_nor_available(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    held = await authorise(shop, rich, 200)
    assert (held["state"], held["coins"], held["captured_coins"]) == ("authorised", 200, 0)
    assert held["expires_at"] is not None
    assert await wallet_of(engine, world) == (500, 200)
    assert await available(rich) == 300
    assert await code_of(await rich.redeem(301)) == "insufficient_coins"
    assert await (await shop.get(f"{BY_PAY_CODE}/{held['id']}")).json() == held


@pytest.mark.parametrize(("asked", "taken"), [({}, 200), ({"coins": 200}, 200), ({"coins": 1}, 1)])
async def test_a_capture_takes_what_it_asks_for_and_frees_the_rest(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller, asked: dict[str, int], taken: int
) -> None:
    held = await authorise(shop, rich, 200)
    captured = await act(shop, held, "capture", asked)
    assert captured.status == 200
    assert (await captured.json())["captured_coins"] == taken
    assert await wallet_of(engine, world) == (500 - taken, 0)
    assert await kinds(engine) == [("credit", 500), ("redemption", taken)]


async def test_a_void_gives_all_of_it_back_and_is_the_end(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    held = await authorise(shop, rich, 200)
    assert (await (await act(shop, held, "void")).json())["state"] == "voided"
    assert await wallet_of(engine, world) == (500, 0)
    assert await code_of(await act(shop, held, "capture")) == "hold_voided"
    assert await code_of(await act(shop, held, "void")) == "hold_voided"
    assert await code_of(await act(shop, held, "refund")) == "not_captured"


async def test_a_captured_hold_is_captured_once(world: World, engine: AsyncEngine, rich: Caller, shop: Caller) -> None:
    held = await authorise(shop, rich, 200)
    first = await act(shop, held, "capture", {"coins": 50}, key="one")
    again = await act(shop, held, "capture", {"coins": 50}, key="one")
    assert await first.read() == await again.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await code_of(await act(shop, held, "capture", {"coins": 50})) == "already_captured"
    assert await code_of(await act(shop, held, "void")) == "already_captured"
    # The key belongs to that capture.
    assert await code_of(await act(shop, held, "void", key="one")) == "idempotency_key_reused"
    assert await wallet_of(engine, world) == (450, 0)


async def test_a_hold_frees_its_coins_at_its_time_without_a_sweeper(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    held = await authorise(shop, rich, 400)
    await pass_time(admin_engine, timedelta(seconds=121))
    assert await available(rich) == 500
    assert (await (await shop.get(f"{BY_PAY_CODE}/{held['id']}")).json())["state"] == "expired"
    dropped = await post(client, world.hmac, weigh_event("NK-0002", weight_grams=10))
    assert (await dropped.json())["outcomes"][0]["balance_coins"] == 501
    assert (await rich.redeem(501)).status == 201
    late = await act(shop, held, "capture", key="late")
    assert await code_of(late) == "hold_expired"
    assert await (await act(shop, held, "capture", key="late")).read() == await late.read()
    assert await code_of(await act(shop, held, "void")) == "hold_expired"
    assert await wallet_of(engine, world) == (0, 0)


async def test_of_a_capture_and_a_void_at_once_one_wins_for_ever(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    for number in range(10):
        held = await authorise(shop, rich, 10)
        calls = [("capture", f"c{number}"), ("void", f"v{number}")]
        answers = await asyncio.gather(*(act(shop, held, what, key=key) for what, key in calls))
        assert sorted(answer.status for answer in answers) == [200, 409]
        again = [await act(shop, held, what, key=key) for what, key in calls]
        assert [await answer.read() for answer in again] == [await answer.read() for answer in answers]
    posted, held_coins = await wallet_of(engine, world)
    assert held_coins == 0
    assert posted == 500 - sum(coins for kind, coins in await kinds(engine) if kind == "redemption")


async def test_refunds_add_up_to_what_was_captured_and_no_further(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    taken = await (await shop.take(await rich.new_pay_code(), 100)).json()
    assert (await (await act(shop, taken, "refund", {"coins": 30, "reason": "缺货"})).json())["refunded_coins"] == 30
    assert await code_of(await act(shop, taken, "refund", {"coins": 71})) == "above_captured"
    back = await (await act(shop, taken, "refund")).json()
    assert (back["state"], back["refunded_coins"]) == ("refunded", 100)
    assert await code_of(await act(shop, taken, "refund")) == "above_captured"
    assert await wallet_of(engine, world) == (500, 0)
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(transfer).order_by(transfer.c.id))).all()
    capture = next(row for row in rows if row.kind == "redemption")
    refunds = [row for row in rows if row.kind == "refund"]
    assert [(row.reverses_id, row.reason) for row in refunds] == [(capture.id, "缺货"), (capture.id, None)]


async def test_20_refunds_at_once_never_give_back_more_than_was_captured(
    world: World, engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    taken = await (await shop.take(await rich.new_pay_code(), 100)).json()
    answers = await asyncio.gather(*(act(shop, taken, "refund", {"coins": 15}) for _ in range(20)))
    assert [answer.status for answer in answers].count(200) == 6
    assert await wallet_of(engine, world) == (490, 0)


async def test_what_was_reversed_before_there_were_refunds_is_refunded(
    engine: AsyncEngine, admin_engine: AsyncEngine, rich: Caller, shop: Caller
) -> None:
    taken = await (await rich.redeem(100)).json()
    async with admin_engine.begin() as connection:
        [captured] = (await connection.execute(sa.select(transfer).where(transfer.c.kind == "redemption"))).all()
        await connection.execute(
            sa.insert(transfer).values(
                owner_id=captured.owner_id,
                kind="reversal",
                debit_account_id=captured.credit_account_id,
                credit_account_id=captured.owner_id,
                coins=100,
                reverses_id=captured.id,
                reason="before refunds",
            )
        )
    assert await code_of(await act(shop, taken, "refund", {"coins": 1})) == "above_captured"
    assert (await (await shop.get(f"{BY_PAY_CODE}/{taken['id']}")).json())["state"] == "refunded"
    assert (await (await rich.get("/v1/me/redemptions")).json())["redemptions"][0]["refunded_coins"] == 100


async def set_grace(admin_engine: AsyncEngine, seconds: int) -> None:
    async with admin_engine.begin() as connection:
        await connection.execute(sa.update(merchant).values(capture_grace_seconds=seconds))


async def test_a_machine_tells_late_within_the_grace_and_the_scheme_bears_what_is_missing(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, rich: Caller, machine: MachineCaller
) -> None:
    await set_grace(admin_engine, 3600)
    held = await authorise(machine, rich, 200)
    await pass_time(admin_engine, timedelta(seconds=130))
    assert (await rich.redeem(400)).status == 201
    captured = await act(machine, held, "capture", {"coins": 150})
    assert captured.status == 200
    assert (await captured.json())["state"] == "captured"
    assert await kinds(engine) == [("credit", 500), ("redemption", 400), ("cover", 50), ("redemption", 150)]
    assert await wallet_of(engine, world) == (0, 0)
    assert await code_of(await act(machine, held, "capture", {"coins": 150})) == "already_captured"


async def test_of_a_refund_the_resident_has_what_they_paid_and_the_scheme_what_it_covered(
    engine: AsyncEngine, admin_engine: AsyncEngine, world: World, rich: Caller, shop: Caller, machine: MachineCaller
) -> None:
    async with admin_engine.begin() as connection:
        await connection.execute(sa.update(merchant).values(capture_grace_seconds=600))
    held = await authorise(machine, rich, 300)
    await pass_time(admin_engine, timedelta(seconds=200))
    assert (await rich.redeem(400)).status == 201
    assert (await act(machine, held, "capture")).status == 200  # 100 of the resident's, 200 of the scheme's
    assert await available(rich) == 0
    for coins, now_available in ((40, 40), (80, 100), (180, 100)):
        response = await act(shop, held, "refund", {"coins": coins})
        assert response.status == 200, await response.text()
        assert await available(rich) == now_available
    assert (await response.json())["state"] == "refunded"
    async with engine.connect() as connection:
        returned = (
            await connection.execute(
                sa.select(transfer.c.coins, transfer.c.credit_account_id, transfer.c.reverses_id)
                .where(transfer.c.kind == "cover_refund")
                .order_by(transfer.c.id)
            )
        ).all()
        cover_id = (await connection.execute(sa.select(transfer.c.id).where(transfer.c.kind == "cover"))).scalar_one()
    assert returned == [(20, ISSUER_ACCOUNT_ID, cover_id), (180, ISSUER_ACCOUNT_ID, cover_id)]
    statement = (await (await rich.get("/v1/me/transfers")).json())["transfers"]
    assert [(each["kind"], each["coins"]) for each in statement[:2]] == [("cover_refund", -180), ("refund", 180)]


async def test_a_grace_made_longer_does_not_undo_what_was_refused(
    admin_engine: AsyncEngine, engine: AsyncEngine, rich: Caller, machine: MachineCaller
) -> None:
    held = await authorise(machine, rich, 200)
    await pass_time(admin_engine, timedelta(seconds=200))
    for grace_seconds in (0, 3600):
        async with admin_engine.begin() as connection:
            await connection.execute(sa.update(merchant).values(capture_grace_seconds=grace_seconds))
        response = await act(machine, held, "capture")
        assert (response.status, (await response.json())["code"]) == (409, "hold_expired")
    assert {kind for kind, _ in await kinds(engine)} == {"credit"}


async def test_after_the_grace_the_merchant_bears_it_and_it_is_written_down_once(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, rich: Caller, machine: MachineCaller
) -> None:
    await set_grace(admin_engine, 3600)
    held = await authorise(machine, rich, 200)
    await pass_time(admin_engine, timedelta(seconds=3800))
    for _ in range(2):
        assert await code_of(await act(machine, held, "capture", {"coins": 150})) == "hold_expired"
    assert await wallet_of(engine, world) == (500, 0)
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(uncovered_capture.c.coins, uncovered_capture.c.merchant_id))).all()
    assert [tuple(row) for row in rows] == [(150, "NK-M-01")]


async def test_a_till_has_no_grace_and_a_machine_none_for_anothers_hold(
    world: World,
    client: Client,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    rich: Caller,
    shop: Caller,
    machine: MachineCaller,
    keyring: Keyring,
) -> None:
    await set_grace(admin_engine, 3600)
    held = await authorise(machine, rich, 200)
    neighbour = MachineCaller(client, await install_machine(engine, keyring, "NK-W-02"))
    assert await code_of(await act(neighbour, held, "capture")) == "redemption_unknown"
    await pass_time(admin_engine, timedelta(seconds=130))
    assert await code_of(await act(shop, held, "capture")) == "hold_expired"
    assert await code_of(await act(machine, held, "refund")) == "forbidden"
    assert await wallet_of(engine, world) == (500, 0)
