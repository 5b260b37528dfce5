"""One check, and what came of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

# Enough to see what kind of damage it is; the count says how much.
ROWS_MAX = 5


@dataclass(frozen=True, slots=True)
class Check:
    """A statement of which every row is a breach: at least one column says which row of the database it is, by ids
    only. `sentence` says what is true where there is no breach. The statement may use :timezone."""

    invariant: int
    name: str
    sentence: str
    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: how many breaches, and the first of them, column by column."""

    check: Check
    breaches: int
    rows: list[dict[str, Any]]
    seconds: float

    @property
    def holds(self) -> bool:
        return self.breaches == 0


async def run_check(connection: AsyncConnection, check: Check, *, timezone: str) -> CheckResult:
    """Run a check in the caller's snapshot. The database counts; only the first rows are fetched."""
    started = time.perf_counter()
    statement = sa.text(
        "SELECT breach.*, count(*) OVER () AS breaches"  # noqa: S608  # statements of this package only
        f" FROM ({check.sql}) AS breach ORDER BY breach LIMIT {ROWS_MAX}"
    )
    found = (await connection.execute(statement, {"timezone": timezone, **check.parameters})).mappings().all()
    rows = [{name: value for name, value in row.items() if name != "breaches"} for row in found]
    return CheckResult(check, found[0]["breaches"] if found else 0, rows, time.perf_counter() - started)
