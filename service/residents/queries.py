"""SQL of residents, one function a statement."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables import resident, session


async def find_resident(connection: AsyncConnection, openid_digest: bytes) -> int | None:
    """Whose openid this is."""
    return (
        await connection.execute(sa.select(resident.c.id).where(resident.c.openid_digest == openid_digest))
    ).scalar_one_or_none()


async def claim_resident(
    connection: AsyncConnection, account_id: int, *, openid_digest: bytes | None, demo: bool
) -> bool:
    """Make the account a resident's; False, and nothing changed, where the openid has one already.

    Waits for another transaction that is claiming the same openid.
    """
    claimed = await connection.execute(
        insert(resident)
        .values(id=account_id, openid_digest=openid_digest, demo=demo)
        .on_conflict_do_nothing(constraint="uq_resident_openid_digest")
        .returning(resident.c.id)
    )
    return claimed.scalar_one_or_none() is not None


async def insert_session(
    connection: AsyncConnection, token_hash: bytes, resident_id: int, *, lifetime: timedelta, demo: bool
) -> datetime:
    """When the new session expires, by the database's clock."""
    expires_at: datetime = (
        await connection.execute(
            sa.insert(session)
            .values(token_hash=token_hash, resident_id=resident_id, expires_at=sa.func.now() + lifetime, demo=demo)
            .returning(session.c.expires_at)
        )
    ).scalar_one()
    return expires_at


async def prune_sessions(connection: AsyncConnection, resident_id: int, *, keep: int) -> None:
    """Delete a resident's expired sessions, and all but the newest `keep`."""
    surplus = (
        sa.select(session.c.token_hash)
        .where(session.c.resident_id == resident_id)
        .order_by(session.c.created_at.desc(), session.c.token_hash)
        .offset(keep)
    )
    await connection.execute(
        sa.delete(session).where(
            session.c.resident_id == resident_id,
            (session.c.expires_at <= sa.func.now()) | session.c.token_hash.in_(surplus),
        )
    )
