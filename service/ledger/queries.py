"""SQL of the ledger, one function a statement. Nothing else in the service writes wallets or transfers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import DriverConnection
from service.tables import account, merchant, transfer, wallet, weigh_event

CREDIT_WEIGH_EVENTS = resources.files("service.ledger").joinpath("credit_weigh_events.sql").read_text()
CREDIT_WAITING = sa.text(resources.files("service.ledger").joinpath("credit_waiting.sql").read_text()).bindparams(
    sa.bindparam("credential_digests", type_=sa.ARRAY(sa.LargeBinary)),
    sa.bindparam("waiting_max", type_=sa.Interval),
    sa.bindparam("demo", type_=sa.Boolean),
)
POST_REDEMPTION = sa.text(resources.files("service.ledger").joinpath("post_redemption.sql").read_text()).bindparams(
    sa.bindparam("owner_id", type_=sa.BigInteger),
    sa.bindparam("merchant_account_id", type_=sa.BigInteger),
    sa.bindparam("coins", type_=sa.BigInteger),
    sa.bindparam("redemption_id", type_=sa.Uuid),
)


@dataclass(frozen=True, slots=True)
class Wallet:
    """Coins of one resident."""

    posted: int
    held: int

    @property
    def available(self) -> int:
        return self.posted - self.held


async def credit_weigh_events(
    connection: DriverConnection, columns: Sequence[Sequence[Any]], *, demo: bool
) -> list[asyncpg.Record]:
    """Claim events and credit the new ones; see credit_weigh_events.sql for the twelve columns and what comes back."""
    return await connection.fetch(CREDIT_WEIGH_EVENTS, *columns, demo)


async def credit_waiting(
    connection: AsyncConnection, credential_digests: Sequence[bytes], *, waiting_max: timedelta, demo: bool
) -> int:
    """Credit events that waited for these credentials, at most 1000 of them: how many; see credit_waiting.sql."""
    events: int = (
        await connection.execute(
            CREDIT_WAITING, {"credential_digests": credential_digests, "waiting_max": waiting_max, "demo": demo}
        )
    ).scalar_one()
    return events


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
    row = (
        await connection.execute(sa.select(wallet.c.posted, wallet.c.held).where(wallet.c.owner_id == owner_id))
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


async def post_redemption(
    connection: AsyncConnection, *, owner_id: int, merchant_account_id: int, coins: int, redemption_id: UUID
) -> tuple[Wallet, bool]:
    """Move coins to a merchant if they are available: the wallet then, and whether they moved; see post_redemption.sql.

    Locks the wallet until the transaction ends.
    """
    row = (
        await connection.execute(
            POST_REDEMPTION,
            {
                "owner_id": owner_id,
                "merchant_account_id": merchant_account_id,
                "coins": coins,
                "redemption_id": redemption_id,
            },
        )
    ).one()
    return Wallet(row.posted, row.held), row.moved


async def read_transfer(connection: AsyncConnection, owner_id: int, transfer_id: int) -> sa.Row[Any] | None:
    return (
        await connection.execute(
            sa.select(transfer).where(transfer.c.owner_id == owner_id, transfer.c.id == transfer_id)
        )
    ).one_or_none()


async def is_reversed(connection: AsyncConnection, owner_id: int, transfer_id: int) -> bool:
    """Asked with the wallet locked, so that the answer still holds when the reversal is inserted."""
    found = sa.exists().where(
        transfer.c.owner_id == owner_id, transfer.c.reverses_id == transfer_id, transfer.c.kind == "reversal"
    )
    return bool((await connection.execute(sa.select(found))).scalar_one())


async def statement_page(
    connection: AsyncConnection, owner_id: int, *, before_id: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """A wallet's transfers, newest first, with what moved the coins: drops by material and grams, merchants by name."""
    counterpart = sa.case(
        (transfer.c.debit_account_id == owner_id, transfer.c.credit_account_id), else_=transfer.c.debit_account_id
    )
    query = (
        sa.select(
            transfer.c.id,
            transfer.c.kind,
            transfer.c.coins,
            (transfer.c.credit_account_id == owner_id).label("incoming"),
            transfer.c.created_at,
            transfer.c.redemption_id,
            transfer.c.reverses_id,
            transfer.c.reason,
            weigh_event.c.event_id,
            weigh_event.c.material_id,
            weigh_event.c.weight_grams,
            weigh_event.c.occurred_at,
            merchant.c.id.label("merchant_id"),
            merchant.c.name.label("merchant_name"),
        )
        .select_from(transfer)
        .outerjoin(
            weigh_event,
            sa.and_(weigh_event.c.bin_id == transfer.c.bin_id, weigh_event.c.event_id == transfer.c.event_id),
        )
        .outerjoin(merchant, merchant.c.account_id == counterpart)
        .where(transfer.c.owner_id == owner_id)
        .order_by(transfer.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(transfer.c.id < before_id)
    return (await connection.execute(query)).all()
