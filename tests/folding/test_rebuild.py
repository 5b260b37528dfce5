import asyncio
import os
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.folding.mending import Mended
from service.folding.rebuild import rebuild
from service.folding.worker import PositionLost, tick
from service.settings import Settings
from service.tables.ledger import transfer
from service.tables.volumes import coin_volume, fold_position, resident_volume, volume, volume_month
from service.tables.weighing import resident_day, review_decision, weigh_event
from tests.folding.drops import (
    NOON,
    Place,
    bind,
    commit_drops,
    credit_waiting_for,
    drop,
    fold_all,
    new_resident,
    rows,
    write,
)
from tests.review.held import decide, hold
from tests.world import spend

TABLES = (
    (volume, ("day", "site_id", "material_id")),
    (volume_month, ("month", "site_id", "material_id")),
    (resident_volume, ("owner_id", "material_id")),
    (coin_volume, ("day", "kind", "account_id")),
)


async def sums(engine: AsyncEngine) -> list[list[tuple[object, ...]]]:
    return [[*await rows(engine, table, order)] for table, order in TABLES]


async def busy_day(engine: AsyncEngine, place: Place) -> None:
    """Drops that were credited at once, later, never; held ones, decided and not; and a redemption."""
    card = os.urandom(32)
    await commit_drops(
        engine, drop(grams=5000, card=place.card), drop(grams=200, card=card), drop(grams=3, material="metal")
    )
    async with transaction(engine) as connection:
        await bind(connection, card, place.resident_id)
        await credit_waiting_for(connection, card)
        for decisions in ((), ("released",), ("rejected",), ("rejected", "released")):
            held = await hold(connection, grams=1000, occurred_at=NOON)
            for decision in decisions:
                await decide(connection, held, decision, placed_at=NOON - timedelta(days=1))
        await spend(
            connection,
            owner_id=place.resident_id,
            merchant_account_id=place.merchant_account_id,
            coins=100,
            redemption_id=uuid.uuid4(),
        )


async def versions(engine: AsyncEngine) -> dict[int, str]:
    async with engine.connect() as connection:
        found = await connection.execute(sa.text("SELECT owner_id, xmin::text AS version FROM wallet"))
        return {row.owner_id: row.version for row in found}


async def rebuild_now(admin_engine: AsyncEngine, settings: Settings) -> Mended:
    async with transaction(admin_engine) as connection:
        return await rebuild(connection, timezone=settings.business_timezone, shown=5)


async def test_a_rebuild_finds_nothing_to_change(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await busy_day(engine, place)
    await fold_all(engine, settings)
    before = await sums(engine)
    assert all(before)
    # Of what is not folded yet nothing is said.
    await commit_drops(engine, drop(grams=9, occurred_at=NOON - timedelta(days=40)))
    assert await rebuild_now(admin_engine, settings) == Mended(0, ())
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.delete(weigh_event).where(weigh_event.c.weight_grams == 9))
    await rebuild_now(admin_engine, settings)
    assert await sums(engine) == before
    await fold_all(engine, settings)
    assert await sums(engine) == before


async def test_a_rebuild_mends_what_was_spoilt_and_folds_what_was_not_yet(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await busy_day(engine, place)
    await fold_all(engine, settings)
    right = await sums(engine)
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(volume).values(grams=1))
        await connection.execute(sa.delete(resident_volume))
        await connection.execute(sa.update(coin_volume).values(issued_coins=0))
        await connection.execute(sa.update(fold_position).values(xid=0))
    await rebuild_now(admin_engine, settings)
    assert await sums(engine) == right


async def test_a_rebuild_mends_residents_days(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    other_card, stranger = os.urandom(32), await new_resident(engine)
    async with transaction(engine) as connection:
        await bind(connection, other_card, stranger)
    # Half an hour before midnight in Shanghai, and after it.
    late = NOON + timedelta(hours=11, minutes=30)
    await commit_drops(engine, drop(card=place.card), drop(card=place.card, occurred_at=late), drop(card=other_card))
    async with transaction(engine) as connection:
        held = await hold(connection, grams=2000, occurred_at=NOON, outcome="credited", resident_id=place.resident_id)
        await decide(connection, held, "released", placed_at=late + timedelta(hours=1))
    day = NOON.date()
    right = [
        (place.resident_id, day, 2, 2500, 250),
        (place.resident_id, day + timedelta(days=1), 1, 2000, 125),
        (stranger, day, 1, 1250, 125),
    ]
    for spoil in (
        sa.update(resident_day).values(drops=7, coins=resident_day.c.coins + 1),
        sa.delete(resident_day),
        sa.insert(resident_day).values(owner_id=stranger, day=day - timedelta(days=1), drops=1, grams=1, coins=1),
    ):
        async with transaction(admin_engine) as connection:
            await connection.execute(spoil)
        read_before = await versions(engine)
        await rebuild_now(admin_engine, settings)
        assert await rows(engine, resident_day, ("owner_id", "day")) == right
        # Who read a wrong day before, and decides by it, is told by the wallet's version.
        assert read_before[stranger] != (await versions(engine))[stranger]


async def test_rows_restored_from_another_cluster_are_counted_once_for_ever(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await busy_day(engine, place)
    await fold_all(engine, settings)
    right = await sums(engine)
    # As after pg_restore: all ids are a little larger than this cluster's counter, which will pass them.
    async with transaction(admin_engine) as connection:
        for column in (
            weigh_event.c.xid,
            weigh_event.c.claimed_xid,
            review_decision.c.xid,
            transfer.c.xid,
            fold_position.c.xid,
        ):
            await connection.execute(sa.update(column.table).values({column.name: column + 1000}))
    with pytest.raises(PositionLost):
        await tick(engine, settings)
    await rebuild_now(admin_engine, settings)
    assert await sums(engine) == right
    for _ in range(1200):
        async with transaction(admin_engine) as connection:
            await connection.execute(sa.text("SELECT pg_current_xact_id()"))
    await commit_drops(engine, drop(grams=1, card=place.card))
    await fold_all(engine, settings)
    released, _, paper = await rows(engine, volume, ("day", "material_id"))
    assert (released[4:], paper[4:]) == ((2000, 2, 0, 0), (5201, 3, 1000, 1))


async def test_what_is_written_during_a_rebuild_is_folded_after_it(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await commit_drops(engine, drop(grams=1000))
    async with engine.connect() as early, admin_engine.connect() as rebuilding:
        # It has its transaction id before the rebuild begins, and writes its drop after.
        await early.execute(sa.text("SELECT pg_current_xact_id()"))
        await rebuild(rebuilding, timezone=settings.business_timezone)
        await write(early, drop(grams=7))
        await early.commit()
        await commit_drops(engine, drop(grams=20))
        await rebuilding.commit()
    await fold_all(engine, settings)
    assert [row[4:6] for row in await rows(engine, volume, ("day",))] == [(1027, 3)]


async def test_rebuilds_while_writers_run_change_nothing(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    async def write_on(card: bytes) -> None:
        resident_id = await new_resident(engine)
        for number in range(20):
            await commit_drops(engine, drop(grams=1, card=card))
            async with transaction(engine) as connection:
                if number == 10:
                    await bind(connection, card, resident_id)
                if number >= 10:
                    await credit_waiting_for(connection, card)

    writers = asyncio.gather(*(write_on(os.urandom(32)) for _ in range(4)))
    while not writers.done():
        await rebuild_now(admin_engine, settings)
        await asyncio.gather(tick(engine, settings), asyncio.sleep(0))
    await writers
    await fold_all(engine, settings)
    assert [row[4:6] for row in await rows(engine, volume, ("day",))] == [(80, 80)]
    assert [row[3] for row in await rows(engine, resident_volume, ("owner_id",))] == [20, 20, 20, 20]


async def test_the_application_may_not_rebuild(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        await rebuild_now(engine, settings)
