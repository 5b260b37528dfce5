"""SQL of weighing, one function a statement. What credits is in ledger/."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

import asyncpg

from service.db import DriverConnection
from service.ledger.queries import AVAILABLE
from service.weighing.pending import PendingEvent

# The columns of a bin that follow its version.
NOTHING: Final = ", ".join(["NULL"] * 16)
# Everybody locks bins first and wallets second, each in order, so that none waits in a circle. What was committed while
# it waited the next statement tells, never this one.
LOCK: Final = """
WITH locked_bin AS MATERIALIZED (
    SELECT bin_id
    FROM bin_memory
    WHERE bin_id = ANY($1)
    ORDER BY bin_id
    FOR NO KEY UPDATE
), locked_wallet AS MATERIALIZED (
    SELECT owner_id
    FROM wallet
    WHERE owner_id IN (SELECT resident_id FROM credential WHERE digest = ANY($2) AND (NOT demo OR $3))
      AND (SELECT count(*) FROM locked_bin) >= 0
    ORDER BY owner_id
    FOR NO KEY UPDATE
)
SELECT (SELECT count(*) FROM locked_bin) + (SELECT count(*) FROM locked_wallet)
"""

# All that is known of some events, of one moment. Three kinds of rows, the columns of the others null:
#   a bin: as it is and as it is remembered, its open gaps, and where it stood if an event is from before it came there
#   a credential that is somebody's, and what they were credited for on a day
#   an event that is stored; one that was released earned what the decision says
# `version` tells whether a bin's memory, or a wallet and with it its days, has been written since.
READ: Final = f"""
SELECT bin_memory.bin_id, bin_memory.xmin::text::bigint AS version, bin.state, bin.site_id,
       extract(epoch FROM bin.placed_at)::float8 AS placed_at, bin.verification_interval_grams, bin.capacity_grams,
       bin.box_capacity_grams, bin.certificate_expires_on, extract(epoch FROM bin.serviced_at)::float8 AS serviced_at,
       bin_memory.epoch, bin_memory.sequence, extract(epoch FROM bin_memory.sequence_at)::float8 AS sequence_at,
       bin_memory.boxes::text, bin_memory.hours::text, bin_memory.counts::text,
       CASE WHEN bin_memory.gaps_open > 0 THEN (
            SELECT json_agg(json_build_array(gap.epoch, gap.first_sequence, gap.last_sequence,
                                             extract(epoch FROM gap.before_at)::float8, gap.id) ORDER BY gap.id)
            FROM sequence_gap AS gap
            WHERE gap.bin_id = bin_memory.bin_id AND gap.closed_at IS NULL)::text END AS gaps,
       CASE WHEN bin.placed_at > to_timestamp(asked.earliest) THEN (
            SELECT json_agg(json_build_array(extract(epoch FROM effective_from)::float8, placement.site_id)
                            ORDER BY effective_from)
            FROM bin_placement AS placement
            WHERE placement.bin_id = bin_memory.bin_id)::text END AS sites,
       NULL::bytea AS digest, NULL::bigint AS resident_id, NULL AS kind, NULL::float8 AS counts_from,
       NULL::date AS day, NULL::int AS drops, NULL::bigint AS grams, NULL::bigint AS coins, NULL AS event_id,
       NULL AS outcome, NULL AS code, NULL::bigint AS balance
FROM unnest($1::text[], $2::float8[]) AS asked (bin_id, earliest)
JOIN bin_memory ON bin_memory.bin_id = asked.bin_id
JOIN bin ON bin.id = bin_memory.bin_id
UNION ALL
SELECT NULL, wallet.xmin::text::bigint, {NOTHING}, credential.digest, credential.resident_id, resident.kind,
       extract(epoch FROM credential.counts_from)::float8, shown.day, day.drops, day.grams, day.coins, NULL, NULL, NULL,
       NULL
FROM unnest($3::bytea[], $4::date[]) AS shown (digest, day)
JOIN credential ON credential.digest = shown.digest AND (NOT credential.demo OR $7)
JOIN resident ON resident.id = credential.resident_id
JOIN wallet ON wallet.owner_id = resident.id
LEFT JOIN resident_day AS day ON day.owner_id = resident.id AND day.day = shown.day
UNION ALL
SELECT event.bin_id, NULL, {NOTHING}, event.content_digest, event.resident_id, NULL, NULL, NULL, NULL, NULL,
       CASE event.outcome WHEN 'credited' THEN
            CASE event.verdict WHEN 'hold' THEN (SELECT decision.coins FROM review_decision AS decision
                                                 WHERE decision.bin_id = event.bin_id
                                                   AND decision.event_id = event.event_id
                                                   AND decision.decision = 'released')
                               ELSE event.coins END
            ELSE 0 END,
       event.event_id, event.outcome, event.code, {AVAILABLE}
FROM unnest($5::text[], $6::text[]) AS sent (bin_id, event_id)
JOIN weigh_event AS event ON event.bin_id = sent.bin_id AND event.event_id = sent.event_id
LEFT JOIN wallet ON wallet.owner_id = event.resident_id
"""  # noqa: S608  # our own text

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
) -> None:
    """Lock these bins, and the wallets of whose credentials these are."""
    await connection.execute(LOCK, bin_ids, credential_digests, demo)


async def read(
    connection: DriverConnection,
    earliest: Mapping[str, float],
    shown: Collection[tuple[bytes, date]],
    keys: Collection[tuple[str, str]],
    *,
    demo: bool,
) -> list[asyncpg.Record]:
    """Rows of READ: of bins, each with the earliest time (Unix seconds) that is told of it; of credentials and days; of
    the events that are stored under these (bin, id)."""
    return await connection.fetch(
        READ,
        list(earliest),
        list(earliest.values()),
        [digest for digest, _ in shown],
        [day for _, day in shown],
        [bin_id for bin_id, _ in keys],
        [event_id for _, event_id in keys],
        demo,
    )


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
