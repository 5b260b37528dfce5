"""SQL of replaying: what happened, in the order in which the service learned of it. Nothing here writes."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

# What the server hands over at once.
PAGE_ROWS: Final = 2_000

# Whose a drop was when it came: a card that was bound since, or a review, has made others of some. A batch is one
# transaction with one time, and of each bin it was decided in the order of (occurred_at, sequence, event_id).
HISTORY: Final = """
SELECT extract(epoch FROM event.received_at)::float8 AS received_at, 'drop' AS kind, event.bin_id, event.event_id,
       extract(epoch FROM event.occurred_at)::float8 AS occurred_at, event.sequence, event.material_id,
       event.weight_grams, event.box_weight_grams, event.clock_skew_seconds, event.coins_per_kg, event.coins,
       event.verdict, event.code,
       CASE WHEN event.verdict = 'credit' AND event.claimed_xid IS NULL THEN event.resident_id
            WHEN event.verdict = 'credit' OR credential.bound_at > event.received_at
              OR credential.counts_from > event.occurred_at THEN NULL
            WHEN event.verdict = 'hold' THEN held.resident_id
            ELSE credential.resident_id END AS resident_id,
       event.outcome = 'credited' AND event.claimed_xid IS NOT NULL AS later
FROM weigh_event AS event
LEFT JOIN held_event AS held ON event.verdict = 'hold' AND held.bin_id = event.bin_id AND held.event_id = event.event_id
LEFT JOIN credential ON event.verdict <> 'credit' AND credential.digest = event.credential_digest
WHERE event.received_at >= :begins_at
UNION ALL
SELECT extract(epoch FROM received_at)::float8, 'clearance', bin_id, event_id, extract(epoch FROM occurred_at)::float8,
       sequence, material_id, mass_before_grams, mass_after_grams, clock_skew_seconds, NULL, 0,
       CASE outcome WHEN 'rejected' THEN 'reject' ELSE 'record' END, code, NULL, false
FROM clearance
WHERE received_at >= :begins_at
UNION ALL
SELECT extract(epoch FROM greatest(release.decided_at, credential.bound_at, event.received_at))::float8, 'later',
       event.bin_id, event.event_id, extract(epoch FROM coalesce(release.placed_at, event.occurred_at))::float8,
       event.sequence, event.material_id, event.weight_grams, NULL, NULL, NULL, coalesce(release.coins, event.coins),
       event.verdict, event.code, event.resident_id, false
FROM weigh_event AS event
LEFT JOIN review_decision AS release
  ON release.bin_id = event.bin_id AND release.event_id = event.event_id AND release.decision = 'released'
LEFT JOIN credential ON credential.digest = event.credential_digest
WHERE event.outcome = 'credited' AND event.claimed_xid IS NOT NULL AND event.received_at >= :begins_at
"""
STREAM: Final = sa.text(f"{HISTORY} ORDER BY 1, bin_id, occurred_at, sequence, event_id, kind")
COUNT: Final = sa.text("""
SELECT (SELECT count(*) FROM weigh_event WHERE received_at >= :begins_at)
     + (SELECT count(*) FROM clearance WHERE received_at >= :begins_at)
     + (SELECT count(*) FROM weigh_event
        WHERE received_at >= :begins_at AND outcome = 'credited' AND claimed_xid IS NOT NULL)
""")
FIRST: Final = sa.text("""
SELECT least((SELECT min(received_at) FROM weigh_event), (SELECT min(received_at) FROM clearance))
""")
SCALES: Final = sa.text("""
SELECT id, verification_interval_grams, capacity_grams, box_capacity_grams, certificate_expires_on FROM bin
""")
VISITS: Final = sa.text("""
SELECT bin_id, extract(epoch FROM created_at)::float8, extract(epoch FROM effective_at)::float8
FROM bin_change
WHERE kind = 'serviced'
ORDER BY bin_id, id
""")
TRADERS: Final = sa.text("SELECT id FROM resident WHERE kind = 'trader'")
KINDS: Final = sa.text("""
SELECT resident_id, extract(epoch FROM created_at)::float8, kind FROM resident_change ORDER BY resident_id, id
""")


class Happened(NamedTuple):
    """A row of HISTORY. Times are Unix seconds, `received_at` when the service learned of it. Of kind

    * `drop`: the event as it is stored; `resident_id` whose it was when it came, `later` whether it was credited since;
    * `clearance`: `weight_grams` is the mass before, `box_weight_grams` the mass after, `verdict` record or reject;
    * `later`: a drop was credited to `resident_id` that had been nobody's, or held; `occurred_at` is the time that it
      counts as of, `coins` what it earned.
    """

    received_at: float
    kind: str
    bin_id: str
    event_id: str
    occurred_at: float
    sequence: int
    material_id: str
    weight_grams: int
    box_weight_grams: int | None
    clock_skew_seconds: int | None
    coins_per_kg: int | None
    coins: int
    verdict: str
    code: str | None
    resident_id: int | None
    later: bool


async def first_received_at(connection: AsyncConnection) -> datetime | None:
    """When the service learned of its first weigh event or clearance; None before."""
    first: datetime | None = (await connection.execute(FIRST)).scalar_one()
    return first


async def count_history(connection: AsyncConnection, begins_at: datetime) -> int:
    """How many rows `stream_history` gives."""
    counted: int = (await connection.execute(COUNT, {"begins_at": begins_at})).scalar_one()
    return counted


async def stream_history(connection: AsyncConnection, begins_at: datetime) -> AsyncIterator[list[Happened]]:
    """All that the service learned since then, in that order, in pages."""
    rows = await connection.stream(STREAM, {"begins_at": begins_at}, execution_options={"yield_per": PAGE_ROWS})
    async for page in rows.partitions():
        yield [Happened(*row) for row in page]


async def read_scales(connection: AsyncConnection) -> list[tuple[str, int, int, int, date | None]]:
    """(bin, verification interval, capacity and the box's in grams, last day of the certificate), of every bin."""
    return [(*row,) for row in await connection.execute(SCALES)]


async def read_visits(connection: AsyncConnection) -> list[tuple[str, float, float]]:
    """(bin, when the service was told, when the visit was), by bin in the order of writing."""
    return [(*row,) for row in await connection.execute(VISITS)]


async def read_kinds(connection: AsyncConnection) -> tuple[set[int], list[tuple[int, float, str]]]:
    """Who is a trader now, and every change: (resident, when, kind), by resident in the order of writing."""
    traders = {row.id for row in await connection.execute(TRADERS)}
    return traders, [(*row,) for row in await connection.execute(KINDS)]
