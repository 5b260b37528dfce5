"""What was taken and given back in earlier months, posted as of then."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.queries import insert_transfer, move_posted
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.people import merchant
from service.tables.redemption import uncovered_capture


async def move(connection: AsyncConnection, resident_id: int, kind: str, coins: int, at: datetime, **more: Any) -> int:
    """A transfer of the one merchant there is, as it was posted at that time; its id."""
    account_id = (await connection.execute(sa.select(merchant.c.account_id))).scalar_one()
    other = ISSUER_ACCOUNT_ID if kind in ("credit", "cover", "cover_refund", "expiry") else account_id
    incoming = kind in ("credit", "cover", "refund", "reversal")
    await move_posted(connection, resident_id, coins if incoming else -coins)
    return await insert_transfer(
        connection,
        owner_id=resident_id,
        kind=kind,
        debit_account_id=other if incoming else resident_id,
        credit_account_id=resident_id if incoming else other,
        coins=coins,
        created_at=at,
        **more,
    )


async def earn(connection: AsyncConnection, resident_id: int, coins: int, at: datetime) -> int:
    return await move(connection, resident_id, "credit", coins, at, bin_id="NK-0001", event_id=str(uuid.uuid4()))


async def capture(connection: AsyncConnection, resident_id: int, coins: int, at: datetime) -> tuple[int, uuid.UUID]:
    """Coins that are earned and taken at once: the transfer that took them, and its redemption."""
    await earn(connection, resident_id, coins, at)
    redemption_id = uuid.uuid4()
    return await move(connection, resident_id, "redemption", coins, at, redemption_id=redemption_id), redemption_id


async def tell_too_late(connection: AsyncConnection, resident_id: int, coins: int, at: datetime) -> None:
    """A machine of the one merchant there is told what it had given out when its grace was over."""
    merchant_id = (await connection.execute(sa.select(merchant.c.id))).scalar_one()
    await connection.execute(
        sa.insert(uncovered_capture).values(
            owner_id=resident_id,
            redemption_id=uuid.uuid4(),
            merchant_id=merchant_id,
            machine_id="NK-W-01",
            coins=coins,
            received_at=at,
        )
    )


async def refund(
    connection: AsyncConnection, resident_id: int, of: tuple[int, uuid.UUID], coins: int, at: datetime
) -> None:
    await move(connection, resident_id, "refund", coins, at, reverses_id=of[0], redemption_id=of[1])
