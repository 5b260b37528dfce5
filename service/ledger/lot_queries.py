"""SQL of coins' life, one function a statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.ledger import coin_life, expiry_position, wallet

# One row of every transfer that came in and of every expiry, newest first, so many of each wallet. The primary key is
# read backwards from where the page before ended: what is older than the coins that are left is not looked at.
READ_ENTRIES: Final = sa.text(
    """
    SELECT asked.owner_id, entry.id, entry.coins, entry.created_at, entry.lot_id
    FROM unnest(:owner_ids, :before_ids) AS asked (owner_id, before_id)
    CROSS JOIN LATERAL (
        SELECT id, coins, created_at, CASE kind WHEN 'expiry' THEN reverses_id END AS lot_id
        FROM transfer
        WHERE owner_id = asked.owner_id AND id < asked.before_id
          AND (credit_account_id = asked.owner_id OR kind = 'expiry')
        ORDER BY id DESC
        LIMIT :limit
    ) AS entry
    ORDER BY asked.owner_id, entry.id DESC
    """
).bindparams(
    sa.bindparam("owner_ids", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("before_ids", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("limit", type_=sa.Integer),
)

# Behind this stand the checks of `wallet` and the unique index uq_transfer_expiry: held coins stay, a lot goes once.
POST_EXPIRIES: Final = sa.text(
    """
    WITH expired AS (
        SELECT * FROM unnest(:owner_ids, :lot_ids, :coins) AS expired (owner_id, lot_id, coins)
    ), taken AS (
        UPDATE wallet
        SET posted = wallet.posted - of_wallet.coins
        FROM (SELECT owner_id, sum(coins)::bigint AS coins FROM expired GROUP BY owner_id) AS of_wallet
        WHERE wallet.owner_id = of_wallet.owner_id
    )
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, reverses_id, created_at)
    SELECT owner_id, 'expiry', owner_id, 1, coins, lot_id, clock_timestamp()
    FROM expired
    ORDER BY owner_id, lot_id
    """
).bindparams(
    sa.bindparam("owner_ids", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("lot_ids", type_=sa.ARRAY(sa.BigInteger)),
    sa.bindparam("coins", type_=sa.ARRAY(sa.BigInteger)),
)


async def read_rules(connection: AsyncConnection) -> Sequence[sa.Row[datetime, int | None]]:
    """Every rule of coins' life, the earliest first."""
    rules = sa.select(coin_life.c.effective_from, coin_life.c.months).order_by(coin_life.c.effective_from)
    return (await connection.execute(rules)).all()


async def insert_rule(connection: AsyncConnection, *, effective_from: datetime, months: int | None) -> None:
    await connection.execute(sa.insert(coin_life).values(effective_from=effective_from, months=months))


async def read_entries(
    connection: AsyncConnection, before_ids: Mapping[int, int], *, limit: int
) -> Sequence[sa.Row[Any]]:
    """Of each owner up to `limit` transfers that came in or were expiries, with ids below the given, newest first."""
    parameters = {"owner_ids": list(before_ids), "before_ids": list(before_ids.values()), "limit": limit}
    return (await connection.execute(READ_ENTRIES, parameters)).all()


async def lock_position(connection: AsyncConnection, interval: timedelta) -> sa.Row[Any] | None:
    """How far the pass is, whether it began `interval` ago or more, and the time; None where another is at it.

    Locked until the transaction ends.
    """
    now = sa.func.clock_timestamp()
    return (
        await connection.execute(
            sa.select(
                expiry_position.c.owner_id,
                (expiry_position.c.pass_began_at <= now - interval).label("due"),
                now.label("now"),
            ).with_for_update(skip_locked=True)
        )
    ).one_or_none()


async def move_position(connection: AsyncConnection, owner_id: int) -> None:
    await connection.execute(sa.update(expiry_position).values(owner_id=owner_id))


async def begin_pass(connection: AsyncConnection, at: datetime) -> None:
    await connection.execute(sa.update(expiry_position).values(owner_id=0, pass_began_at=at))


async def next_wallets(connection: AsyncConnection, after_id: int, *, limit: int) -> dict[int, tuple[int, int]]:
    """The next wallets that have coins: posted and held by owner, in their order."""
    rows = await connection.execute(
        sa.select(wallet)
        .where(wallet.c.owner_id > after_id, wallet.c.posted > 0)
        .order_by(wallet.c.owner_id)
        .limit(limit)
    )
    return {row.owner_id: (row.posted, row.held) for row in rows}


async def lock_wallets(connection: AsyncConnection, owner_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Posted and held by owner. In the order in which everybody locks wallets, so that none waits in a circle."""
    rows = await connection.execute(
        sa.select(wallet)
        .where(wallet.c.owner_id.in_(owner_ids))
        .order_by(wallet.c.owner_id)
        .with_for_update(key_share=True)
    )
    return {row.owner_id: (row.posted, row.held) for row in rows}


async def post_expiries(connection: AsyncConnection, expiries: Sequence[tuple[int, int, int]]) -> None:
    """Coins back to the issuer: (owner, the lot's transfer, coins). The wallets are locked."""
    owner_ids, lot_ids, coins = (list(column) for column in zip(*expiries, strict=True))
    await connection.execute(POST_EXPIRIES, {"owner_ids": owner_ids, "lot_ids": lot_ids, "coins": coins})
