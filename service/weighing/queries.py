"""SQL of weighing, one function a statement."""

from collections.abc import Sequence

import asyncpg

from service.db import DriverConnection
from service.ledger.queries import AVAILABLE
from service.weighing.pending import PendingEvent

FIND_WEIGH_EVENTS = f"""
SELECT weigh_event.bin_id, weigh_event.event_id, weigh_event.content_digest, weigh_event.outcome, weigh_event.coins,
       {AVAILABLE} AS balance
FROM unnest($1::text[], $2::text[]) AS sent (bin_id, event_id)
JOIN weigh_event ON weigh_event.bin_id = sent.bin_id AND weigh_event.event_id = sent.event_id
LEFT JOIN wallet ON wallet.owner_id = weigh_event.resident_id
"""  # noqa: S608  # our own text

RECORD_CONFLICTS = """
INSERT INTO weigh_event_conflict (bin_id, event_id, content_digest, sequence, material_id, weight_grams,
                                  credential_digest, occurred_at, received_at)
SELECT bin_id, event_id, content_digest, sequence, material_id, weight_grams, credential_digest,
       to_timestamp(occurred_at), now()
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::int[], $7::bytea[], $8::float8[])
  AS conflict (bin_id, event_id, content_digest, sequence, material_id, weight_grams, credential_digest, occurred_at)
ORDER BY bin_id, event_id, content_digest
ON CONFLICT DO NOTHING
"""


async def find_weigh_events(connection: DriverConnection, events: Sequence[PendingEvent]) -> list[asyncpg.Record]:
    """What is stored under these (bin, id), with what the resident can spend now."""
    return await connection.fetch(
        FIND_WEIGH_EVENTS, [event.bin_id for event in events], [event.event_id for event in events]
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
