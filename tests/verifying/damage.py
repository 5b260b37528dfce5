"""Breaking what the service itself could not, and seeing who notices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.settings import Settings
from service.verifying.check import CheckResult, run_check
from service.verifying.verify import CHECKS, verify
from tests.verifying.city import City

# Of the settings, unless they say otherwise.
TIMEZONE: Final = "Asia/Shanghai"


@dataclass(frozen=True)
class Damage:
    """What a superuser does to the city ({city.…} is filled in), and the first row that the check then names.

    `also` are the other checks that notice.
    """

    check: str
    statements: tuple[str, ...]
    row: Mapping[str, Any]
    also: frozenset[str] = frozenset()


async def breaches(engine: AsyncEngine, settings: Settings) -> dict[str, CheckResult]:
    """The checks that do not hold, by name."""
    return {result.check.name: result for result in await verify(engine, settings) if not result.holds}


async def breaches_after(superuser: AsyncEngine, *statements: str) -> dict[str, CheckResult]:
    """The checks that would not hold for the service if a superuser did this, which is undone."""
    async with superuser.connect() as connection:
        await _execute(connection, statements)
        # What this transaction wrote is from the future until a later one has ended.
        async with superuser.begin() as another:
            await another.exec_driver_sql("SELECT pg_current_xact_id()")
        await connection.exec_driver_sql("SET LOCAL ROLE tanbi")
        results = [await run_check(connection, check, timezone=TIMEZONE) for check in CHECKS]
    return {result.check.name: result for result in results if not result.holds}


async def as_superuser(admin_engine: AsyncEngine, *statements: str) -> None:
    async with admin_engine.begin() as connection:
        await _execute(connection, statements)


async def _execute(connection: AsyncConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        # Not text(): a colon is a colon.
        changed = await connection.exec_driver_sql(statement)
        assert changed.rowcount != 0, statement


async def assert_noticed(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    """Exactly the expected checks notice, and the one of this damage names the right row."""
    found = await breaches_after(superuser, *(statement.format(city=city) for statement in damage.statements))
    assert set(found) == {damage.check, *damage.also}
    result = found[damage.check]
    expected = {
        name: value.format(city=city) if isinstance(value, str) else value for name, value in damage.row.items()
    }
    named = {
        name: str(value) if isinstance(expected[name], str) else value
        for name, value in result.rows[0].items()
        if name in expected
    }
    assert named == expected
    assert result.breaches >= len(result.rows) > 0
