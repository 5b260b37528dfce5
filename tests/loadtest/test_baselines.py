"""The baselines do what they say: on a real database, with the service's own statement."""

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.baselines import run_copy, run_transactions
from loadtest.drops import SHARE_BY_MATERIAL
from service.embedded import EmbeddedPostgres
from service.tables.reference import material, tariff
from tests.world import COINS_PER_KG, EPOCH, World

EVENTS = 150


@pytest.fixture
async def world(world: World, admin_engine: AsyncEngine) -> World:
    """The world of other tests, with the materials that it lacks."""
    missing = SHARE_BY_MATERIAL.keys() - COINS_PER_KG.keys()
    async with admin_engine.begin() as connection:
        await connection.execute(sa.insert(material), [{"id": each, "name": each, "name_en": each} for each in missing])
        rows = [{"material_id": each, "effective_from": EPOCH, "coins_per_kg": 100} for each in missing]
        await connection.execute(sa.insert(tariff), rows)
    return world


@pytest.fixture
def connect(postgres: EmbeddedPostgres, database: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """As Installation.connect, to the test's own database."""

    async def connected(**server_settings: str) -> Any:
        host = str(postgres.socket_dir)
        return await asyncpg.connect(host=host, user="postgres", database=database, server_settings=server_settings)

    return connected


async def rows_of(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(sa.text(query))]


@pytest.mark.parametrize("whole", [True, False])
async def test_each_event_is_credited_in_a_transaction_of_its_own(
    whole: bool, world: World, connect: Callable[..., Coroutine[Any, Any, Any]], admin_engine: AsyncEngine
) -> None:
    result = await run_transactions(connect, events_max=EVENTS, seconds_max=60, whole=whole, seed=1)
    assert result.events == EVENTS
    assert result.events_per_second == pytest.approx(EVENTS / result.seconds)
    query = "SELECT outcome, count(*), count(DISTINCT xid) FROM weigh_event GROUP BY outcome"
    assert await rows_of(admin_engine, query) == [("credited", EVENTS, EVENTS)]
    wallets = "SELECT posted = (SELECT sum(coins) FROM transfer) FROM wallet"
    assert await rows_of(admin_engine, wallets) == [(True,)]


async def test_time_ends_a_baseline(world: World, connect: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    result = await run_transactions(connect, events_max=EVENTS, seconds_max=0, whole=True, seed=1)
    assert 0 < result.events < EVENTS


async def test_copy_writes_the_rows_that_the_service_would(
    world: World, connect: Callable[..., Coroutine[Any, Any, Any]], admin_engine: AsyncEngine
) -> None:
    await run_transactions(connect, events_max=EVENTS, seconds_max=60, whole=False, seed=1)
    result = await run_copy(connect, rows=EVENTS, seconds_max=0.001, seed=1)
    assert result.events % EVENTS == 0
    # The same seed draws the same drops: what differs is the id, which tells the time, and what tells the run.
    same = (
        "SELECT bin_id, site_id, sequence, material_id, weight_grams, box_weight_grams, credential_digest, resident_id,"
        " outcome, coins_per_kg, coins, claimed_xid FROM {} ORDER BY bin_id, sequence"
    )
    assert await rows_of(admin_engine, same.format("copied_0")) == await rows_of(
        admin_engine, same.format("weigh_event")
    )
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'copied_0'"
    [(definition,)] = await rows_of(admin_engine, indexes)
    assert definition.endswith("USING btree (bin_id, event_id)")
