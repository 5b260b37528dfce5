import asyncio
import itertools
import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, transaction
from service.folding import queries
from service.folding.worker import PositionLost, check_imbalance, fold_forever, tick
from service.settings import Settings
from service.tables.ledger import wallet
from service.tables.volumes import coin_volume, fold_position, resident_volume, volume
from service.tables.weighing import weigh_event
from tests.folding.drops import (
    Place,
    bind,
    commit_drops,
    credit_waiting_for,
    drop,
    fold_all,
    new_bin,
    rows,
    until,
    write,
)
from tests.world import adjust, spend

DAY = date(2026, 3, 1)
TERMINATE = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename <> current_user"
)
LONG = {"fold_lease_seconds": 3600.0}


async def volumes(engine: AsyncEngine) -> dict[tuple[date, str], tuple[int, int]]:
    """(day, material) → (grams, drops); all tests here use one site."""
    found = await rows(engine, volume, ("day", "material_id"))
    return {(day, material): (grams, drops) for day, _, material, _, grams, drops, *_ in found}


async def resident_volumes(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(engine, resident_volume, ("owner_id", "material_id"))


async def read_position(engine: AsyncEngine) -> sa.Row[Any]:
    async with transaction(engine) as connection:
        return (await connection.execute(sa.select(fold_position))).one()


async def lag(engine: AsyncEngine) -> float:
    async with transaction(engine) as connection:
        return await queries.fold_lag_seconds(connection)


async def has_volume(engine: AsyncEngine, grams: int) -> bool:
    return await volumes(engine) == {(DAY, "paper"): (grams, 1)}


async def has_holder(engine: AsyncEngine, instance: str) -> bool:
    return bool((await read_position(engine)).holder == instance)


@asynccontextmanager
async def folding(engine: AsyncEngine, settings: Settings) -> AsyncIterator[None]:
    worker = asyncio.create_task(fold_forever(engine, settings))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def xid_of(connection: AsyncConnection) -> int:
    """The id of the transaction that this connection has open."""
    found: int = (await connection.execute(sa.text("SELECT pg_current_xact_id()::text::bigint"))).scalar_one()
    return found


async def fold_settled_below(engine: AsyncEngine, settings: Settings, older: AsyncConnection) -> None:
    """Tick until all is folded that came before the transaction `older` has open."""
    limit = await xid_of(older)
    while (await read_position(engine)).xid < limit:
        await tick(engine, settings)
        await asyncio.sleep(0.01)


async def test_drops_are_volume_whatever_became_of_their_coins(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    await commit_drops(
        engine,
        drop(grams=1000, card=place.card),
        drop(grams=200, card=None),
        drop(grams=30, coins_per_kg=None),
        drop(grams=4, material="metal"),
    )
    await fold_all(engine, settings)
    assert await rows(engine, volume, ("day", "material_id")) == [
        (DAY, "site-1", "metal", "bin", 4, 1, 0, 0),
        (DAY, "site-1", "paper", "bin", 1200, 2, 30, 1),
    ]
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 1000)]


async def test_a_drop_before_midnight_in_utc_is_of_the_next_day_in_shanghai(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    await commit_drops(
        engine,
        drop(grams=1, occurred_at=datetime(2026, 2, 28, 15, 59, 59, 999999, UTC)),
        drop(grams=10, occurred_at=datetime(2026, 2, 28, 16, 0, tzinfo=UTC)),
        drop(grams=100, occurred_at=datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
    )
    await fold_all(engine, settings)
    assert await volumes(engine) == {(date(2026, 2, 28), "paper"): (1, 1), (DAY, "paper"): (110, 2)}


async def test_a_second_tick_adds_to_what_is_there(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    for grams in (1, 10, 100):
        await commit_drops(engine, drop(grams=grams, card=place.card))
        await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "paper"): (111, 3)}
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 111)]


async def test_a_rolled_back_drop_is_never_counted(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    async with engine.connect() as connection:
        await write(connection, drop(card=place.card))
        await connection.rollback()
    await commit_drops(engine, drop(grams=7))
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "paper"): (7, 1)}
    assert await resident_volumes(engine) == []
    assert await rows(engine, coin_volume, ("day",)) == []


async def test_a_late_commit_is_not_skipped(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    async with engine.connect() as late:
        await write(late, drop(grams=1000, bin_id=await new_bin(engine)))
        await commit_drops(engine, drop(grams=1))
        for _ in range(3):
            await tick(engine, settings)
        # The committed one waits for the older transaction, whose end nobody knows.
        assert await volumes(engine) == {}
        assert await lag(engine) > 0
        await late.commit()
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "paper"): (1001, 2)}
    assert await lag(engine) == 0


async def test_a_drop_that_waited_for_its_card_counts_for_the_resident_once(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    card = os.urandom(32)
    await commit_drops(engine, drop(grams=500, card=card))
    await fold_all(engine, settings)
    assert await resident_volumes(engine) == []
    async with transaction(engine) as connection:
        await bind(connection, card, place.resident_id)
        assert await credit_waiting_for(connection, card) == 1
    await fold_all(engine, settings)
    await fold_all(engine, settings)
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 500)]
    assert await volumes(engine) == {(DAY, "paper"): (500, 1)}


async def test_a_drop_claimed_before_it_was_folded_counts_once(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    card = os.urandom(32)
    await commit_drops(engine, drop(grams=500, card=card))
    async with engine.connect() as claiming:
        await bind(claiming, card, place.resident_id)
        assert await credit_waiting_for(claiming, card) == 1
        # The drop is settled, its claim is not: volume yes, the resident's not yet.
        await fold_settled_below(engine, settings, claiming)
        assert await volumes(engine) == {(DAY, "paper"): (500, 1)}
        assert await resident_volumes(engine) == []
        await claiming.commit()
    await fold_all(engine, settings)
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 500)]


async def test_a_claim_by_a_transaction_older_than_the_drop_counts_once(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    card = os.urandom(32)
    async with engine.connect() as claiming:
        await bind(claiming, card, place.resident_id)
        # It cannot see the binding yet, so it stays unclaimed; its transaction id is larger than the claim's.
        await commit_drops(engine, drop(grams=500, card=card))
        assert await credit_waiting_for(claiming, card) == 1
        await tick(engine, settings)
        assert await volumes(engine) == {}
        await claiming.commit()
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "paper"): (500, 1)}
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 500)]


async def test_a_claim_that_commits_while_the_window_is_summed_counts_once(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    card = os.urandom(32)
    await commit_drops(engine, drop(grams=500, card=card))
    async with engine.connect() as claiming:
        await bind(claiming, card, place.resident_id)
        assert await credit_waiting_for(claiming, card) == 1
        lower = (await read_position(engine)).xid
        upper = await xid_of(claiming)
        async with transaction(engine) as folding:
            # Between reading the window's end and summing it, the claim becomes visible.
            await claiming.commit()
            await queries.fold_resident_volume(folding, lower=lower, upper=upper, timezone="Asia/Shanghai")
            await queries.fold_volume(folding, lower=lower, upper=upper, timezone="Asia/Shanghai")
            await queries.fold_coin_volume(folding, lower=lower, upper=upper, timezone="Asia/Shanghai")
            await queries.move_position(folding, xid=upper, instance=settings.instance)
    assert await resident_volumes(engine) == []
    await fold_all(engine, settings)
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 500)]
    assert await volumes(engine) == {(DAY, "paper"): (500, 1)}


async def test_coins_are_summed_by_kind_and_the_account_on_the_other_side(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    await commit_drops(engine, drop(grams=1000, card=place.card), drop(grams=2000, card=place.card))
    async with transaction(engine) as connection:
        await spend(
            connection,
            owner_id=place.resident_id,
            merchant_account_id=place.merchant_account_id,
            coins=120,
            redemption_id=uuid.uuid4(),
        )
        await adjust(connection, place.resident_id, 35)
        await adjust(connection, place.resident_id, -20)
    await fold_all(engine, settings)
    issuer, shop = 1, place.merchant_account_id
    found = {(kind, account): sums for _, kind, account, *sums in await rows(engine, coin_volume, ("day",))}
    assert found == {
        ("credit", issuer): [300, 0, 2],
        ("redemption", shop): [0, 120, 1],
        ("adjustment", issuer): [35, 20, 2],
    }


async def test_a_backlog_is_folded_in_windows_and_a_large_transaction_whole(
    place: Place, engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[tuple[int, int]] = []
    fold_volume = queries.fold_volume

    async def watched(connection: Any, *, lower: int, upper: int, timezone: str) -> None:
        windows.append((lower, upper))
        await fold_volume(connection, lower=lower, upper=upper, timezone=timezone)

    monkeypatch.setattr(queries, "fold_volume", watched)
    await commit_drops(engine, *(drop(grams=1, card=place.card) for _ in range(40)))
    for _ in range(12):
        await commit_drops(engine, drop(grams=100, card=place.card))
    while (await volumes(engine)).get((DAY, "paper")) != (1240, 52):
        await tick(engine, settings, window_rows_max=5)
    assert len(windows) >= 3
    assert all(before[1] == after[0] for before, after in itertools.pairwise(windows))
    assert await resident_volumes(engine) == [(place.resident_id, "paper", "", 1240)]


async def test_only_the_holder_of_the_lease_folds(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    a = settings.model_copy(update=LONG)
    b = a.model_copy(update={"instance": "b"})
    await fold_all(engine, a)
    await commit_drops(engine, drop(grams=7))
    assert await tick(engine, b) is False
    assert await volumes(engine) == {}
    await fold_all(engine, a)
    assert await volumes(engine) == {(DAY, "paper"): (7, 1)}
    async with transaction(engine) as connection:
        assert await queries.holds_lease(connection, instance="a")
        assert not await queries.holds_lease(connection, instance="b")


async def test_another_instance_takes_over_when_the_lease_ran_out(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    await fold_all(engine, settings.model_copy(update=LONG))
    await commit_drops(engine, drop(grams=7))
    b = settings.model_copy(update={"instance": "b", "fold_lease_seconds": 0.3})
    async with folding(engine, b.model_copy(update={"fold_interval_seconds": 0.05})):
        await until(partial(has_volume, engine, 7))
    assert (await read_position(engine)).holder == "b"


async def test_a_lease_that_is_half_over_is_renewed_and_a_fresh_one_costs_no_write(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    long = settings.model_copy(update=LONG)
    await fold_all(engine, long)
    before = await read_position(engine)
    assert await tick(engine, long) is False
    assert await read_position(engine) == before
    async with transaction(engine) as connection:
        await connection.execute(
            sa.update(fold_position).values(ticked_at=fold_position.c.ticked_at - sa.text("interval '31 minutes'"))
        )
    assert await tick(engine, long) is True
    assert (await read_position(engine)).ticked_at > before.ticked_at


async def test_two_processes_of_one_instance_never_fold_the_same_rows(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    for _ in range(20):
        await commit_drops(engine, drop(grams=1, card=place.card))
        await asyncio.gather(*(tick(engine, settings) for _ in range(4)))
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "paper"): (20, 20)}


async def test_wallets_that_transfers_do_not_account_for_are_an_imbalance(
    place: Place, engine: AsyncEngine, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await commit_drops(engine, drop(grams=1000, card=place.card))
    await fold_all(engine, settings)
    # Part of the transfers are folded, part are not: both count.
    await commit_drops(engine, drop(grams=2000, card=place.card))
    assert await check_imbalance(engine, settings.instance) == 0
    assert not caplog.records
    async with transaction(engine) as connection:
        await connection.execute(sa.update(wallet).values(posted=wallet.c.posted + 5))
    assert await check_imbalance(engine, settings.instance) == 5
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "5 coins" in caplog.text
    assert (await read_position(engine)).imbalance_coins == 5
    await fold_all(engine, settings)
    assert (await read_position(engine)).imbalance_coins == 5


async def test_the_lag_is_the_age_of_the_oldest_drop_that_is_not_folded(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    assert await lag(engine) == 0
    await commit_drops(engine, drop())
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(weigh_event).values(received_at=datetime(2026, 1, 1, tzinfo=UTC)))
    await commit_drops(engine, drop())
    age = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert age - 60 < await lag(engine) < age + 3600
    await fold_all(engine, settings)
    assert await lag(engine) == 0


async def test_a_position_of_another_cluster_stops_folding_for_good(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.update(fold_position).values(xid=10**12))
    await commit_drops(engine, drop())
    for _ in range(2):
        with pytest.raises(PositionLost, match=r"restored.*docs/operations\.md"):
            await tick(engine, settings)
    assert await volumes(engine) == {}
    assert (await read_position(engine)).xid == queries.LOST_XID
    assert await lag(engine) == float("inf")


async def test_a_lost_position_is_said_once(
    place: Place,
    engine: AsyncEngine,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.update(fold_position).values(xid=10**12))
    ticks = 0
    peek = queries.peek

    async def counted(*arguments: Any, **named: Any) -> sa.Row[Any]:
        nonlocal ticks
        ticks += 1
        return await peek(*arguments, **named)

    async def has_ticked_often() -> bool:
        return ticks > 10

    monkeypatch.setattr(queries, "peek", counted)
    async with folding(engine, settings):
        await until(has_ticked_often)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_lost_database_is_a_warning_and_folding_goes_on(
    place: Place, settings: Settings, admin_engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(settings)

    async def is_warned() -> bool:
        async with transaction(admin_engine) as connection:
            await connection.execute(TERMINATE)
        return bool(caplog.records)

    async with folding(engine, settings):
        await until(partial(has_holder, admin_engine, "a"))
        await until(is_warned)
        await commit_drops(admin_engine, drop(grams=7))
        await until(partial(has_volume, admin_engine, 7))
    await engine.dispose()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
