"""Recompute the folded sums from their rows: after a restore into another cluster, or where `tanbi verify` says so."""

from collections.abc import Callable
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import lift_time_limit
from service.folding import queries
from service.folding.mending import FIRST_DAY, Mended, mend
from service.tables.ledger import transfer
from service.tables.volumes import coin_volume, fold_position, resident_volume, volume, volume_month
from service.tables.weighing import review_decision, weigh_event

SETTLED = sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


def unheard(done: int, of: int) -> None:
    """Progress that nobody looks at."""


async def rebuild_since(
    connection: AsyncConnection,
    *,
    since: date,
    timezone: str,
    shown: int,
    progress: Callable[[int, int], None] = unheard,
) -> Mended:
    """Recompute the volumes of the days from `since` on, and of their months, from what is folded of the events; what
    differed, and is mended. As the tables' owner, in the caller's READ COMMITTED transaction. Bins go on meanwhile,
    folding waits."""
    await lift_time_limit(connection)
    await connection.execute(sa.select(fold_position.c.xid).with_for_update())
    return await mend(connection, since=since, timezone=timezone, shown=shown, progress=progress)


async def rebuild(
    connection: AsyncConnection, *, timezone: str, shown: int = 0, progress: Callable[[int, int], None] = unheard
) -> Mended:
    """Recompute volumes of sites, residents and coins, and residents' days, from all rows, in the caller's READ
    COMMITTED transaction, as the tables' owner. Bins and redemptions go on meanwhile; folding waits, and at the end
    those wallets whose days were wrong.

    All that has an id below the oldest transaction that runs now is summed, and there the position goes. What is
    written meanwhile has a larger id and is folded later. So would be rows that were restored from a dump with ids of
    another cluster, each when the counter passes it, perhaps years later: their ids are written down to one that has
    passed, as are those of a few others that committed just now. Either way a row is summed here if its id was
    written down, and folded later if not.

    Told is what differed of the volumes of sites, by the position as it was found.
    """
    mended = await rebuild_since(connection, since=FIRST_DAY, timezone=timezone, shown=shown, progress=progress)
    settled: int = (await connection.execute(SETTLED)).scalar_one()
    for column in (weigh_event.c.xid, weigh_event.c.claimed_xid, review_decision.c.xid, transfer.c.xid):
        await connection.execute(sa.update(column.table).where(column >= settled).values({column.name: settled - 1}))
    for table in (volume, volume_month, resident_volume, coin_volume):
        await connection.execute(sa.delete(table))
    await queries.fold_volume(connection, lower=0, upper=settled, timezone=timezone)
    await queries.fold_resident_volume(connection, lower=0, upper=settled, timezone=timezone)
    await queries.fold_coin_volume(connection, lower=0, upper=settled, timezone=timezone)
    await connection.execute(sa.update(fold_position).values(xid=settled, holder="", ticked_at=sa.text("'-infinity'")))
    await queries.rebuild_resident_days(connection, timezone=timezone)
    return mended
