"""Which events of bins are missing, since when."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.gaps import GapsQuery, SequenceGap, SequenceGaps
from service.tables import bin_, sequence_gap


async def list_gaps(connection: AsyncConnection, query: GapsQuery) -> SequenceGaps:
    """A page of gaps, newest first."""
    rows = await _page(connection, query)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return SequenceGaps(gaps=[_gap(row) for row in page], next_cursor=encode_cursor(page[-1].id) if more else None)


async def count_open_gaps(connection: AsyncConnection) -> int:
    """How many gaps are open, of all bins."""
    counted = sa.select(sa.func.count()).select_from(sequence_gap).where(sequence_gap.c.closed_at.is_(None))
    gaps: int = (await connection.execute(counted)).scalar_one()
    return gaps


async def _page(connection: AsyncConnection, query: GapsQuery) -> Sequence[sa.Row[Any]]:
    """With where the bins stand, and one more where there is one."""
    wanted = (
        sa.select(sequence_gap, bin_.c.site_id)
        .join(bin_, bin_.c.id == sequence_gap.c.bin_id)
        .order_by(sequence_gap.c.id.desc())
        .limit(query.limit + 1)
    )
    if query.cursor is not None:
        wanted = wanted.where(sequence_gap.c.id < query.cursor)
    if query.open is not None:
        over = sequence_gap.c.closed_at.is_not(None)
        wanted = wanted.where(sa.not_(over) if query.open else over)
    if query.bin is not None:
        wanted = wanted.where(sequence_gap.c.bin_id == query.bin)
    return (await connection.execute(wanted)).all()


def _gap(row: sa.Row[Any]) -> SequenceGap:
    closed = row.closed_at is not None and not row.given_up
    return SequenceGap(
        id=row.id,
        bin_id=row.bin_id,
        site_id=row.site_id,
        epoch=row.epoch,
        first_sequence=row.first_sequence,
        last_sequence=row.last_sequence,
        missing=0 if closed else row.last_sequence - row.first_sequence + 1,
        missing_since=row.opened_at,
        before=row.before_at,
        closed_at=row.closed_at,
        given_up=row.given_up,
    )
