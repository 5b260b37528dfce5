"""SQL of webhooks, one function a statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.people import merchant
from service.tables.webhooks import webhook_endpoint, webhook_message
from service.webhooks.rules import State

# Attempts of one delivery that are shown: a schedule's, twice; replays may have added more.
ATTEMPTS_SHOWN_MAX: Final = 20
HOUSEKEEPING_LOCK: Final = 0x7EB_400C

# An endpoint's deliveries are found by an index that begins with it, at most as many as it may still have on their way:
# so a merchant whose server hangs takes no more than its share. Everyone's first goes before anyone's second. Moving
# next_attempt_at is the lease: who does not come back with an answer leaves the delivery to whoever comes next.
CLAIM: Final = sa.text("""
WITH due AS MATERIALIZED (
    SELECT endpoint.id AS endpoint_id, found.message_id, found.next_attempt_at,
           coalesce(busy.deliveries, 0) AS busy
    FROM webhook_endpoint AS endpoint
    LEFT JOIN unnest(CAST(:busy_ids AS uuid[]), CAST(:busy_deliveries AS integer[])) AS busy (id, deliveries)
      ON busy.id = endpoint.id
    CROSS JOIN LATERAL (
        SELECT message_id, next_attempt_at
        FROM webhook_delivery
        WHERE endpoint_id = endpoint.id AND state = 'waiting' AND next_attempt_at <= clock_timestamp()
        ORDER BY next_attempt_at
        LIMIT greatest(0, CAST(:endpoint_deliveries_max AS integer) - coalesce(busy.deliveries, 0))
        FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE endpoint.disabled_at IS NULL AND (NOT endpoint.demo OR :demo)
), chosen AS (
    SELECT endpoint_id, message_id
    FROM due
    ORDER BY busy + row_number() OVER (PARTITION BY endpoint_id ORDER BY next_attempt_at), next_attempt_at
    LIMIT :deliveries_max
)
UPDATE webhook_delivery AS delivery
SET next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM chosen
JOIN webhook_endpoint AS endpoint ON endpoint.id = chosen.endpoint_id
JOIN webhook_message AS message ON message.id = chosen.message_id
WHERE delivery.message_id = chosen.message_id AND delivery.endpoint_id = chosen.endpoint_id
RETURNING message.id AS message_id, message.payload, endpoint.id AS endpoint_id, endpoint.merchant_id, endpoint.url,
          endpoint.secret, delivery.attempts, delivery.next_attempt_at AS claimed_until
""")

# An answer counts for the delivery as it was claimed: one that was replayed meanwhile, or claimed again when its lease
# had ended, has its own future. A success settles it all the same, unless it is to be sent now: what is replayed is
# sent once more, whatever was on its way. What was deleted meanwhile leaves nothing, and is locked first: a log of it
# would be refused, and every other answer with it.
RECORD: Final = sa.text("""
WITH answered AS (
    SELECT * FROM unnest(
        CAST(:message_ids AS uuid[]), CAST(:endpoint_ids AS uuid[]), CAST(:claimed_until AS timestamptz[]),
        CAST(:sent_at AS timestamptz[]), CAST(:milliseconds AS integer[]), CAST(:statuses AS smallint[]),
        CAST(:errors AS text[]), CAST(:states AS text[]), CAST(:delays_seconds AS float8[])
    ) AS answered (message_id, endpoint_id, claimed_until, sent_at, milliseconds, status, error, state, delay_seconds)
), found AS MATERIALIZED (
    SELECT delivery.message_id, delivery.endpoint_id
    FROM webhook_delivery AS delivery
    JOIN answered ON delivery.message_id = answered.message_id AND delivery.endpoint_id = answered.endpoint_id
    ORDER BY delivery.message_id, delivery.endpoint_id
    FOR UPDATE OF delivery
), logged AS (
    INSERT INTO webhook_attempt (message_id, endpoint_id, attempted_at, milliseconds, status, error)
    SELECT message_id, endpoint_id, sent_at, milliseconds, status, error
    FROM answered
    JOIN found USING (message_id, endpoint_id)
)
UPDATE webhook_delivery AS delivery
SET state = answered.state,
    attempts = delivery.attempts + 1,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(answered.delay_seconds, 0)),
    settled_at = CASE WHEN answered.state <> 'waiting' THEN clock_timestamp() END
-- By what is locked, which is so locked before it is changed.
FROM found
JOIN answered USING (message_id, endpoint_id)
WHERE delivery.message_id = found.message_id AND delivery.endpoint_id = found.endpoint_id
  AND delivery.state = 'waiting'
  AND (delivery.next_attempt_at = answered.claimed_until
       OR (answered.state = 'delivered' AND delivery.next_attempt_at > clock_timestamp()))
""")

SETTLE_DISABLED: Final = sa.text("""
UPDATE webhook_delivery AS delivery
SET state = 'failed', settled_at = clock_timestamp()
FROM (
    SELECT found.message_id, endpoint.id AS endpoint_id
    FROM webhook_endpoint AS endpoint
    CROSS JOIN LATERAL (
        SELECT message_id
        FROM webhook_delivery
        WHERE endpoint_id = endpoint.id AND state = 'waiting'
        ORDER BY next_attempt_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE endpoint.disabled_at IS NOT NULL
    LIMIT :limit
) AS left_over
WHERE delivery.message_id = left_over.message_id AND delivery.endpoint_id = left_over.endpoint_id
""")

DELETE_OLD: Final = sa.text("""
DELETE FROM webhook_message
WHERE id IN (
    SELECT id
    FROM webhook_message AS message
    WHERE created_at < clock_timestamp() - CAST(:retention AS interval)
      AND NOT EXISTS (
          SELECT
          FROM webhook_delivery
          JOIN webhook_endpoint AS endpoint ON endpoint.id = endpoint_id
          WHERE message_id = message.id AND state = 'waiting' AND (NOT endpoint.demo OR :demo)
      )
    ORDER BY created_at
    LIMIT :limit
)
""")

# A merchant's endpoints of now: also those that came after the message.
REPLAY: Final = sa.text("""
INSERT INTO webhook_delivery (message_id, endpoint_id)
SELECT message.id, endpoint.id
FROM webhook_message AS message
JOIN webhook_endpoint AS endpoint ON endpoint.merchant_id = message.merchant_id AND endpoint.disabled_at IS NULL
WHERE message.id = :message_id AND (NOT endpoint.demo OR :demo)
ON CONFLICT (message_id, endpoint_id) DO UPDATE
SET state = 'waiting', attempts = 0, next_attempt_at = now(), settled_at = NULL
RETURNING endpoint_id
""")

DELIVERIES: Final = sa.text("""
SELECT delivery.message_id, delivery.endpoint_id, endpoint.url, delivery.state, delivery.attempts,
       delivery.next_attempt_at, delivery.settled_at,
       attempt.attempted_at, attempt.milliseconds, attempt.status, attempt.error
FROM webhook_delivery AS delivery
JOIN webhook_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
LEFT JOIN LATERAL (
    SELECT id, attempted_at, milliseconds, status, error
    FROM webhook_attempt
    WHERE message_id = delivery.message_id AND endpoint_id = delivery.endpoint_id
    ORDER BY id DESC
    LIMIT :attempts_max
) AS attempt ON true
WHERE delivery.message_id = ANY(CAST(:message_ids AS uuid[]))
ORDER BY delivery.message_id, endpoint.created_at, endpoint.id, attempt.id
""")

OVERDUE: Final = sa.text("""
SELECT greatest(0, max(extract(epoch FROM clock_timestamp() - found.next_attempt_at)))::float8
FROM webhook_endpoint AS endpoint
CROSS JOIN LATERAL (
    SELECT next_attempt_at
    FROM webhook_delivery
    WHERE endpoint_id = endpoint.id AND state = 'waiting'
    ORDER BY next_attempt_at
    LIMIT 1
) AS found
WHERE endpoint.disabled_at IS NULL AND (NOT endpoint.demo OR :demo)
""")

# Only with the secret that the attempt was signed with: a merchant who has registered the URL again since wants it.
DISABLE_GONE: Final = sa.text("""
UPDATE webhook_endpoint AS endpoint
SET disabled_at = coalesce(disabled_at, now()), disabled_because = coalesce(disabled_because, :because)
FROM unnest(CAST(:endpoint_ids AS uuid[]), CAST(:secrets AS bytea[])) AS gone (id, secret)
WHERE endpoint.id = gone.id AND endpoint.secret = gone.secret
RETURNING endpoint.id, endpoint.secret
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this process's to attempt until its lease ends. `attempts` were made before."""

    message_id: UUID
    payload: str
    endpoint_id: UUID
    merchant_id: str
    url: str
    # As it is stored.
    secret: bytes
    attempts: int
    claimed_until: datetime


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt and what it means for its delivery; `status` or `error`. Settled without `delay_seconds`."""

    message_id: UUID
    endpoint_id: UUID
    attempts: int
    claimed_until: datetime
    sent_at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    state: State
    delay_seconds: float | None


async def lock_merchant(connection: AsyncConnection, merchant_id: str) -> bool:
    """Whether there is such a merchant; what changes its endpoints waits until this transaction ends."""
    # Keys of other tables that name the merchant are not held up by this lock.
    query = sa.select(merchant.c.id).where(merchant.c.id == merchant_id).with_for_update(key_share=True)
    return (await connection.execute(query)).one_or_none() is not None


async def active_endpoints(connection: AsyncConnection, merchant_id: str) -> dict[str, UUID]:
    """Ids of a merchant's endpoints that are not disabled, by URL; nobody disables one until this transaction ends."""
    rows = await connection.execute(
        sa.select(webhook_endpoint.c.url, webhook_endpoint.c.id)
        .where(webhook_endpoint.c.merchant_id == merchant_id, webhook_endpoint.c.disabled_at.is_(None))
        .order_by(webhook_endpoint.c.id)
        .with_for_update(key_share=True)
    )
    return {row.url: row.id for row in rows}


async def put_endpoint(
    connection: AsyncConnection, *, endpoint_id: UUID, merchant_id: str, url: str, secret: bytes, demo: bool
) -> datetime:
    """Make the endpoint, or give the one with this id another secret; when it was made."""
    written = insert(webhook_endpoint).values(
        id=endpoint_id, merchant_id=merchant_id, url=url, secret=secret, demo=demo
    )
    created_at: datetime = (
        await connection.execute(
            written.on_conflict_do_update(
                index_elements=[webhook_endpoint.c.id], set_={"secret": written.excluded.secret}
            ).returning(webhook_endpoint.c.created_at)
        )
    ).scalar_one()
    return created_at


async def list_endpoints(connection: AsyncConnection, merchant_id: str | None) -> Sequence[Any]:
    """A merchant's, or everyone's; also disabled ones; oldest first; without their secrets."""
    table = webhook_endpoint.c
    query = sa.select(
        table.id, table.merchant_id, table.url, table.created_at, table.disabled_at, table.disabled_because
    ).order_by(table.created_at, table.id)
    if merchant_id is not None:
        query = query.where(table.merchant_id == merchant_id)
    return (await connection.execute(query)).all()


async def disable_endpoints(
    connection: AsyncConnection, endpoint_ids: Sequence[UUID], *, because: str, merchant_id: str | None = None
) -> int:
    """How many there are of these (and of this merchant); one that was disabled before keeps its time and reason."""
    table = webhook_endpoint.c
    statement = sa.update(webhook_endpoint).where(table.id.in_(endpoint_ids))
    if merchant_id is not None:
        statement = statement.where(table.merchant_id == merchant_id)
    found = await connection.execute(
        statement.values(
            disabled_at=sa.func.coalesce(table.disabled_at, sa.func.now()),
            disabled_because=sa.func.coalesce(table.disabled_because, because),
        ).returning(table.id)
    )
    return len(found.all())


async def disable_gone(
    connection: AsyncConnection, endpoints: Sequence[tuple[UUID, bytes]], *, because: str
) -> set[tuple[UUID, bytes]]:
    """Disable those that still have this secret, as it is stored; which of them are disabled now."""
    rows = await connection.execute(
        DISABLE_GONE,
        {
            "endpoint_ids": [endpoint_id for endpoint_id, _ in endpoints],
            "secrets": [secret for _, secret in endpoints],
            "because": because,
        },
    )
    return {(row.id, row.secret) for row in rows}


async def claim_due(
    connection: AsyncConnection,
    *,
    busy: Mapping[UUID, int],
    deliveries_max: int,
    endpoint_deliveries_max: int,
    lease: timedelta,
    demo: bool,
) -> list[Claimed]:
    """At most `deliveries_max` that are due; `busy` says how many of each endpoint are on their way already."""
    rows = await connection.execute(
        CLAIM,
        {
            "busy_ids": list(busy),
            "busy_deliveries": list(busy.values()),
            "endpoint_deliveries_max": endpoint_deliveries_max,
            "deliveries_max": deliveries_max,
            "lease": lease,
            "demo": demo,
        },
    )
    return [Claimed(**row) for row in rows.mappings()]


async def record_attempts(connection: AsyncConnection, attempted: Sequence[Attempted]) -> None:
    """Log attempts, and settle their deliveries or put them off."""
    await connection.execute(
        RECORD,
        {
            "message_ids": [each.message_id for each in attempted],
            "endpoint_ids": [each.endpoint_id for each in attempted],
            "claimed_until": [each.claimed_until for each in attempted],
            "sent_at": [each.sent_at for each in attempted],
            "milliseconds": [each.milliseconds for each in attempted],
            "statuses": [each.status for each in attempted],
            "errors": [each.error for each in attempted],
            "states": [each.state for each in attempted],
            "delays_seconds": [each.delay_seconds for each in attempted],
        },
    )


async def lock_housekeeping(connection: AsyncConnection) -> bool:
    """Whether it is this transaction's turn: two that delete the same rows would only wait for each other."""
    locked: bool = (
        await connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(HOUSEKEEPING_LOCK)))
    ).scalar_one()
    return locked


async def settle_disabled(connection: AsyncConnection, *, limit: int) -> int:
    """Give up what still waits for endpoints that are disabled; how many deliveries."""
    return (await connection.execute(SETTLE_DISABLED, {"limit": limit})).rowcount


async def delete_old(connection: AsyncConnection, *, retention: timedelta, limit: int, demo: bool) -> int:
    """Delete the oldest messages of which nothing is going to be sent, with deliveries and attempts; how many messages.

    What waits for an endpoint of the demo is only sent by a service that runs as one.
    """
    return (await connection.execute(DELETE_OLD, {"retention": retention, "limit": limit, "demo": demo})).rowcount


async def merchant_of_message(connection: AsyncConnection, message_id: UUID) -> str | None:
    """Whose message this is; None where there is none."""
    query = sa.select(webhook_message.c.merchant_id).where(webhook_message.c.id == message_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def replay(connection: AsyncConnection, message_id: UUID, *, demo: bool) -> list[UUID]:
    """Let every endpoint of its merchant have this message again, from the first attempt on; the endpoints."""
    rows = await connection.execute(REPLAY, {"message_id": message_id, "demo": demo})
    return sorted(row.endpoint_id for row in rows)


async def page_of_messages(
    connection: AsyncConnection, merchant_id: str, *, before_number: int | None, limit: int
) -> Sequence[Any]:
    """A merchant's messages, newest first."""
    table = webhook_message.c
    query = (
        sa.select(table.number, table.id, table.created_at, table.payload)
        .where(table.merchant_id == merchant_id)
        .order_by(table.number.desc())
        .limit(limit)
    )
    if before_number is not None:
        query = query.where(table.number < before_number)
    return (await connection.execute(query)).all()


async def deliveries_of(connection: AsyncConnection, message_ids: Sequence[UUID]) -> Sequence[Any]:
    """Deliveries of these messages, a row for each of their latest attempts, oldest attempt first; at least one row."""
    rows = await connection.execute(DELIVERIES, {"message_ids": message_ids, "attempts_max": ATTEMPTS_SHOWN_MAX})
    return rows.all()


async def overdue_seconds(connection: AsyncConnection, *, demo: bool) -> float:
    """For how long the delivery that is most overdue has been due; 0 where none is."""
    seconds: float = (await connection.execute(OVERDUE, {"demo": demo})).scalar_one()
    return seconds
