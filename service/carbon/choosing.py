"""Which factor set is in force from which business day on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.business_days import business_day
from service.carbon import queries
from service.carbon.factor_sets import read_set
from service.carbon.rules import SINCE_EVER
from service.db import database_now, lift_time_limit
from service.errors import CarbonChoiceTooEarly
from service.standings import Standing, standings


async def choose_set(connection: AsyncConnection, set_id: str, *, effective_from: date | None, zone: str) -> date:
    """Put a set in force from a business day on, until a later choice's day; from when it is.

    Without a day: the first choice of all is since ever, SINCE_EVER; any other from the first day that can be chosen.
    Of two from the same day the later holds. What counts on a day that has begun is not recalculated, so no statement
    ever changes: a day must be still to come, and later than any that something counts on already, as does a drop by a
    clock that is a little ahead around midnight. Folding waits meanwhile: nothing is folded by the choices before.

    Raises FactorSetUnknown and CarbonChoiceTooEarly.
    """
    await read_set(connection, set_id)
    # Volumes may be being rebuilt, and a first choice is of all residents' rows: an operator waits for either.
    await lift_time_limit(connection)
    await queries.lock_folding(connection)
    if effective_from is None and not await queries.read_choices(connection):
        await queries.insert_choice(connection, set_id=set_id, effective_from=SINCE_EVER)
        await queries.count_all_by(connection, set_id)
        return SINCE_EVER
    tomorrow = business_day(await database_now(connection), zone) + timedelta(days=1)
    counted = await queries.last_day_counted(connection)
    earliest = tomorrow if counted is None else max(tomorrow, counted + timedelta(days=1))
    if effective_from is not None and effective_from < earliest:
        raise CarbonChoiceTooEarly(
            "A factor set takes effect with a business day that is still to come: what was avoided on a day that has"
            f" begun is not recalculated. The first day that can be chosen now is {earliest}."
        )
    await queries.insert_choice(connection, set_id=set_id, effective_from=effective_from or earliest)
    return effective_from or earliest


async def list_choices(connection: AsyncConnection, today: date) -> Sequence[tuple[sa.Row[Any], Standing]]:
    """Every choice and what it is on `today`, by its day and then as they were written."""
    rows = await queries.read_choices(connection)
    days = [(None, datetime.combine(row.effective_from, time.min, UTC)) for row in rows]
    return list(zip(rows, standings(days, datetime.combine(today, time.min, UTC)), strict=True))
