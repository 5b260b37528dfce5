"""SQL of weighing, one function a statement. What credits is in ledger/."""

import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from service.db import DriverConnection
from service.ledger.queries import AVAILABLE
from service.weighing.pending import PendingEvent

BIN_COLUMNS: Final = """
bin_memory.bin_id, bin.state, bin.site_id, extract(epoch FROM bin.placed_at)::float8 AS placed_at,
bin.verification_interval_grams, bin.capacity_grams, bin.box_capacity_grams, bin.certificate_expires_on,
extract(epoch FROM bin.serviced_at)::float8 AS serviced_at, bin_memory.epoch, bin_memory.sequence,
extract(epoch FROM bin_memory.sequence_at)::float8 AS sequence_at, bin_memory.gaps_open, bin_memory.boxes::text,
bin_memory.hours::text, bin_memory.counts::text
"""
NO_BIN_COLUMNS: Final = "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
SHOWN: Final = """
SELECT credential.digest, resident.id AS resident_id, resident.kind,
       extract(epoch FROM credential.counts_from)::float8 AS counts_from
FROM credential
JOIN resident ON resident.id = credential.resident_id
WHERE credential.digest = ANY($2) AND (NOT credential.demo OR $3)
"""
# Everybody locks bins first and wallets second, each in order, so that none waits in a circle. What a row says that was
# waited for is what its last writer left; of anything else the next statement tells, never this one.
LOCK: Final = f"""
WITH locked_bin AS MATERIALIZED (
    SELECT {BIN_COLUMNS}
    FROM bin_memory
    JOIN bin ON bin.id = bin_memory.bin_id
    WHERE bin_memory.bin_id = ANY($1)
    ORDER BY bin_memory.bin_id
    FOR NO KEY UPDATE OF bin_memory
), shown AS MATERIALIZED ({SHOWN}), locked_wallet AS MATERIALIZED (
    SELECT owner_id
    FROM wallet
    WHERE owner_id IN (SELECT resident_id FROM shown) AND (SELECT count(*) FROM locked_bin) >= 0
    ORDER BY owner_id
    FOR NO KEY UPDATE
)
SELECT locked_bin.*, NULL::bytea AS digest, NULL::bigint AS resident_id, NULL AS kind, NULL::float8 AS counts_from
FROM locked_bin
UNION ALL
SELECT {NO_BIN_COLUMNS}, shown.*
FROM shown
WHERE (SELECT count(*) FROM locked_wallet) >= 0
"""  # noqa: S608  # our own text
# The same for who only asks.
LOOK: Final = f"""
SELECT {BIN_COLUMNS}, NULL::bytea AS digest, NULL::bigint AS resident_id, NULL AS kind, NULL::float8 AS counts_from
FROM bin_memory
JOIN bin ON bin.id = bin_memory.bin_id
WHERE bin_memory.bin_id = ANY($1)
UNION ALL
SELECT {NO_BIN_COLUMNS}, shown.*
FROM ({SHOWN}) AS shown
"""  # noqa: S608  # our own text

# A released event earned what the decision says.
READ_FACTS: Final = f"""
SELECT event.bin_id, event.event_id, event.content_digest, event.outcome, event.code,
       CASE event.outcome WHEN 'credited' THEN
            CASE event.verdict WHEN 'hold' THEN (SELECT decision.coins FROM review_decision AS decision
                                                 WHERE decision.bin_id = event.bin_id
                                                   AND decision.event_id = event.event_id
                                                   AND decision.decision = 'released')
                               ELSE event.coins END
            ELSE 0 END AS coins,
       {AVAILABLE} AS balance,
       event.resident_id AS owner_id, NULL::date AS day, NULL::int AS drops, NULL::bigint AS grams
FROM unnest($1::text[], $2::text[]) AS sent (bin_id, event_id)
JOIN weigh_event AS event ON event.bin_id = sent.bin_id AND event.event_id = sent.event_id
LEFT JOIN wallet ON wallet.owner_id = event.resident_id
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, day.coins, NULL, day.owner_id, day.day, day.drops, day.grams
FROM unnest($3::bigint[], $4::date[]) AS asked (owner_id, day)
JOIN resident_day AS day ON day.owner_id = asked.owner_id AND day.day = asked.day
"""  # noqa: S608  # our own text

READ_GAPS: Final = """
SELECT bin_id, id, epoch, first_sequence, last_sequence, extract(epoch FROM before_at)::float8 AS before_at
FROM sequence_gap
WHERE bin_id = ANY($1) AND closed_at IS NULL
ORDER BY bin_id, id
"""

READ_PLACEMENTS: Final = """
SELECT bin_id, extract(epoch FROM effective_from)::float8 AS since, site_id
FROM bin_placement
WHERE bin_id = ANY($1)
ORDER BY bin_id, effective_from
"""

RECORD_CONFLICTS: Final = """
INSERT INTO weigh_event_conflict (bin_id, event_id, content_digest, sequence, material_id, weight_grams,
                                  credential_digest, occurred_at, received_at)
SELECT bin_id, event_id, content_digest, sequence, material_id, weight_grams, credential_digest,
       to_timestamp(occurred_at), now()
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::int[], $7::bytea[], $8::float8[])
  AS conflict (bin_id, event_id, content_digest, sequence, material_id, weight_grams, credential_digest, occurred_at)
ORDER BY bin_id, event_id, content_digest
ON CONFLICT DO NOTHING
"""

HOLD_EVENTS: Final = """
INSERT INTO held_event (bin_id, event_id, resident_id, findings, held_at)
SELECT bin_id, event_id, resident_id, findings::jsonb, now()
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS held (bin_id, event_id, resident_id, findings)
"""

OPEN_GAPS: Final = """
INSERT INTO sequence_gap (bin_id, epoch, first_sequence, last_sequence, opened_at, before_at)
SELECT bin_id, epoch, first_sequence, last_sequence, now(), to_timestamp(before_at)
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::float8[])
  AS gap (bin_id, epoch, first_sequence, last_sequence, before_at)
"""

CLOSE_GAPS: Final = """
UPDATE sequence_gap SET closed_at = now()
FROM unnest($1::text[], $2::bigint[]) AS closed (bin_id, id)
WHERE sequence_gap.bin_id = closed.bin_id AND sequence_gap.id = closed.id
"""

SHORTEN_GAPS: Final = """
UPDATE sequence_gap SET first_sequence = shortened.first_sequence, last_sequence = shortened.last_sequence
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
  AS shortened (bin_id, id, first_sequence, last_sequence)
WHERE sequence_gap.bin_id = shortened.bin_id AND sequence_gap.id = shortened.id
"""

# What was opened and given up in one batch is stored as that.
GIVE_UP_GAPS: Final = """
WITH given_up AS (
    SELECT *
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::float8[], $6::bigint[])
      AS gap (bin_id, epoch, first_sequence, last_sequence, before_at, id)
), stored AS (
    UPDATE sequence_gap
    SET first_sequence = given_up.first_sequence, last_sequence = given_up.last_sequence, closed_at = now(),
        given_up = true
    FROM given_up
    WHERE sequence_gap.bin_id = given_up.bin_id AND sequence_gap.id = given_up.id
)
INSERT INTO sequence_gap (bin_id, epoch, first_sequence, last_sequence, opened_at, before_at, closed_at, given_up)
SELECT bin_id, epoch, first_sequence, last_sequence, now(), to_timestamp(before_at), now(), true
FROM given_up
WHERE id IS NULL
"""


async def lock(
    connection: DriverConnection, bin_ids: Sequence[str], credential_digests: Sequence[bytes], *, demo: bool
) -> list[asyncpg.Record]:
    """Rows of bins (BIN_COLUMNS), locked, and of credentials that are somebody's (digest, resident_id, kind,
    counts_from), whose wallets are locked; the columns of the other kind are null."""
    return await connection.fetch(LOCK, bin_ids, credential_digests, demo)


async def look(
    connection: DriverConnection, bin_ids: Sequence[str], credential_digests: Sequence[bytes], *, demo: bool
) -> list[asyncpg.Record]:
    """As lock, without the locks."""
    return await connection.fetch(LOOK, bin_ids, credential_digests, demo)


async def read_facts(
    connection: DriverConnection, keys: Sequence[tuple[str, str]], days: Sequence[tuple[int, Any]]
) -> list[asyncpg.Record]:
    """Rows of the events that are stored under these (bin, id), and of these (resident, day); the others' columns are
    null."""
    return await connection.fetch(
        READ_FACTS,
        [bin_id for bin_id, _ in keys],
        [event_id for _, event_id in keys],
        [owner_id for owner_id, _ in days],
        [day for _, day in days],
    )


async def read_gaps(connection: DriverConnection, bin_ids: Sequence[str]) -> list[asyncpg.Record]:
    """Open gaps of these bins, by bin."""
    return await connection.fetch(READ_GAPS, bin_ids)


async def read_placements(connection: DriverConnection, bin_ids: Sequence[str]) -> list[asyncpg.Record]:
    """Where these bins stood since when (Unix seconds), by bin in the order of time."""
    return await connection.fetch(READ_PLACEMENTS, bin_ids)


async def record_conflicts(connection: DriverConnection, events: Sequence[PendingEvent]) -> None:
    """Keep what was sent under an id that another content has: never credited, and stored once."""
    rows = [
        (
            event.bin_id,
            event.event_id,
            event.content_digest,
            event.sequence,
            event.material_id,
            event.weight_grams,
            event.credential_digest,
            event.occurred_at,
        )
        for event in events
    ]
    await connection.execute(RECORD_CONFLICTS, *zip(*rows, strict=True))


async def hold_events(
    connection: DriverConnection, held: Sequence[tuple[str, str, int | None, list[dict[str, Any]]]]
) -> None:
    """Put events into the queue of those that a person looks at: (bin, id, resident, findings)."""
    rows = [(*row[:3], json.dumps(row[3])) for row in held]
    await connection.execute(HOLD_EVENTS, *zip(*rows, strict=True))


async def open_gaps(connection: DriverConnection, gaps: Sequence[tuple[str, int, int, int, float]]) -> None:
    """(bin, epoch, first, last, time of the event that comes after it)."""
    await connection.execute(OPEN_GAPS, *zip(*gaps, strict=True))


async def close_gaps(connection: DriverConnection, gaps: Sequence[tuple[str, int]]) -> None:
    """(bin, id)."""
    await connection.execute(CLOSE_GAPS, *zip(*gaps, strict=True))


async def shorten_gaps(connection: DriverConnection, gaps: Sequence[tuple[str, int, int, int]]) -> None:
    """(bin, id, first, last) as they are now."""
    await connection.execute(SHORTEN_GAPS, *zip(*gaps, strict=True))


async def give_up_gaps(
    connection: DriverConnection, gaps: Sequence[tuple[str, int, int, int, float, int | None]]
) -> None:
    """(bin, epoch, first, last, time of the event that comes after it, id where it is stored)."""
    await connection.execute(GIVE_UP_GAPS, *zip(*gaps, strict=True))
