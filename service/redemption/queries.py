"""SQL of redemption, one function a statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment
from service.auth import Machine, Merchant
from service.ledger.redeemed import redemptions_as_they_are
from service.tables.redemption import pay_code, redemption


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
    """A merchant's own redemption, or a machine's own, as it is at this moment."""
    query = redemptions_as_they_are().where(redemption.c.id == redemption_id)
    if isinstance(caller, Machine):
        query = query.where(redemption.c.machine_id == caller.id)
    else:
        query = query.where(redemption.c.merchant_id == caller.id)
    return (await connection.execute(query)).one_or_none()


async def redemptions_page(
    connection: AsyncConnection, merchant_id: str, *, before: Moment | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """A merchant's redemptions as they are, newest first."""
    query = (
        redemptions_as_they_are()
        .where(redemption.c.merchant_id == merchant_id)
        .order_by(redemption.c.created_at.desc(), redemption.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(sa.tuple_(redemption.c.created_at, redemption.c.id) < sa.tuple_(before.at, before.id))
    rows: Sequence[sa.Row[Any]] = (await connection.execute(query)).all()
    return rows
