"""SQL of redemption, one function a statement."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables import merchant, pay_code, redemption


async def find_merchant(connection: AsyncConnection, merchant_id: str) -> Any | None:
    """A merchant's name and account."""
    return (
        await connection.execute(sa.select(merchant.c.name, merchant.c.account_id).where(merchant.c.id == merchant_id))
    ).one_or_none()


async def replace_pay_code(
    connection: AsyncConnection, *, owner_id: int, digest: bytes, lifetime: timedelta
) -> datetime:
    """A resident's new code, in the row of the one that was not used; until when it is good, by the database's clock.

    Two requests of one resident at once meet in that row: one code is left, never two.
    """
    fresh = {"digest": digest, "expires_at": sa.func.now() + lifetime, "created_at": sa.func.now()}
    expires_at: datetime = (
        await connection.execute(
            postgresql.insert(pay_code)
            .values(owner_id=owner_id, **fresh)
            .on_conflict_do_update(
                index_elements=[pay_code.c.owner_id], index_where=pay_code.c.used_at.is_(None), set_=fresh
            )
            .returning(pay_code.c.expires_at)
        )
    ).scalar_one()
    return expires_at


async def tidy_pay_codes(connection: AsyncConnection, *, kept: timedelta, rows_max: int) -> None:
    """Delete the oldest codes that expired longer ago than `kept`; never waits for another that does the same."""
    old = (
        sa.select(pay_code.c.digest)
        .where(pay_code.c.expires_at < sa.func.now() - kept)
        .order_by(pay_code.c.expires_at)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(sa.delete(pay_code).where(pay_code.c.digest.in_(old)))


async def use_pay_code(connection: AsyncConnection, *, digest: bytes, merchant_id: str) -> Any | None:
    """Claim a code that is good: its owner and the merchant's account; None, and nothing changed, for any other.

    Locks the code until the transaction ends, so that of those who present it at once the others wait to see whether
    the first succeeds. It must be good when the transaction begins; waiting does not age it.
    """
    account_id = sa.select(merchant.c.account_id).where(merchant.c.id == merchant_id).scalar_subquery()
    return (
        await connection.execute(
            sa.update(pay_code)
            .where(pay_code.c.digest == digest, pay_code.c.used_at.is_(None), pay_code.c.expires_at > sa.func.now())
            .values(used_at=sa.func.now())
            .returning(pay_code.c.owner_id, account_id.label("account_id"))
        )
    ).one_or_none()


async def pay_code_is_used(connection: AsyncConnection, digest: bytes) -> bool | None:
    """None for a code that is not there. Asked after use_pay_code, so that what made it fail is seen."""
    return (
        await connection.execute(sa.select(pay_code.c.used_at.is_not(None)).where(pay_code.c.digest == digest))
    ).scalar_one_or_none()


async def insert_redemption(connection: AsyncConnection, **values: Any) -> datetime:
    """A redemption that is captured; when."""
    created_at: datetime = (
        await connection.execute(
            sa.insert(redemption).values(state="captured", **values).returning(redemption.c.created_at)
        )
    ).scalar_one()
    return created_at


async def find_redemption(connection: AsyncConnection, redemption_id: UUID, merchant_id: str) -> Any | None:
    """A merchant's own redemption."""
    return (
        await connection.execute(
            sa.select(redemption.c.id, redemption.c.state, redemption.c.coins, redemption.c.created_at).where(
                redemption.c.id == redemption_id, redemption.c.merchant_id == merchant_id
            )
        )
    ).one_or_none()
