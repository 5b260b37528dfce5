"""Breaking what the service itself could not, and seeing who notices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from service.verifying.check import CheckResult
from service.verifying.verify import verify
from tests.verifying.city import City


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


async def as_superuser(admin_engine: AsyncEngine, *statements: str) -> None:
    async with admin_engine.begin() as connection:
        for statement in statements:
            # Not text(): a colon is a colon.
            changed = await connection.exec_driver_sql(statement)
            assert changed.rowcount != 0, statement


async def assert_noticed(
    damage: Damage, city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    """Exactly the expected checks notice, and the one of this damage names the right row."""
    await as_superuser(admin_engine, *(statement.format(city=city) for statement in damage.statements))
    found = await breaches(engine, settings)
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
