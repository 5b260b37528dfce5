"""SQL of redemption, one function a statement."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from service.auth import Machine, Merchant
from service.tables import hold, hold_resolution, pay_code, redemption, transfer


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


async def find_redemption(connection: AsyncConnection, redemption_id: UUID, caller: Merchant | Machine) -> Any | None:
    """A merchant's own redemption, or a machine's own, as it stands at this moment: state, captured_coins,
    refunded_coins and what was granted."""
    captured, refund = transfer.alias("captured"), transfer.alias("refund")
    of = redemption.c
    refunded_coins = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(refund.c.coins), 0), sa.BigInteger))
        .where(refund.c.kind == "refund", refund.c.owner_id == of.owner_id, refund.c.redemption_id == of.id)
        .scalar_subquery()
    )
    state = sa.case(
        (sa.and_(captured.c.id.is_not(None), refunded_coins == captured.c.coins), "refunded"),
        (captured.c.id.is_not(None), "captured"),
        # From its time on, whether or not that is written down yet.
        (hold.c.expires_at <= sa.func.clock_timestamp(), "expired"),
        (hold.c.expires_at.is_not(None), "authorised"),
        else_=hold_resolution.c.outcome,
    )
    query = (
        sa.select(
            of.id,
            state.label("state"),
            of.coins,
            sa.func.coalesce(captured.c.coins, 0).label("captured_coins"),
            refunded_coins.label("refunded_coins"),
            of.offer_id,
            of.machine_id,
            of.expires_at,
            of.created_at,
        )
        .select_from(redemption)
        .outerjoin(hold, sa.and_(hold.c.owner_id == of.owner_id, hold.c.redemption_id == of.id))
        .outerjoin(
            hold_resolution,
            sa.and_(hold_resolution.c.owner_id == of.owner_id, hold_resolution.c.redemption_id == of.id),
        )
        .outerjoin(
            captured,
            sa.and_(
                captured.c.kind == "redemption", captured.c.owner_id == of.owner_id, captured.c.redemption_id == of.id
            ),
        )
        .where(of.id == redemption_id)
    )
    if isinstance(caller, Machine):
        query = query.where(of.machine_id == caller.id)
    else:
        query = query.where(of.merchant_id == caller.id)
    return (await connection.execute(query)).one_or_none()
