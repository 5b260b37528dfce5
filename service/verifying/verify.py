"""All checks in one snapshot of a live database."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import snapshot
from service.settings import Settings
from service.verifying import (
    bins,
    carbon,
    expiries,
    guards,
    holds,
    indicator,
    late_captures,
    ledger,
    limits,
    memories,
    redemptions,
    reviews,
    settlement,
    volumes,
    weighing,
)
from service.verifying.check import Check, CheckResult, run_check

CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (
            *guards.CHECKS,
            *weighing.CHECKS,
            *bins.CHECKS,
            *memories.CHECKS,
            *reviews.CHECKS,
            *ledger.CHECKS,
            *holds.CHECKS,
            *limits.CHECKS,
            *late_captures.CHECKS,
            *redemptions.CHECKS,
            *expiries.CHECKS,
            *settlement.CHECKS,
            *volumes.CHECKS,
            *carbon.CHECKS,
            *indicator.CHECKS,
        ),
        key=lambda check: check.invariant,
    )
)

# How many checks are done, and which one begins; None when all are.
Progress = Callable[[int, Check | None], None]

# Of tens of millions of rows, joins and sums do not fit into the few megabytes that are good for a request.
PREPARE: Final = (
    sa.text("SET LOCAL statement_timeout = 0"),
    sa.text("SET LOCAL work_mem = '128MB'"),
)


def no_progress(_done: int, _beginning: Check | None) -> None:
    """Where nobody watches."""


async def verify(engine: AsyncEngine, settings: Settings, *, progress: Progress = no_progress) -> list[CheckResult]:
    """One result a check, by number of the invariant. `engine` is the application's own: its role is checked too.

    All checks see one moment, and hold no lock that a writer waits for: the service may go on meanwhile. Nothing is
    written. Raises what the database raises, where it is lost or was never migrated.
    """
    results: list[CheckResult] = []
    async with snapshot(engine) as connection:
        for statement in PREPARE:
            await connection.execute(statement)
        for check in CHECKS:
            progress(len(results), check)
            results.append(await run_check(connection, check, timezone=settings.business_timezone))
    progress(len(results), None)
    return results
