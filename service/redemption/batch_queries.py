"""SQL of one transaction of commands, over the driver's own connections: one function a statement, each of a batch."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg

from service.db import DriverConnection
from service.ledger import queries as ledger
from service.ledger.book import Book
from service.redemption.facts import Offer, PayCode, Redemption, Usage

# Who asks, whose wallet it is about, and what was answered before: read before anything is locked, and looked at again
# where it can change. An answer that is stored in the meantime is found when this one cannot be (TwinCommitted).
# LATERAL and LIMIT where a row is found by its key: statements are planned once, perhaps while a table is empty, and a
# join may be planned to read the whole of it.
IDENTIFY: Final = """
SELECT asked.n::int AS n, session.resident_id, api_key.id IS NOT NULL AS key_known,
       api_key.merchant_id AS key_merchant_id,
       coalesce(session.resident_id, pay_code.owner_id, redemption.owner_id) AS owner_id,
       merchant.id AS merchant_id, merchant.name, merchant.account_id, merchant.hold_seconds,
       EXISTS (SELECT FROM webhook_endpoint
               WHERE webhook_endpoint.merchant_id = merchant.id AND disabled_at IS NULL) AS listens,
       stored.request_digest, stored.status, stored.answer
FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bytea[], $5::uuid[], $6::text[], $7::text[]) WITH ORDINALITY
  AS asked (session_hash, key_hash, machine_actor, pay_code_digest, redemption_id, merchant_id, key, n)
LEFT JOIN LATERAL (
    SELECT resident_id FROM session
    WHERE token_hash = asked.session_hash AND expires_at > now() AND (NOT demo OR $8)
    LIMIT 1
) AS session ON true
LEFT JOIN LATERAL (
    SELECT id, api_key.merchant_id FROM api_key
    WHERE key_hash = asked.key_hash AND revoked_at IS NULL AND (NOT demo OR $8)
    LIMIT 1
) AS api_key ON true
LEFT JOIN LATERAL (SELECT owner_id FROM pay_code WHERE digest = asked.pay_code_digest LIMIT 1) AS pay_code ON true
LEFT JOIN LATERAL (SELECT owner_id FROM redemption WHERE id = asked.redemption_id LIMIT 1) AS redemption ON true
LEFT JOIN LATERAL (
    SELECT id, name, account_id, hold_seconds FROM merchant
    WHERE id = coalesce(api_key.merchant_id, asked.merchant_id)
    LIMIT 1
) AS merchant ON true
LEFT JOIN LATERAL (
    SELECT request_digest, status, answer FROM idempotency_key
    WHERE actor = coalesce('resident:' || session.resident_id, 'merchant:' || api_key.merchant_id, asked.machine_actor)
      AND idempotency_key.key = asked.key
    LIMIT 1
) AS stored ON true
"""

# A resident who asks for a new code changes the row of the old one, without their wallet's lock.
LOCK_PAY_CODES: Final = """
SELECT digest, owner_id, used_at IS NOT NULL AS used, expires_at
FROM pay_code
WHERE digest = ANY($1)
ORDER BY digest
FOR NO KEY UPDATE
"""

REDEMPTIONS: Final = """
SELECT redemption.owner_id, redemption.id, redemption.merchant_id, merchant.account_id, merchant.capture_grace_seconds,
       EXISTS (SELECT FROM webhook_endpoint
               WHERE webhook_endpoint.merchant_id = merchant.id AND disabled_at IS NULL) AS listens,
       redemption.machine_id, redemption.coins, redemption.offer_id, redemption.from_stock, redemption.expires_at,
       redemption.created_at, hold_resolution.outcome, captured.id AS capture_id,
       coalesce(captured.coins, 0) AS captured_coins, cover.id AS cover_id,
       coalesce(cover.coins, 0) AS covered_coins,
       (coalesce((SELECT sum(coins) FROM transfer AS refund
                  WHERE refund.kind = 'refund' AND refund.owner_id = redemption.owner_id
                    AND refund.redemption_id = redemption.id), 0)
        -- As redemptions were given back before there were refunds.
        + coalesce((SELECT coins FROM transfer AS reversal
                    WHERE reversal.kind = 'reversal' AND reversal.owner_id = redemption.owner_id
                      AND reversal.reverses_id = captured.id), 0))::bigint AS refunded_coins,
       EXISTS (SELECT FROM uncovered_capture AS late
               WHERE late.owner_id = redemption.owner_id AND late.redemption_id = redemption.id) AS is_uncovered
FROM unnest($1::bigint[], $2::uuid[]) AS asked (owner_id, id)
CROSS JOIN LATERAL (
    SELECT * FROM redemption WHERE redemption.owner_id = asked.owner_id AND redemption.id = asked.id LIMIT 1
) AS redemption
CROSS JOIN LATERAL (SELECT * FROM merchant WHERE merchant.id = redemption.merchant_id LIMIT 1) AS merchant
LEFT JOIN LATERAL (
    SELECT outcome FROM hold_resolution
    WHERE hold_resolution.owner_id = redemption.owner_id AND hold_resolution.redemption_id = redemption.id
    LIMIT 1
) AS hold_resolution ON true
LEFT JOIN LATERAL (
    SELECT id, coins FROM transfer
    WHERE kind = 'redemption' AND owner_id = redemption.owner_id AND redemption_id = redemption.id
    LIMIT 1
) AS captured ON true
LEFT JOIN LATERAL (
    SELECT id, coins FROM transfer
    WHERE kind = 'cover' AND owner_id = redemption.owner_id AND redemption_id = redemption.id
    LIMIT 1
) AS cover ON true
"""

OFFERS: Final = """
SELECT id, merchant_id, coins, valid_from, valid_until, resident_day_max, stock_added - stock_taken AS stock_left
FROM offer
WHERE id = ANY($1)
"""
# Only those with a stock: the others stay as they are, and may be asked for by many at once.
LOCK_OFFERS: Final = OFFERS + " AND stock_added IS NOT NULL ORDER BY id FOR NO KEY UPDATE"

USAGE: Final = """
SELECT redemption.owner_id, redemption.offer_id, count(*) AS pieces,
       sum(coalesce(captured.coins, hold.coins))::bigint AS coins
FROM redemption
LEFT JOIN LATERAL (
    SELECT coins FROM hold WHERE owner_id = redemption.owner_id AND redemption_id = redemption.id LIMIT 1
) AS hold ON true
LEFT JOIN LATERAL (
    SELECT coins FROM transfer
    WHERE kind = 'redemption' AND owner_id = redemption.owner_id AND redemption_id = redemption.id
    LIMIT 1
) AS captured ON true
WHERE redemption.owner_id = ANY($1) AND redemption.created_at >= $2
  AND coalesce(captured.coins, hold.coins) IS NOT NULL
GROUP BY redemption.owner_id, redemption.offer_id
"""

OPEN_MERCHANT_DAYS: Final = """
INSERT INTO merchant_day (merchant_id, day, coins)
SELECT merchant_id, day, 0 FROM unnest($1::text[], $2::date[]) AS opened (merchant_id, day)
ORDER BY merchant_id, day
ON CONFLICT DO NOTHING
"""

LOCK_MERCHANT_DAYS: Final = """
SELECT merchant_day.merchant_id, merchant_day.day, merchant_day.coins
FROM merchant_day
JOIN unnest($1::text[], $2::date[]) AS asked (merchant_id, day)
  ON merchant_day.merchant_id = asked.merchant_id AND merchant_day.day = asked.day
ORDER BY merchant_day.merchant_id, merchant_day.day
FOR NO KEY UPDATE OF merchant_day
"""

# The end of ledger/post.sql: what was granted, the codes that paid, and the answers.
RECORD: Final = """, granted AS (
    INSERT INTO redemption (owner_id, id, merchant_id, machine_id, coins, offer_id, from_stock, expires_at, created_at)
    SELECT *, $23::timestamptz
    FROM unnest($24::bigint[], $25::uuid[], $26::text[], $27::text[], $28::bigint[], $29::text[], $30::boolean[],
                $31::timestamptz[])
), used AS (
    UPDATE pay_code SET used_at = $23::timestamptz WHERE digest = ANY($37::bytea[])
)
INSERT INTO idempotency_key (actor, key, request_digest, status, answer)
SELECT actor, key, request_digest, status, answer
FROM unnest($32::text[], $33::text[], $34::bytea[], $35::smallint[], $36::text[])
  AS answered (actor, key, request_digest, status, answer)
ORDER BY actor, key
ON CONFLICT DO NOTHING
RETURNING key
"""

UNCOVERED: Final = """
INSERT INTO uncovered_capture (owner_id, redemption_id, merchant_id, machine_id, coins, received_at)
SELECT *, $6::timestamptz
FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT DO NOTHING
"""

STOCK: Final = """
UPDATE offer SET stock_taken = stock_added - new.stock_left
FROM unnest($1::text[], $2::bigint[]) AS new (id, stock_left)
WHERE offer.id = new.id
"""

MERCHANT_DAYS: Final = """
UPDATE merchant_day SET coins = new.coins
FROM unnest($1::text[], $2::date[], $3::bigint[]) AS new (merchant_id, day, coins)
WHERE merchant_day.merchant_id = new.merchant_id AND merchant_day.day = new.day
"""


async def identify_and_lock(
    connection: DriverConnection,
    asked: Iterable[tuple[bytes | None, bytes | None, str | None, bytes | None, UUID | None, str | None, str]],
    *,
    demo: bool,
) -> tuple[list[asyncpg.Record], Book]:
    """One row a command, in order, and the wallets that they are about, locked.

    Of each is asked: the hash of a session or of an API key, or a machine as actor; pay-code's digest, redemption,
    merchant; idempotency key.
    """
    rows, book = await ledger.lock_named_wallets(connection, IDENTIFY, *zip(*asked, strict=True), demo)
    return sorted(rows, key=itemgetter("n")), book


async def lock_pay_codes(connection: DriverConnection, digests: Sequence[bytes]) -> dict[bytes, PayCode]:
    rows = await connection.fetch(LOCK_PAY_CODES, digests)
    return {row["digest"]: PayCode(row["owner_id"], row["used"], row["expires_at"]) for row in rows}


async def read_redemptions(connection: DriverConnection, asked: Collection[tuple[int, UUID]]) -> dict[UUID, Redemption]:
    """Redemptions of these owners and ids, with what became of each."""
    rows = await connection.fetch(REDEMPTIONS, [owner_id for owner_id, _ in asked], [of for _, of in asked])
    return {row["id"]: Redemption(**dict(row)) for row in rows}


async def lock_offers(connection: DriverConnection, offer_ids: Sequence[str]) -> dict[str, Offer]:
    """Offers as they are now; those with a stock are locked until the transaction ends."""
    offers = {row["id"]: Offer(**dict(row)) for row in await connection.fetch(OFFERS, offer_ids)}
    if any(offer.stock_left is not None for offer in offers.values()):
        offers |= {row["id"]: Offer(**dict(row)) for row in await connection.fetch(LOCK_OFFERS, offer_ids)}
    return offers


async def read_usage(connection: DriverConnection, owner_ids: Sequence[int], since: datetime) -> dict[int, Usage]:
    """What these residents have spent, or have held, since then."""
    usage = {owner_id: Usage() for owner_id in owner_ids}
    for row in await connection.fetch(USAGE, owner_ids, since):
        usage[row["owner_id"]].coins += row["coins"]
        if row["offer_id"] is not None:
            usage[row["owner_id"]].pieces[row["offer_id"]] = row["pieces"]
    return usage


async def open_merchant_days(connection: DriverConnection, days: Collection[tuple[str, date]]) -> None:
    """A row for each day on which a merchant's limit is in force."""
    await connection.execute(OPEN_MERCHANT_DAYS, *zip(*days, strict=True))


async def lock_merchant_days(
    connection: DriverConnection, days: Collection[tuple[str, date]]
) -> dict[tuple[str, date], int]:
    """What the merchants' limits of these days have let through; locked until the transaction ends."""
    rows = await connection.fetch(LOCK_MERCHANT_DAYS, *zip(*days, strict=True))
    return {(row["merchant_id"], row["day"]): row["coins"] for row in rows}


async def post_and_record(
    connection: DriverConnection,
    book: Book,
    granted: Sequence[Redemption],
    answers: Sequence[tuple[str, str, bytes, int, str]],
    used_codes: Sequence[bytes],
) -> int:
    """Write the book, redemptions, answers (actor, key, request's digest, status, text) and used codes; how many of the
    answers are new."""
    columns: list[Sequence[Any]] = [
        [getattr(redemption, name) for redemption in granted]
        for name in ("owner_id", "id", "merchant_id", "machine_id", "coins", "offer_id", "from_stock", "expires_at")
    ]
    answered = list(zip(*answers, strict=True)) or [()] * 5
    return len(await ledger.post(connection, book, RECORD, *columns, *answered, used_codes))


async def record_uncovered(
    connection: DriverConnection, uncovered: Sequence[tuple[Redemption, int]], at: datetime
) -> None:
    """Once a redemption, however often the machine tells it."""
    await connection.execute(
        UNCOVERED,
        [redemption.owner_id for redemption, _ in uncovered],
        [redemption.id for redemption, _ in uncovered],
        [redemption.merchant_id for redemption, _ in uncovered],
        [redemption.machine_id for redemption, _ in uncovered],
        [coins for _, coins in uncovered],
        at,
    )


async def set_stock(connection: DriverConnection, offers: Sequence[Offer]) -> None:
    """Of locked offers."""
    await connection.execute(STOCK, [offer.id for offer in offers], [offer.stock_left for offer in offers])


async def set_merchant_days(connection: DriverConnection, days: Sequence[tuple[str, date, int]]) -> None:
    """Of locked rows."""
    await connection.execute(MERCHANT_DAYS, *zip(*days, strict=True))
