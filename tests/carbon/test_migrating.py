"""What the migration makes of factors and residents' grams that were there before sets were chosen by day."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from service.carbon.factor_sets import add_set, list_sets
from service.carbon.rules import SINCE_EVER
from service.carbon.shipped import SHIPPED
from service.embedded import EmbeddedPostgres
from service.migrating import alembic_config, upgrade
from service.verifying.carbon import CHECKS
from service.verifying.check import run_check
from tests.conftest import admin_execute

_numbers = itertools.count(1)
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def before(postgres: EmbeddedPostgres) -> Iterator[tuple[str, Query]]:
    """A database of the release before, with the factors of its demo and of a city, and what residents brought."""
    name = f"carbon_{next(_numbers)}"
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE {name}"))
    url = postgres.admin_url(name)
    command.upgrade(alembic_config(url), "0004")

    async def run(statement: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database=name)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def query(statement: str) -> list[tuple[Any, ...]]:
        return asyncio.run(run(statement))

    materials = {factor.material for each in SHIPPED for factor in each.factors}
    for material in sorted(materials):
        query(f"INSERT INTO material VALUES ('{material}', '{material}', '{material}')")
    for each in SHIPPED:
        for factor in each.factors:
            grams = factor.milligrams_co2e_per_kg // 1000
            query(
                f"INSERT INTO carbon_factor VALUES ('{each.id}', '{factor.material}', {grams}, '{factor.stands_for}')"
            )
    query("INSERT INTO carbon_factor VALUES ('city.own', 'paper', 2147483647, '废纸')")
    query("INSERT INTO resident_volume VALUES (7, 'paper', 1250), (7, 'glass', 3), (8, 'paper', 40)")
    yield url, query
    asyncio.run(admin_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize(("setting", "chosen"), [(None, "uk.desnz.2025"), ("city.own", "city.own"), ("gone", "")])
def test_what_was_shown_by_the_setting_counts_by_its_set_since_ever(
    before: tuple[str, Query], monkeypatch: pytest.MonkeyPatch, setting: str | None, chosen: str
) -> None:
    url, query = before
    if setting is not None:
        monkeypatch.setenv("TANBI_CO2E_FACTOR_SET", setting)
    upgrade(url)
    assert query("SELECT owner_id, material_id, set_id, grams FROM resident_volume ORDER BY 1, 2") == [
        (7, "glass", chosen, 3),
        (7, "paper", chosen, 1250),
        (8, "paper", chosen, 40),
    ]
    choices = query("SELECT effective_from, set_id FROM carbon_set_choice")
    assert choices == ([(SINCE_EVER, chosen)] if chosen else [])


def test_the_sets_are_those_that_are_shipped_to_the_last_letter(before: tuple[str, Query]) -> None:
    url, _ = before
    upgrade(url)

    async def look() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            assert [await add_set(connection, each) for each in SHIPPED] == [False, False]
            sets = {each.id: each for each in (await list_sets(connection)).sets}
            own = sets["city.own"]
            assert (own.name, own.source) == ("city.own", "not recorded: older than sources were")
            assert [factor.milligrams_co2e_per_kg for factor in own.factors] == [2147483647000]
            for check in CHECKS:
                assert (await run_check(connection, check, timezone="Asia/Shanghai")).holds
        await engine.dispose()

    asyncio.run(look())
