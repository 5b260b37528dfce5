"""SQL of the ledger, one function a statement. Nothing else in the service writes wallets or transfers."""

from collections.abc import Sequence
from datetime import date, datetime
from importlib import resources
from typing import Any, Final, NamedTuple

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import DriverConnection
from service.ledger.book import Book, Hold, Wallet
from service.tables.ledger import hold, transfer, wallet
from service.tables.people import account

CORRECTED: Final = sa.text("""
SELECT coalesce(sum(signed) FILTER (WHERE id = :transfer_id), 0)::bigint AS coins,
       coalesce(sum(signed) FILTER (WHERE id <> :transfer_id), 0)::bigint AS corrections
FROM (
    SELECT id, CASE WHEN credit_account_id = owner_id THEN coins ELSE -coins END AS signed
    FROM transfer
    WHERE owner_id = :owner_id AND id = :transfer_id
    UNION ALL
    SELECT id, CASE WHEN credit_account_id = owner_id THEN coins ELSE -coins END
    FROM transfer
    WHERE owner_id = :owner_id AND kind = 'adjustment' AND reverses_id = :transfer_id
) AS moved
""")

CREDIT_WEIGH_EVENTS = resources.files("service.ledger").joinpath("credit_weigh_events.sql").read_text()
RELEASE_WEIGH_EVENT = sa.text(
    resources.files("service.ledger").joinpath("release_weigh_event.sql").read_text()
).bindparams(
    sa.bindparam("placed_at", type_=sa.DateTime(timezone=True)),
    sa.bindparam("day", type_=sa.Date),
    sa.bindparam("coins_per_kg", type_=sa.Integer),
    sa.bindparam("demo", type_=sa.Boolean),
)
POST = resources.files("service.ledger").joinpath("post.sql").read_text()
# The clock is read above the locks: no decision is older than the last lock of a wallet.
LOCK_WALLETS = """
SELECT owner_id, posted, held, clock_timestamp() AS at
FROM (SELECT owner_id, posted, held
      FROM wallet
      WHERE owner_id = ANY($1)
      ORDER BY owner_id
      FOR NO KEY UPDATE) AS locked
"""
# As LOCK_WALLETS, of whom another query names: its rows, each with its wallet; without, where another transaction has
# that locked. What it read itself is from before the locks. Each wallet is in a row, so the latest of the clocks is
# above all locks.
LOCK_NAMED_WALLETS = """
WITH named AS MATERIALIZED ({query}), locked AS MATERIALIZED (
    SELECT wallet.*
    FROM (SELECT DISTINCT owner_id FROM named WHERE owner_id IS NOT NULL ORDER BY owner_id) AS owner
    CROSS JOIN LATERAL (
        SELECT owner_id, posted, held
        FROM wallet
        WHERE wallet.owner_id = owner.owner_id
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS wallet
)
SELECT named.*, locked.posted, locked.held, clock_timestamp() AS at
FROM named
LEFT JOIN locked USING (owner_id)
"""
# Wallets that are locked are being seen to by whoever locked them.
LOCK_DUE_WALLETS = """
SELECT owner_id, posted, held, clock_timestamp() AS at
FROM (SELECT owner_id, posted, held
      FROM wallet
      WHERE owner_id IN (SELECT owner_id FROM hold WHERE expires_at <= now() ORDER BY expires_at LIMIT $1)
      ORDER BY owner_id
      FOR NO KEY UPDATE SKIP LOCKED) AS locked
"""
# What the resident of a row of `wallet` can spend: a hold whose time is over holds nothing, written down yet or not.
AVAILABLE = """wallet.posted - wallet.held + (
    SELECT coalesce(sum(hold.coins), 0)::bigint FROM hold
    WHERE hold.owner_id = wallet.owner_id AND hold.expires_at <= clock_timestamp()
)"""
OPEN_HOLDS = "SELECT owner_id, redemption_id, coins, held_at, expires_at FROM hold WHERE owner_id = ANY($1)"


async def credit_weigh_events(connection: DriverConnection, *columns: Sequence[Any]) -> list[asyncpg.Record]:
    """Store and credit events as they were decided; see credit_weigh_events.sql for the columns and what comes back."""
    return await connection.fetch(CREDIT_WEIGH_EVENTS, *columns)


class Released(NamedTuple):
    """Whose a released event is, None while it waits for its card, and what it earns."""

    resident_id: int | None
    coins: int


async def release_weigh_event(
    connection: AsyncConnection,
    bin_id: str,
    event_id: str,
    *,
    placed_at: datetime,
    day: date,
    coins_per_kg: int,
    demo: bool,
) -> Released:
    """Credit a held event, whose review the caller has locked; see release_weigh_event.sql."""
    row = (
        await connection.execute(
            RELEASE_WEIGH_EVENT,
            {
                "bin_id": bin_id,
                "event_id": event_id,
                "placed_at": placed_at,
                "day": day,
                "coins_per_kg": coins_per_kg,
                "demo": demo,
            },
        )
    ).one()
    return Released(row.resident_id, row.coins)


async def open_wallet(connection: AsyncConnection) -> int:
    """A new resident's account and empty wallet; the account's id."""
    account_id: int = (
        await connection.execute(sa.insert(account).values(kind="resident").returning(account.c.id))
    ).scalar_one()
    await connection.execute(sa.insert(wallet).values(owner_id=account_id))
    return account_id


async def open_wallets(connection: AsyncConnection, count: int) -> list[int]:
    """Accounts and empty wallets of `count` new residents, in two statements; the accounts' ids, rising."""
    numbers = sa.func.generate_series(1, count).table_valued("number")
    owner_ids = (
        (
            await connection.execute(
                sa.insert(account)
                .from_select(["kind"], sa.select(sa.literal("resident")).select_from(numbers))
                .returning(account.c.id)
            )
        )
        .scalars()
        .all()
    )
    await connection.execute(sa.insert(wallet), [{"owner_id": owner_id} for owner_id in owner_ids])
    return sorted(owner_ids)


async def open_merchant_account(connection: AsyncConnection) -> int:
    account_id: int = (
        await connection.execute(sa.insert(account).values(kind="merchant").returning(account.c.id))
    ).scalar_one()
    return account_id


async def read_wallet(connection: AsyncConnection, owner_id: int) -> Wallet:
    """As it is at this moment: a hold whose time is over holds nothing, whether or not that is written down yet."""
    due = (
        sa.select(sa.func.coalesce(sa.func.sum(hold.c.coins), 0))
        .where(hold.c.owner_id == owner_id, hold.c.expires_at <= sa.func.clock_timestamp())
        .scalar_subquery()
    )
    row = (
        await connection.execute(
            sa.select(wallet.c.posted, sa.cast(wallet.c.held - due, sa.BigInteger).label("held")).where(
                wallet.c.owner_id == owner_id
            )
        )
    ).one()
    return Wallet(row.posted, row.held)


async def lock_wallet(connection: AsyncConnection, owner_id: int) -> None:
    """Decisions about this resident queue up until the transaction ends."""
    await connection.execute(
        sa.select(wallet.c.owner_id).where(wallet.c.owner_id == owner_id).with_for_update(key_share=True)
    )


async def move_posted(connection: AsyncConnection, owner_id: int, coins: int) -> Wallet | None:
    """Add `coins` (less than 0 takes) to a wallet; None, and nothing changed, where its available coins fall short.

    Locks the wallet until the transaction ends.
    """
    row = (
        await connection.execute(
            sa.update(wallet)
            .where(wallet.c.owner_id == owner_id, wallet.c.posted - wallet.c.held + coins >= 0)
            .values(posted=wallet.c.posted + coins)
            .returning(wallet.c.posted, wallet.c.held)
        )
    ).one_or_none()
    return None if row is None else Wallet(row.posted, row.held)


async def insert_transfer(connection: AsyncConnection, **values: Any) -> int:
    """The new transfer's id."""
    transfer_id: int = (
        await connection.execute(sa.insert(transfer).values(**values).returning(transfer.c.id))
    ).scalar_one()
    return transfer_id


async def lock_wallets(connection: DriverConnection, owner_ids: Sequence[int]) -> Book:
    """The wallets of these residents and their open holds, locked until the transaction ends."""
    return await _book(connection, await connection.fetch(LOCK_WALLETS, owner_ids))


async def lock_named_wallets(
    connection: DriverConnection, query: str, *arguments: Any
) -> tuple[list[asyncpg.Record], Book]:
    """The rows of `query`, in any order, and a book of the wallets that its column owner_id names (null: none), without
    those that another transaction has locked; in one round trip."""
    rows = await connection.fetch(LOCK_NAMED_WALLETS.format(query=query), *arguments)
    return rows, await _book(connection, [row for row in rows if row["posted"] is not None])


async def lock_due_wallets(connection: DriverConnection, *, holds_max: int) -> Book:
    """As lock_wallets, those of the oldest holds whose time is over."""
    return await _book(connection, await connection.fetch(LOCK_DUE_WALLETS, holds_max))


async def _book(connection: DriverConnection, locked: Sequence[asyncpg.Record]) -> Book:
    wallets = {row["owner_id"]: Wallet(row["posted"], row["held"]) for row in locked}
    holding = [owner_id for owner_id, wallet in wallets.items() if wallet.held]
    holds = await connection.fetch(OPEN_HOLDS, holding) if holding else []
    at = max((row["at"] for row in locked), default=None) or await connection.fetchval("SELECT clock_timestamp()")
    return Book(at, wallets, [Hold(*row) for row in holds])


async def post(connection: DriverConnection, book: Book, also: str, *arguments: Any) -> list[asyncpg.Record]:
    """Write what a book has decided; see post.sql.

    `also`, with its arguments, goes along in the same round trip: it ends that statement, and its rows are given back.
    """
    wallets = [(owner_id, book.wallet(owner_id)) for owner_id in book.changed]
    transfers = list(zip(*book.transfers, strict=True)) or [()] * 8
    return await connection.fetch(
        POST + also,
        [owner_id for owner_id, _ in wallets],
        [wallet.posted for _, wallet in wallets],
        [wallet.held for _, wallet in wallets],
        *transfers,
        [hold.owner_id for hold in book.placed],
        [hold.redemption_id for hold in book.placed],
        [hold.coins for hold in book.placed],
        [hold.expires_at for hold in book.placed],
        [resolution.hold.owner_id for resolution in book.resolved],
        [resolution.hold.redemption_id for resolution in book.resolved],
        [resolution.outcome for resolution in book.resolved],
        [resolution.hold.coins for resolution in book.resolved],
        [resolution.captured_coins for resolution in book.resolved],
        [resolution.hold.held_at for resolution in book.resolved],
        [resolution.hold.expires_at for resolution in book.resolved],
        book.at,
        *arguments,
    )


async def corrected_coins(connection: AsyncConnection, owner_id: int, transfer_id: int) -> tuple[int, int]:
    """What this transfer moved, and its corrections: more than 0 to the resident, less than 0 from them."""
    row = (await connection.execute(CORRECTED, {"owner_id": owner_id, "transfer_id": transfer_id})).one()
    return row.coins, row.corrections


async def read_transfer(connection: AsyncConnection, owner_id: int, transfer_id: int) -> sa.Row[Any] | None:
    return (
        await connection.execute(
            sa.select(transfer).where(transfer.c.owner_id == owner_id, transfer.c.id == transfer_id)
        )
    ).one_or_none()
