"""Time that passes in a database: nothing waits for it."""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.reference import Reference, raise_revision
from service.tables.columns import Instant, metadata
from service.tables.people import session
from service.tables.redemption import merchant_day
from service.tables.volumes import fold_position
from service.tables.weighing import resident_day

# Who is logged in stays so, and who folds at this moment too.
FAR: Final = 100_000
UNMOVED: Final = {session, fold_position}


async def let_days_pass(owner_engine: AsyncEngine, reference: Reference, days: int) -> None:
    """As if all that has happened so far had happened so many business days earlier; before anything is folded.

    Whole days, so that what was on one business day is on one business day. Limits and tariffs are read again.
    """
    by = timedelta(days=days)
    async with transaction(owner_engine) as connection:
        for table in metadata.sorted_tables:
            moments = [column for column in table.columns if column.type is Instant]
            if moments and table not in UNMOVED:
                await connection.execute(sa.update(table).values({column: column - by for column in moments}))
        for table in (merchant_day, resident_day):
            # In two steps, or one day could meet another that is still to move.
            for step in (FAR, -FAR - days):
                await connection.execute(sa.update(table).values(day=table.c.day + step))
        await raise_revision(connection)
    await reference.refresh()
