"""Which events of bins are missing, since when."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.gaps import BinGapsQuery, SequenceGap, SequenceGaps
from service.errors import BinUnknown
from service.fleet.states_queries import bin_exists
from service.tables.bins import bin_
from service.tables.weighing import sequence_gap


async def list_gaps(connection: AsyncConnection, bin_id: str | None, query: BinGapsQuery) -> SequenceGaps:
    """A page of the gaps of a bin, or of all, newest first. Raises BinUnknown."""
    if bin_id is not None and not await bin_exists(connection, bin_id):
        raise BinUnknown(f"There is no bin {bin_id}.")
    rows = await _page(connection, bin_id, query)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return SequenceGaps(gaps=[_gap(row) for row in page], next_cursor=encode_cursor(page[-1].id) if more else None)


async def count_open_gaps(connection: AsyncConnection) -> int:
    """How many gaps are open, of all bins but those that are retired: of them nothing will come."""
    counted = (
        sa.select(sa.func.count())
        .select_from(sequence_gap)
        .join(bin_, bin_.c.id == sequence_gap.c.bin_id)
        .where(sequence_gap.c.closed_at.is_(None), bin_.c.state != "retired")
    )
    gaps: int = (await connection.execute(counted)).scalar_one()
    return gaps


async def _page(connection: AsyncConnection, bin_id: str | None, query: BinGapsQuery) -> Sequence[sa.Row[Any]]:
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
    if bin_id is not None:
        wanted = wanted.where(sequence_gap.c.bin_id == bin_id)
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
