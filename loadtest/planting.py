"""Rows that load needs and that would take hours to come by over HTTP: residents with coins, merchants, statements.

Written as the database's owner into an installation that was made for the run. What is planted is what the service
would have written, so that `tanbi verify` finds nothing.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from loadtest.baselines import Connection

# More than anyone can spend in a run.
COINS_EACH = 1_000_000_000
GRAMS_EACH = 1_000
# One transfer in ten is a redemption, of what five drops are worth.
REDEMPTION_EVERY = 10
REDEMPTION_DROPS = 5
REFUND_EVERY = 50
ROWS_EACH_TRANSACTION = 100_000
STATEMENT_SECONDS_MAX = 120.0
FOLD_SECONDS_MAX = 120.0
POLL_SECONDS = 0.1

MERCHANTS = """
WITH opened AS (INSERT INTO account (kind) SELECT 'merchant' FROM generate_series(1, $1::int) RETURNING id)
INSERT INTO merchant (id, account_id, name, name_en)
SELECT 'LT-' || id, id, '商户 ' || id, 'Merchant ' || id FROM opened
RETURNING id
"""

# Nobody has these keys.
OPERATORS = """
INSERT INTO api_key (key_hash, id, role, name, plain_name, revoked_at)
SELECT sha256(convert_to(id::text, 'UTF8')), id, 'operator', 'load-' || n, 'load-' || n, now()
FROM unnest($1::uuid[]) WITH ORDINALITY AS operator (id, n)
ON CONFLICT DO NOTHING
"""

# All by one statement: rows that belong together are of one transaction.
RESIDENTS = """
WITH opened AS (
    INSERT INTO account (kind) SELECT 'resident' FROM generate_series(1, $1::int) RETURNING id
), adjusted AS (
    SELECT id AS owner_id, gen_random_uuid() AS adjustment_id FROM opened
), people AS (
    INSERT INTO resident (id, demo) SELECT id, true FROM opened
), sessions AS (
    INSERT INTO session (token_hash, resident_id, expires_at, demo)
    SELECT sha256(convert_to($2 || id, 'UTF8')), id, now() + interval '1 day', true FROM opened
), wallets AS (
    INSERT INTO wallet (owner_id, posted) SELECT id, $3::bigint FROM opened
), wanted AS (
    INSERT INTO adjustment (owner_id, id, direction, coins, reason, reference, requested_by, decision, decided_by,
                            decided_at)
    SELECT owner_id, adjustment_id, 'credit', $3::bigint, 'load', 'load', $4::uuid, 'approved', $5::uuid, now()
    FROM adjusted
    WHERE $3::bigint > 0
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, adjustment_id, requested_by,
                          approved_by, reason)
    SELECT owner_id, 'adjustment', (SELECT id FROM account WHERE kind = 'issuer'), owner_id, $3::bigint, adjustment_id,
           $4::uuid, $5::uuid, 'load'
    FROM adjusted
    WHERE $3::bigint > 0
)
SELECT id FROM opened ORDER BY id
"""

# Transfers number $2 to before $3 of one resident, a hundredth of a second apart: drops, and every tenth a redemption.
TRANSFERS = """
WITH place AS (
    SELECT bin.id AS bin_id, bin.site_id, tariff.material_id, tariff.coins_per_kg, merchant.id AS merchant_id,
           merchant.account_id
    FROM (SELECT id, site_id FROM bin ORDER BY id LIMIT 1) AS bin,
         (SELECT material_id, coins_per_kg FROM tariff WHERE material_id = 'paper' AND effective_from <= now()
          ORDER BY effective_from DESC LIMIT 1) AS tariff,
         (SELECT id, account_id FROM merchant WHERE id = $5) AS merchant
), planned AS (
    SELECT n, n % $6::bigint = 0 AS spends, 'load-' || $1::bigint || '-' || n AS event_id,
           gen_random_uuid() AS redemption_id, place.*,
           CASE WHEN n % $6::bigint = 0 THEN $7::bigint ELSE 1 END * $8::bigint * coins_per_kg / 1000 AS coins,
           date_trunc('milliseconds', now()) - ($4::bigint - n) * interval '10 milliseconds' AS at
    FROM generate_series($2::bigint, $3::bigint - 1) AS n, place
), dropped AS (
    INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,
                             resident_id, outcome, coins_per_kg, coins, occurred_at, received_at)
    SELECT bin_id, event_id, sha256(convert_to(event_id, 'UTF8')), site_id, n, material_id, $8::int, $1::bigint,
           'credited', coins_per_kg, coins, at, at
    FROM planned
    WHERE NOT spends
), redeemed AS (
    INSERT INTO redemption (owner_id, id, merchant_id, coins, created_at)
    SELECT $1::bigint, redemption_id, merchant_id, coins, at FROM planned WHERE spends
), answered AS (
    INSERT INTO idempotency_key (actor, key, request_digest, status, answer, created_at)
    SELECT 'resident:' || $1::bigint, event_id, sha256(convert_to(event_id, 'UTF8')), 201,
           '{"id":"' || redemption_id || '","state":"captured","coins":' || coins || '}', at
    FROM planned
    WHERE spends
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id, redemption_id,
                          created_at)
    SELECT $1::bigint, CASE WHEN spends THEN 'redemption' ELSE 'credit' END,
           CASE WHEN spends THEN $1::bigint ELSE issuer.id END, CASE WHEN spends THEN account_id ELSE $1::bigint END,
           coins, CASE WHEN NOT spends THEN bin_id END, CASE WHEN NOT spends THEN event_id END,
           CASE WHEN spends THEN redemption_id END, at
    FROM planned, (SELECT id FROM account WHERE kind = 'issuer') AS issuer
    ORDER BY n
)
UPDATE wallet
SET posted = posted + (SELECT sum(CASE WHEN spends THEN -coins ELSE coins END) FROM planned)
WHERE owner_id = $1::bigint
"""

# Captures number $1 to before $2 of $3 at one merchant, from $6 on so many in $7, and every fiftieth given back.
CAPTURES = """
WITH planned AS (
    SELECT n, ($5::bigint[])[1 + n % cardinality($5::bigint[])] AS owner_id, gen_random_uuid() AS redemption_id,
           1 + n % 500 AS coins, n % $8::bigint = 0 AS returned, $6::timestamptz + n * $7::interval / $3::bigint AS at
    FROM generate_series($1::bigint, $2::bigint - 1) AS n
), merchant AS (
    SELECT id, account_id FROM merchant WHERE id = $4
), redeemed AS (
    INSERT INTO redemption (owner_id, id, merchant_id, coins, created_at)
    SELECT owner_id, redemption_id, merchant.id, coins, at FROM planned, merchant
), answered AS (
    INSERT INTO idempotency_key (actor, key, request_digest, status, answer, created_at)
    SELECT 'resident:' || owner_id, redemption_id, sha256(uuid_send(redemption_id)), 201,
           '{"id":"' || redemption_id || '","state":"captured","coins":' || coins || '}', at
    FROM planned
), captured AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, created_at)
    SELECT owner_id, 'redemption', owner_id, account_id, coins, redemption_id, at FROM planned, merchant ORDER BY n
    RETURNING owner_id, id, redemption_id
), refunded AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, reverses_id,
                          created_at)
    SELECT owner_id, 'refund', account_id, owner_id, coins, redemption_id, captured.id, at
    FROM planned JOIN captured USING (owner_id, redemption_id), merchant
    WHERE returned
    ORDER BY n
)
UPDATE wallet
SET posted = posted - taken.coins
FROM (SELECT owner_id, sum(coins) AS coins FROM planned WHERE NOT returned GROUP BY owner_id) AS taken
WHERE wallet.owner_id = taken.owner_id
"""

# As autovacuum leaves tables some time after they have grown.
SETTLE = (
    "VACUUM (ANALYZE) account, resident, session, wallet, transfer, merchant, weigh_event, redemption, idempotency_key"
)

FOLDED = """
SELECT position.xid > coalesce((SELECT max(xid) FROM transfer), 0) FROM fold_position AS position
"""


class NotFolded(Exception):
    """The service did not fold what was planted: is it running?"""


@dataclass(frozen=True, slots=True)
class Planted:
    """Session tokens of the planted residents, and ids of the planted merchants."""

    tokens: tuple[str, ...]
    merchant_ids: tuple[str, ...]


async def plant_redeemers(connection: Connection, *, residents: int, merchants: int) -> Planted:
    """So many residents with COINS_EACH coins, and merchants to spend them at."""
    merchant_ids = await _plant_merchants(connection, merchants)
    tokens = await _plant_residents(connection, residents, COINS_EACH)
    return Planted(tuple(tokens.values()), tuple(merchant_ids))


async def plant_statements(connection: Connection, transfers: tuple[int, ...]) -> Planted:
    """A resident with so many transfers for each number, the tokens in that order."""
    [merchant_id] = await _plant_merchants(connection, 1)
    tokens = await _plant_residents(connection, len(transfers), 0)
    for owner_id, count in zip(tokens, transfers, strict=True):
        for first in range(1, count + 1, ROWS_EACH_TRANSACTION):
            last = min(first + ROWS_EACH_TRANSACTION, count + 1)
            # Ends with drops, so that the page of each looks the same.
            arguments = (owner_id, first, last, count, merchant_id, REDEMPTION_EVERY, REDEMPTION_DROPS, GRAMS_EACH)
            await connection.execute(TRANSFERS, *arguments, timeout=STATEMENT_SECONDS_MAX)
    return Planted(tuple(tokens.values()), (merchant_id,))


async def plant_captures(
    connection: Connection, *, residents: int, captures: int, begins_at: datetime, over: timedelta
) -> str:
    """So many captures at one merchant, spread evenly over a time and over residents, some given back; its id."""
    [merchant_id] = await _plant_merchants(connection, 1)
    owner_ids = list(await _plant_residents(connection, residents, COINS_EACH))
    for first in range(0, captures, ROWS_EACH_TRANSACTION):
        last = min(first + ROWS_EACH_TRANSACTION, captures)
        arguments = (first, last, captures, merchant_id, owner_ids, begins_at, over, REFUND_EVERY)
        await connection.execute(CAPTURES, *arguments, timeout=STATEMENT_SECONDS_MAX)
    return merchant_id


async def _plant_merchants(connection: Connection, count: int) -> list[str]:
    rows = await connection.fetch(MERCHANTS, count, timeout=STATEMENT_SECONDS_MAX)
    return [row["id"] for row in rows]


async def _plant_residents(connection: Connection, count: int, coins: int) -> dict[int, str]:
    """Their session tokens by resident, in the order of their ids."""
    prefix = f"load-{secrets.token_urlsafe(16)}-"
    operators = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
    await connection.execute(OPERATORS, operators)
    rows = await connection.fetch(RESIDENTS, count, prefix, coins, *operators, timeout=STATEMENT_SECONDS_MAX)
    return {row["id"]: f"{prefix}{row['id']}" for row in rows}


async def settle(connection: Connection) -> None:
    """Return when the service has folded all transfers and the tables are as they are in daily life.

    Raises NotFolded.
    """
    await connection.execute(SETTLE, timeout=STATEMENT_SECONDS_MAX)
    deadline = time.monotonic() + FOLD_SECONDS_MAX
    while not await connection.fetchval(FOLDED):
        if time.monotonic() > deadline:
            raise NotFolded(NotFolded.__doc__)
        await asyncio.sleep(POLL_SECONDS)
