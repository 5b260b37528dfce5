"""SQL of bins' lives and keys, one function a statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import ChangeKind
from schemas.signatures import Algorithm
from service.fleet.rules import KeyState
from service.tables.bins import bin_, bin_change, bin_claim, bin_key, bin_placement, firmware_notice
from service.tables.people import api_key
from service.tables.weighing import bin_memory, weigh_event

_IS_OPEN: Final = sa.and_(bin_claim.c.claimed_at.is_(None), bin_claim.c.withdrawn_at.is_(None))


async def lock_bin(connection: AsyncConnection, bin_id: str) -> sa.Row[Any] | None:
    """The bin with all of its columns; whoever changes it or its keys waits until the transaction ends."""
    row: sa.Row[Any] | None = (
        await connection.execute(sa.select(bin_).where(bin_.c.id == bin_id).with_for_update(key_share=True))
    ).one_or_none()
    return row


async def find_bin(connection: AsyncConnection, bin_id: str) -> sa.Row[Any] | None:
    row: sa.Row[Any] | None = (await connection.execute(sa.select(bin_).where(bin_.c.id == bin_id))).one_or_none()
    return row


async def update_bin(connection: AsyncConnection, bin_id: str, **values: Any) -> sa.Row[Any]:
    """The bin as it is then; it is there."""
    # Events are decided by the bin as it was read, and written if its memory is as it was then (decision 0011).
    await connection.execute(
        sa.update(bin_memory).where(bin_memory.c.bin_id == bin_id).values(heard_at=bin_memory.c.heard_at)
    )
    row: sa.Row[Any] = (
        await connection.execute(sa.update(bin_).where(bin_.c.id == bin_id).values(**values).returning(bin_))
    ).one()
    return row


async def insert_change(
    connection: AsyncConnection,
    bin_id: str,
    kind: ChangeKind,
    *,
    effective_at: datetime,
    subject: str | None,
    reason: str | None,
    changed_by: UUID | None,
) -> None:
    await connection.execute(
        sa.insert(bin_change).values(
            bin_id=bin_id,
            kind=kind,
            effective_at=effective_at,
            subject=subject,
            reason=reason,
            changed_by=changed_by,
        )
    )


async def page_of_changes(
    connection: AsyncConnection, bin_id: str, *, before: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Newest first, each with the name of the operator's key."""
    query = (
        sa.select(bin_change, api_key.c.name.label("changer_name"))
        .outerjoin(api_key, api_key.c.id == bin_change.c.changed_by)
        .where(bin_change.c.bin_id == bin_id)
        .order_by(bin_change.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(bin_change.c.id < before)
    return (await connection.execute(query)).all()


async def insert_placement(connection: AsyncConnection, bin_id: str, site_id: str, effective_from: datetime) -> None:
    await connection.execute(
        sa.insert(bin_placement).values(bin_id=bin_id, effective_from=effective_from, site_id=site_id)
    )


async def count_events_since(connection: AsyncConnection, bin_id: str, moment: datetime) -> int:
    """Weigh events that are stored and occurred then or later."""
    counted = sa.select(sa.func.count()).where(weigh_event.c.bin_id == bin_id, weigh_event.c.occurred_at >= moment)
    return int((await connection.execute(counted)).scalar_one())


# -- claim codes ----------------------------------------------------------------------------------------------------


async def withdraw_claims(connection: AsyncConnection, bin_id: str, at: datetime) -> None:
    await connection.execute(sa.update(bin_claim).where(bin_claim.c.bin_id == bin_id, _IS_OPEN).values(withdrawn_at=at))


async def insert_claim(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(bin_claim).values(**values))


async def bin_of_claim(connection: AsyncConnection, code_hash: bytes, *, demo: bool) -> str | None:
    """Whose code this is or was."""
    found: str | None = (
        await connection.execute(
            sa.select(bin_claim.c.bin_id).where(
                bin_claim.c.code_hash == code_hash, bin_claim.c.demo.is_(False) | sa.literal(demo)
            )
        )
    ).scalar_one_or_none()
    return found


async def use_claim(connection: AsyncConnection, code_hash: bytes, at: datetime) -> sa.Row[Any] | None:
    """The claim, which is used from then on; None where it was not good any more."""
    row: sa.Row[Any] | None = (
        await connection.execute(
            sa.update(bin_claim)
            .where(bin_claim.c.code_hash == code_hash, _IS_OPEN, bin_claim.c.expires_at > at)
            .values(claimed_at=at)
            .returning(bin_claim)
        )
    ).one_or_none()
    return row


async def was_claimed(connection: AsyncConnection, code_hash: bytes) -> bool:
    used = sa.exists().where(bin_claim.c.code_hash == code_hash, bin_claim.c.claimed_at.is_not(None))
    return bool((await connection.execute(sa.select(used))).scalar_one())


# -- keys -----------------------------------------------------------------------------------------------------------


async def read_keys(connection: AsyncConnection, bin_id: str) -> list[KeyState]:
    """All that the bin has ever had, oldest first; one that is not confirmed comes last."""
    rows = await connection.execute(
        sa.select(bin_key.c.id, bin_key.c.algorithm, bin_key.c.key, bin_key.c.valid_from, bin_key.c.valid_until)
        .where(bin_key.c.bin_id == bin_id)
        .order_by(bin_key.c.valid_from.asc().nulls_last(), bin_key.c.id)
    )
    return [KeyState(row.id, Algorithm(row.algorithm), row.key, row.valid_from, row.valid_until) for row in rows]


async def insert_key(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(bin_key).values(**values))


async def update_key(connection: AsyncConnection, keyid: str, **values: datetime) -> None:
    await connection.execute(sa.update(bin_key).where(bin_key.c.id == keyid).values(**values))


# -- firmware -------------------------------------------------------------------------------------------------------


async def insert_firmware_notice(connection: AsyncConnection, **values: Any) -> sa.Row[Any]:
    row: sa.Row[Any] = (
        await connection.execute(sa.insert(firmware_notice).values(**values).returning(firmware_notice))
    ).one()
    return row


async def page_of_firmware_notices(
    connection: AsyncConnection, *, before: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Newest first."""
    query = sa.select(firmware_notice).order_by(firmware_notice.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(firmware_notice.c.id < before)
    return (await connection.execute(query)).all()
