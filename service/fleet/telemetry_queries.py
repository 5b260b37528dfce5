"""SQL of telemetry, one function a statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import DriverConnection
from service.fleet.telemetry_rules import Chronicle, Closed, Kept, Opened
from service.tables.bins import bin_alarm, bin_status

RETENTION_LOCK: Final = 0x7E1_E3E7

# Sorted, so that two replicas that hear of the same bins wait for each other instead of deadlocking.
LOCK: Final = """
SELECT status.bin_id
FROM unnest($1::text[]) AS asked (bin_id)
JOIN bin_status AS status ON status.bin_id = asked.bin_id
ORDER BY status.bin_id
FOR NO KEY UPDATE OF status
"""

# For a bin that was never heard: there must be a row to lock.
FIRST: Final = """
INSERT INTO bin_status (bin_id, heard_at, occurred_at)
SELECT asked.bin_id, now(), '-infinity'
FROM unnest($1::text[]) AS asked (bin_id)
JOIN bin ON bin.id = asked.bin_id AND bin.state <> 'retired'
ORDER BY asked.bin_id COLLATE "C"
ON CONFLICT DO NOTHING
"""

# After the locks, in a statement of its own: only so does it see what was committed while they were waited for.
READ: Final = """
SELECT asked.bin_id, bin.verification_interval_grams, bin.box_capacity_grams,
       extract(epoch FROM status.occurred_at)::float8 AS occurred_at,
       extract(epoch FROM status.kept_at)::float8 AS kept_at, status.clock_skew_seconds,
       status.firmware, status.temperature_celsius, status.smoke, status.door_open, status.scale_zero_grams,
       status.battery_percent, status.boxes, status.fill_percent_max, status.mass_grams,
       status.told_at::text,
       ARRAY(SELECT kind FROM bin_alarm AS alarm
             WHERE alarm.bin_id = asked.bin_id AND closed_at IS NULL ORDER BY kind) AS alarm_kinds,
       ARRAY(SELECT extract(epoch FROM opened_at)::float8 FROM bin_alarm AS alarm
             WHERE alarm.bin_id = asked.bin_id AND closed_at IS NULL ORDER BY kind) AS alarms_opened_at
FROM unnest($1::text[]) AS asked (bin_id)
JOIN bin ON bin.id = asked.bin_id AND bin.state <> 'retired'
JOIN bin_status AS status ON status.bin_id = asked.bin_id
"""

UPDATE: Final = """
UPDATE bin_status AS status
SET heard_at = greatest(status.heard_at, now()), occurred_at = to_timestamp(told.occurred_at),
    kept_at = to_timestamp(told.kept_at), clock_skew_seconds = told.clock_skew_seconds, firmware = told.firmware,
    temperature_celsius = told.temperature_celsius, smoke = told.smoke, door_open = told.door_open,
    scale_zero_grams = told.scale_zero_grams, battery_percent = told.battery_percent, boxes = told.boxes::jsonb,
    fill_percent_max = told.fill_percent_max, mass_grams = told.mass_grams, told_at = told.told_at::jsonb
FROM unnest($1::text[], $2::float8[], $3::float8[], $4::int[], $5::text[], $6::float8[], $7::boolean[], $8::boolean[],
            $9::int[], $10::smallint[], $11::text[], $12::smallint[], $13::bigint[], $14::text[])
  AS told (bin_id, occurred_at, kept_at, clock_skew_seconds, firmware, temperature_celsius, smoke, door_open,
           scale_zero_grams, battery_percent, boxes, fill_percent_max, mass_grams, told_at)
WHERE status.bin_id = told.bin_id
"""

KEEP: Final = """
INSERT INTO bin_telemetry (bin_id, occurred_at, received_at, temperature_celsius, smoke, door_open, scale_zero_grams,
                           battery_percent, boxes)
SELECT bin_id, to_timestamp(occurred_at), now(), temperature_celsius, smoke, door_open, scale_zero_grams,
       battery_percent, boxes::jsonb
FROM unnest($2::text[], $3::float8[], $4::float8[], $5::boolean[], $6::float8[], $7::boolean[], $8::boolean[],
            $9::int[], $10::smallint[], $11::text[])
  AS kept (bin_id, occurred_at, span_begins_at, always, temperature_celsius, smoke, door_open, scale_zero_grams,
           battery_percent, boxes)
WHERE always OR NOT EXISTS (
    SELECT 1
    FROM bin_telemetry AS known
    WHERE known.bin_id = kept.bin_id
      AND known.occurred_at >= to_timestamp(kept.span_begins_at)
      AND known.occurred_at < to_timestamp(kept.span_begins_at + $1)
)
ON CONFLICT DO NOTHING
"""

OPEN: Final = """
INSERT INTO bin_alarm (bin_id, kind, measured, opened_at, closed_at)
SELECT bin_id, kind, measured, to_timestamp(opened_at), to_timestamp(closed_at)
FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[])
  AS opened (bin_id, kind, measured, opened_at, closed_at)
"""

CLOSE: Final = """
UPDATE bin_alarm AS alarm
SET closed_at = to_timestamp(closed.closed_at)
FROM unnest($1::text[], $2::text[], $3::float8[]) AS closed (bin_id, kind, closed_at)
WHERE alarm.bin_id = closed.bin_id AND alarm.kind = closed.kind AND alarm.closed_at IS NULL
"""

DELETE_OLD: Final = sa.text("""
DELETE FROM bin_telemetry
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM bin_telemetry WHERE occurred_at < :before ORDER BY occurred_at LIMIT :limit
))
""")


async def lock_statuses(connection: DriverConnection, bin_ids: Sequence[str]) -> list[asyncpg.Record]:
    """What is known of these bins and which alarms are open; bins that are retired or unknown are missing.

    Their rows are locked, in order of their ids, until the transaction ends.
    """
    if len(await connection.fetch(LOCK, bin_ids)) < len(bin_ids):
        await connection.execute(FIRST, bin_ids)
        await connection.fetch(LOCK, bin_ids)
    return await connection.fetch(READ, bin_ids)


async def update_statuses(connection: DriverConnection, chronicles: Sequence[Chronicle]) -> None:
    """Write down what is known of bins whose rows are locked, and that they were heard now."""
    rows = [
        (
            each.bin_id,
            each.occurred_at,
            each.kept_at,
            each.clock_skew_seconds,
            *each.condition,
            to_json(each.told_at).decode(),
        )
        for each in chronicles
    ]
    await connection.execute(UPDATE, *zip(*rows, strict=True))


async def keep(connection: DriverConnection, kept: Sequence[Kept], *, history_seconds: int) -> None:
    """Add to the history what is always kept, and of each `history_seconds` of a bin the first that comes."""
    rows = [
        (
            each.bin_id,
            each.occurred_at,
            each.span_begins_at,
            each.always,
            each.condition.temperature_celsius,
            each.condition.smoke,
            each.condition.door_open,
            each.condition.scale_zero_grams,
            each.condition.battery_percent,
            each.condition.boxes,
        )
        for each in kept
    ]
    await connection.execute(KEEP, float(history_seconds), *zip(*rows, strict=True))


async def open_alarms(connection: DriverConnection, opened: Sequence[Opened]) -> None:
    await connection.execute(OPEN, *zip(*opened, strict=True))


async def close_alarms(connection: DriverConnection, closed: Sequence[Closed]) -> None:
    await connection.execute(CLOSE, *zip(*closed, strict=True))


async def close_all_alarms(connection: AsyncConnection, bin_id: str, closed_at: datetime) -> None:
    """Of a bin of which nothing is heard any more. Its status is locked first, as telemetry does."""
    status = sa.select(bin_status.c.bin_id).where(bin_status.c.bin_id == bin_id).with_for_update(key_share=True)
    await connection.execute(status)
    await connection.execute(
        sa.update(bin_alarm)
        .where(bin_alarm.c.bin_id == bin_id, bin_alarm.c.closed_at.is_(None))
        .values(closed_at=sa.func.greatest(bin_alarm.c.opened_at, closed_at))
    )


async def lock_retention(connection: AsyncConnection) -> bool:
    """Whether it is this transaction's turn: two that delete the same rows would only wait for each other."""
    turn: bool = (await connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(RETENTION_LOCK)))).scalar_one()
    return turn


async def delete_old(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Delete the oldest of the history from before a moment; how many rows."""
    return (await connection.execute(DELETE_OLD, {"before": before, "limit": limit})).rowcount
