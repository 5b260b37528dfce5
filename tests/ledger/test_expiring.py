"""Coins expire once, oldest first; who holds them keeps them; and no rule takes what was earned."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, is_lost_connection, transaction
from service.errors import CoinLifeExists, CoinLifeInThePast
from service.ledger.coin_life import Expiring, list_coin_life, next_expiring, set_coin_life
from service.ledger.expiring import IDLE, PASS_OVER, expire_step
from service.ledger.queries import insert_transfer, move_posted, open_wallet
from service.redemption.limits import set_limit
from service.settings import Settings
from service.tables.ledger import coin_life, expiry_position, transfer, wallet
from service.tables.reference import material, tariff
from service.weighing.places import set_tariff
from tests.blocking import until_blocked
from tests.world import credit

ZONE = "Asia/Shanghai"
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
OLD = datetime(2025, 3, 5, 4, tzinfo=UTC)
OLDER = OLD - timedelta(days=40)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"expiry_interval_seconds": 1e-6})


async def spend(connection: AsyncConnection, owner_id: int, coins: int) -> None:
    await move_posted(connection, owner_id, -coins)
    await insert_transfer(
        connection,
        owner_id=owner_id,
        kind="redemption",
        debit_account_id=owner_id,
        credit_account_id=2**40,
        coins=coins,
        redemption_id=uuid.uuid4(),
    )


async def let_coins_live(engine: AsyncEngine, months: int | None = 12, since: datetime = EPOCH) -> None:
    """A rule that was set long ago."""
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(coin_life).values(effective_from=since, months=months))


async def resident(engine: AsyncEngine, *earned: tuple[int, datetime]) -> int:
    """A new wallet with lots of so many coins from then."""
    async with transaction(engine) as connection:
        owner_id = await open_wallet(connection)
        for coins, at in earned:
            await credit(connection, owner_id, coins, at=at)
    return owner_id


async def run_pass(engine: AsyncEngine, settings: Settings, **limits: int) -> int:
    """Step until a pass is over; how many lots were expired."""
    posted = 0
    while True:
        step = await expire_step(engine, settings, **limits)
        posted += step.posted
        if not step.more:
            return posted


async def expiries(engine: AsyncEngine) -> list[Any]:
    query = sa.select(transfer).where(transfer.c.kind == "expiry").order_by(transfer.c.owner_id, transfer.c.id)
    async with engine.connect() as connection:
        return list((await connection.execute(query)).all())


async def posted(engine: AsyncEngine, owner_id: int) -> int:
    """What the wallet says, which must be what its transfers add up to."""
    signed = sa.case((transfer.c.credit_account_id == owner_id, transfer.c.coins), else_=-transfer.c.coins)
    moved = sa.select(sa.func.sum(signed)).where(transfer.c.owner_id == owner_id).scalar_subquery()
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(wallet.c.posted, moved).where(wallet.c.owner_id == owner_id))).one()
    assert row[0] == int(row[1])
    return int(row[0])


async def expiring(engine: AsyncEngine, owner_id: int) -> Expiring | None:
    coins = await posted(engine, owner_id)
    async with engine.connect() as connection:
        return await next_expiring(connection, owner_id, coins, zone=ZONE)


async def test_what_is_left_of_a_lot_goes_back_to_the_issuer_and_names_it(
    engine: AsyncEngine, settings: Settings
) -> None:
    await let_coins_live(engine)
    now = datetime.now(UTC)
    owner_id = await resident(engine, (100, OLDER), (50, OLD), (30, now))
    async with transaction(engine) as connection:
        await spend(connection, owner_id, 110)
    assert await run_pass(engine, settings) == 1
    [row] = await expiries(engine)
    assert (row.owner_id, row.debit_account_id, row.credit_account_id, row.coins) == (owner_id, owner_id, 1, 40)
    async with engine.connect() as connection:
        lots = sa.select(transfer.c.id).where(transfer.c.kind == "credit").order_by(transfer.c.id)
        assert row.reverses_id == (await connection.execute(lots)).scalars().all()[1]
    assert await posted(engine, owner_id) == 30


async def test_the_same_pass_again_posts_nothing_more(engine: AsyncEngine, settings: Settings) -> None:
    await let_coins_live(engine)
    owner_ids = [await resident(engine, (10 + number, OLD), (7, OLDER)) for number in range(5)]
    assert await run_pass(engine, settings, wallets_max=2) == 10
    for _ in range(2):
        assert await run_pass(engine, settings, wallets_max=2) == 0
    assert [await posted(engine, owner_id) for owner_id in owner_ids] == [0] * 5


async def test_a_wallet_with_more_lots_than_a_transaction_takes_is_finished_in_several(
    engine: AsyncEngine, settings: Settings
) -> None:
    await let_coins_live(engine)
    owner_ids = [await resident(engine, *[(1, OLD)] * 250, (5, datetime.now(UTC))) for _ in range(2)]
    step = await expire_step(engine, settings, lots_max=120)
    assert (step.posted, step.more) == (120, True)
    assert await run_pass(engine, settings, lots_max=120) == 380
    assert [await posted(engine, owner_id) for owner_id in owner_ids] == [5, 5]


async def test_a_lot_of_which_coins_are_held_waits_whole(engine: AsyncEngine, settings: Settings) -> None:
    await let_coins_live(engine)
    owner_id = await resident(engine, (100, OLDER), (50, OLD), (30, OLD))

    async def hold(coins: int) -> None:
        async with transaction(engine) as connection:
            await connection.execute(sa.update(wallet).where(wallet.c.owner_id == owner_id).values(held=coins))

    await hold(101)
    assert await run_pass(engine, settings) == 1
    assert await posted(engine, owner_id) == 150
    await hold(100)
    assert await run_pass(engine, settings) == 1
    assert await posted(engine, owner_id) == 100
    await hold(1)
    assert await run_pass(engine, settings) == 0
    await hold(0)
    assert await run_pass(engine, settings) == 1
    assert await posted(engine, owner_id) == 0


async def test_nothing_happens_without_a_rule_or_before_the_next_pass_is_due(
    engine: AsyncEngine, settings: Settings
) -> None:
    owner_id = await resident(engine, (100, OLD))
    assert await expire_step(engine, settings) == IDLE
    await let_coins_live(engine, None)
    assert await expire_step(engine, settings) == IDLE
    await let_coins_live(engine, 1200, since=EPOCH + timedelta(days=1))
    hourly = settings.model_copy(update={"expiry_interval_seconds": 3600.0})
    assert await run_pass(engine, hourly) == 0
    await let_coins_live(engine, 1, since=EPOCH + timedelta(days=2))
    assert await expire_step(engine, hourly) == IDLE
    assert await posted(engine, owner_id) == 100
    assert await run_pass(engine, settings) == 1


async def test_two_services_share_a_pass_and_expire_each_lot_once(engine: AsyncEngine, settings: Settings) -> None:
    await let_coins_live(engine)
    owner_ids = [await resident(engine, (3, OLD), (4, OLD)) for _ in range(12)]
    other = create_engine(settings)
    try:
        found = await asyncio.gather(
            *(run_pass(each, settings, wallets_max=2) for each in (engine, other) for _ in range(3))
        )
    finally:
        await other.dispose()
    # Whoever found another at it had nothing to do; what they did not come to is in the next pass.
    assert sum(found) + await run_pass(engine, settings) == 24
    assert len(await expiries(engine)) == 24
    assert [await posted(engine, owner_id) for owner_id in owner_ids] == [0] * 12


async def test_a_step_that_is_cut_off_leaves_nothing_behind_and_is_done_again(
    engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await let_coins_live(engine)
    first, second = await resident(engine, (3, OLD)), await resident(engine, (4, OLD))
    async with transaction(engine) as connection:
        await connection.execute(sa.select(wallet).where(wallet.c.owner_id == second).with_for_update())
        step = asyncio.create_task(expire_step(engine, settings))
        await until_blocked(admin_engine)
        async with transaction(admin_engine) as killing:
            await killing.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock' AND usename <> current_user"
                )
            )
        with pytest.raises(DBAPIError) as cut:
            await step
        assert is_lost_connection(cut.value)
    assert (await posted(engine, first), await posted(engine, second)) == (3, 4)
    assert await run_pass(engine, settings) == 2
    assert (await posted(engine, first), await posted(engine, second)) == (0, 0)
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(expiry_position.c.owner_id))).scalar_one() == PASS_OVER


async def test_coins_that_are_spent_while_the_worker_waits_do_not_expire(
    engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await let_coins_live(engine)
    owner_id = await resident(engine, (100, OLD), (10, datetime.now(UTC)))
    async with transaction(engine) as spending:
        await spend(spending, owner_id, 60)
        step = asyncio.create_task(expire_step(engine, settings))
        await until_blocked(admin_engine)
    assert (await step).posted == 1
    assert [row.coins for row in await expiries(engine)] == [40]
    assert await posted(engine, owner_id) == 10


async def test_a_wallet_shows_all_that_expires_at_the_next_moment(engine: AsyncEngine, settings: Settings) -> None:
    owner_id = await resident(engine, (100, OLDER), (20, OLD), (5, OLD + timedelta(hours=2)), (30, datetime.now(UTC)))
    assert await expiring(engine, owner_id) is None
    await let_coins_live(engine, 600)
    assert await expiring(engine, owner_id) == Expiring(100, datetime(2075, 1, 24, 16, tzinfo=UTC))
    async with transaction(engine) as connection:
        await spend(connection, owner_id, 101)
    assert await expiring(engine, owner_id) == Expiring(24, datetime(2075, 3, 5, 16, tzinfo=UTC))
    assert await expiring(engine, await resident(engine, (1, datetime(2019, 1, 1, tzinfo=UTC)))) is None


async def test_newer_coins_with_a_shorter_life_expire_before_older_ones(
    engine: AsyncEngine, settings: Settings
) -> None:
    await let_coins_live(engine, 600)
    await let_coins_live(engine, 12, since=OLD - timedelta(days=1))
    owner_id = await resident(engine, (100, OLDER), (20, OLD), (30, OLD + timedelta(days=1)))
    assert await expiring(engine, owner_id) == Expiring(20, datetime(2026, 3, 5, 16, tzinfo=UTC))
    assert await run_pass(engine, settings) == 2
    async with transaction(engine) as connection:
        await spend(connection, owner_id, 99)
        await credit(connection, owner_id, 1, at=OLDER)
    assert await expiring(engine, owner_id) == Expiring(2, datetime(2075, 1, 24, 16, tzinfo=UTC))


async def test_no_change_of_tariff_limit_or_coin_life_touches_a_wallet(engine: AsyncEngine, settings: Settings) -> None:
    await let_coins_live(engine, 600)
    owner_id = await resident(engine, (100, OLDER), (50, OLD), (30, datetime.now(UTC)))
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(material).values(id="paper", name="废纸", name_en="Paper"))
        await connection.execute(sa.insert(tariff).values(material_id="paper", effective_from=EPOCH, coins_per_kg=100))
    before = await snapshot(engine, owner_id)
    async with transaction(engine) as connection:
        await set_tariff(connection, material_id="paper", coins_per_kg=1, effective_from=None)
        await set_coin_life(connection, months=1, effective_from=None, zone=ZONE)
        later = datetime.now(UTC) + timedelta(days=400)
        await set_coin_life(connection, months=None, effective_from=later, zone=ZONE)
        await set_limit(connection, kind="redemption", merchant_id=None, coins=1, effective_from=None, zone=ZONE)
    assert await run_pass(engine, settings) == 0
    assert await snapshot(engine, owner_id) == before


async def snapshot(engine: AsyncEngine, owner_id: int) -> tuple[object, ...]:
    """A wallet, its transfers and what expires when, as it is spent down coin by coin."""
    query = sa.select(transfer).where(transfer.c.owner_id == owner_id).order_by(transfer.c.id)
    async with engine.connect() as connection:
        rows = tuple((await connection.execute(query)).all())
        # Fewer coins posted are what is left when the oldest are spent.
        ends = [await next_expiring(connection, owner_id, coins, zone=ZONE) for coins in (180, 80, 79, 30, 1)]
    return await posted(engine, owner_id), rows, ends


async def test_a_rule_never_reaches_into_the_past(engine: AsyncEngine) -> None:
    now = datetime.now(UTC)
    async with transaction(engine) as connection:
        for at in (now - timedelta(days=1), now, now + timedelta(seconds=30)):
            with pytest.raises(CoinLifeInThePast):
                await set_coin_life(connection, months=1, effective_from=at, zone=ZONE)
        starts_at = await set_coin_life(connection, months=24, effective_from=None, zone=ZONE)
        assert timedelta(0) < starts_at - now < timedelta(minutes=10)
    later = starts_at + timedelta(days=1)
    async with transaction(engine) as connection:
        await set_coin_life(connection, months=None, effective_from=later, zone=ZONE)
    with pytest.raises(CoinLifeExists):
        async with transaction(engine) as connection:
            await set_coin_life(connection, months=1, effective_from=later, zone=ZONE)
    async with engine.connect() as connection:
        assert [tuple(row) for row in await list_coin_life(connection)] == [(starts_at, 24), (later, None)]
