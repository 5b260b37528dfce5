"""The verification as a whole: what it says of a sound database, while the service goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import create_engine
from service.settings import Settings
from service.tables import metadata
from service.verifying.check import ROWS_MAX, Check
from service.verifying.verify import CHECKS, verify
from tests.verifying.city import City
from tests.verifying.damage import as_superuser, breaches

Client = TestClient[Any, Any]

# What no feature of this release fills by use, or what the city has no need of.
EMPTY = {
    "adjustment",
    "carbon_factor",
    "coin_life",
    "indicator_input",
    "merchant_day",
    "merchant_rate",
    "offer",
    "settlement_line",
    "settlement_statement",
    "spending_limit",
    "target",
    "uncovered_capture",
    "webhook_attempt",
    "webhook_delivery",
    "webhook_endpoint",
    "webhook_message",
}


async def test_a_sound_city_has_no_breach(city: City, engine: AsyncEngine, settings: Settings) -> None:
    results = await verify(engine, settings)
    assert [(result.check.name, result.breaches, result.rows) for result in results] == [
        (check.name, 0, []) for check in CHECKS
    ]


async def test_the_sound_city_is_not_sound_for_being_empty(city: City, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for table in metadata.sorted_tables:
            count = (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
            assert (count > 0) == (table.name not in EMPTY), table.name


async def test_every_invariant_has_a_check() -> None:
    assert {check.invariant for check in CHECKS} == set(range(1, 9))
    assert len({check.name for check in CHECKS}) == len(CHECKS)


async def test_progress_names_each_check_before_it_runs(city: City, engine: AsyncEngine, settings: Settings) -> None:
    heard: list[tuple[int, Check | None]] = []
    await verify(engine, settings, progress=lambda done, beginning: heard.append((done, beginning)))
    assert heard == [*enumerate(CHECKS), (len(CHECKS), None)]


async def test_only_the_first_rows_are_given_and_all_are_counted(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await as_superuser(
        admin_engine, "INSERT INTO wallet (owner_id) SELECT number FROM generate_series(900001, 900020) AS number"
    )
    result = (await breaches(engine, settings))["residents_have_wallets"]
    assert result.breaches == 20
    assert [row["owner_id"] for row in result.rows] == list(range(900001, 900001 + ROWS_MAX))


async def test_every_check_sees_the_moment_of_the_first(city: City, engine: AsyncEngine, settings: Settings) -> None:
    """While they run a transfer is posted without an event and without its wallet, which two of them would notice."""
    statement = (
        "INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)"
        " SELECT owner_id, kind, debit_account_id, credit_account_id, 5, bin_id, 'nowhere' FROM transfer"
        " WHERE event_id = 'first'"
    )

    def post_after_the_first(done: int, _beginning: Check | None) -> None:
        if done == 1:
            # In a loop of its own, because the checks go on when this returns.
            with ThreadPoolExecutor() as executor:
                executor.submit(asyncio.run, execute(settings, statement)).result()

    results = await verify(engine, settings, progress=post_after_the_first)
    assert [result.check.name for result in results if not result.holds] == []
    assert set(await breaches(engine, settings)) == {
        "credited_events_match_transfers",
        "wallets_equal_their_transfers",
        "wallets_hold_what_was_issued",
    }


async def execute(settings: Settings, statement: str) -> None:
    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await engine.dispose()
