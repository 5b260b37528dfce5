"""SQL of clearances, one function a statement."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.clearances import ClearancesQuery
from service.db import DriverConnection
from service.tables.bins import bin_
from service.tables.weighing import clearance
from service.weighing import memories
from service.weighing.clearance_deciding import PendingClearance
from service.weighing.facts import BinState

ANY_CODE: Final = "any"

READ_STORED: Final = """
SELECT clearance.bin_id, clearance.event_id, clearance.content_digest, clearance.outcome, clearance.code
FROM unnest($1::text[], $2::text[]) AS sent (bin_id, event_id)
JOIN clearance ON clearance.bin_id = sent.bin_id AND clearance.event_id = sent.event_id
"""

# What is remembered of the bins goes with it: the caller has them locked.
RECORD: Final = """
WITH remembered AS (
    UPDATE bin_memory
    SET epoch = memory.epoch, sequence = memory.sequence, sequence_at = to_timestamp(memory.sequence_at),
        gaps_open = memory.gaps_open, heard_at = now(), boxes = memory.boxes::jsonb, hours = memory.hours::jsonb,
        counts = memory.counts::jsonb
    FROM unnest($18::text[], $19::int[], $20::bigint[], $21::float8[], $22::int[], $23::text[], $24::text[],
                $25::text[])
      AS memory (bin_id, epoch, sequence, sequence_at, gaps_open, boxes, hours, counts)
    WHERE bin_memory.bin_id = memory.bin_id
)
INSERT INTO clearance (bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, collector,
                       mass_before_grams, mass_after_grams, expected_grams, permissible_grams, outcome, code, findings,
                       clock_skew_seconds, occurred_at, received_at)
SELECT bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, collector, mass_before_grams,
       mass_after_grams, expected_grams, permissible_grams, outcome, code, findings::jsonb, clock_skew_seconds,
       to_timestamp(occurred_at), now()
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::int[],
            $10::int[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::int[], $17::float8[])
  AS told (bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, collector, mass_before_grams,
           mass_after_grams, expected_grams, permissible_grams, outcome, code, findings, clock_skew_seconds,
           occurred_at)
"""
FINDINGS: Final = 14

RECORD_CONFLICTS: Final = """
INSERT INTO clearance_conflict (bin_id, event_id, content_digest, sequence, material_id, collector, mass_before_grams,
                                mass_after_grams, occurred_at, received_at)
SELECT bin_id, event_id, content_digest, sequence, material_id, collector, mass_before_grams, mass_after_grams,
       to_timestamp(occurred_at), now()
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::int[],
            $9::float8[])
  AS conflict (bin_id, event_id, content_digest, sequence, material_id, collector, mass_before_grams,
               mass_after_grams, occurred_at)
ORDER BY bin_id, event_id, content_digest
ON CONFLICT DO NOTHING
"""


async def read_stored(connection: DriverConnection, keys: Sequence[tuple[str, str]]) -> list[asyncpg.Record]:
    """Of these (bin, id), those that are stored."""
    return await connection.fetch(READ_STORED, [bin_id for bin_id, _ in keys], [event_id for _, event_id in keys])


async def record(connection: DriverConnection, rows: Sequence[tuple[Any, ...]], states: Mapping[str, BinState]) -> None:
    """Store clearances as they were decided, with what is remembered of their bins."""
    written = [
        (*row[:FINDINGS], None if row[FINDINGS] is None else json.dumps(row[FINDINGS]), *row[FINDINGS + 1 :])
        for row in rows
    ]
    await connection.execute(RECORD, *zip(*written, strict=True), *memories.columns(states))


async def record_conflicts(connection: DriverConnection, clearances: Sequence[PendingClearance]) -> None:
    """Keep what was sent under an id that another content has, once."""
    await connection.execute(RECORD_CONFLICTS, *zip(*(each[:9] for each in clearances), strict=True))


async def bin_exists(connection: AsyncConnection, bin_id: str) -> bool:
    return bool((await connection.execute(sa.select(sa.exists().where(bin_.c.id == bin_id)))).scalar_one())


async def page_of_clearances(connection: AsyncConnection, query: ClearancesQuery) -> Sequence[sa.Row[Any]]:
    """Newest first, and one more than the page where there is one."""
    wanted = sa.select(clearance).order_by(clearance.c.occurred_at.desc(), clearance.c.id.desc()).limit(query.limit + 1)
    if query.bin is not None:
        wanted = wanted.where(clearance.c.bin_id == query.bin)
    if query.material is not None:
        wanted = wanted.where(clearance.c.material_id == query.material)
    if query.code is not None:
        # Said of each code, so that the index of those that have one is used.
        wanted = wanted.where(clearance.c.code.is_not(None))
        if query.code != ANY_CODE:
            wanted = wanted.where(clearance.c.code == query.code)
    if query.since is not None:
        wanted = wanted.where(clearance.c.occurred_at >= query.since)
    if query.cursor is not None:
        place = sa.tuple_(clearance.c.occurred_at, clearance.c.id)
        wanted = wanted.where(place < sa.tuple_(query.cursor.at, query.cursor.id))
    rows: Sequence[sa.Row[Any]] = (await connection.execute(wanted)).all()
    return rows
