"""Adjustments: requested by one operator, decided by another. Everything happens in the caller's transaction."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.adjustments import Adjustment, AdjustmentRequest, Adjustments, AdjustmentsQuery
from schemas.common import OperatorName
from schemas.cursors import encode_moment_cursor
from service.adjustments import queries
from service.api_keys import require_second_operator
from service.auth import Operator
from service.errors import (
    AdjustmentDecided,
    AdjustmentUnknown,
    HoldsDue,
    OwnAdjustment,
    ResidentUnknown,
    TransferUnknown,
)
from service.ledger.adjusting import post_adjustment
from service.ledger.queries import read_transfer
from service.moments import in_utc

Result = TypeVar("Result")
# Writes down which holds of a resident are over; how many.
Release: TypeAlias = Callable[[int], Awaitable[int]]


async def after_release(work: Callable[[], Awaitable[Result]], release: Release) -> Result:
    """Do `work`, a transaction of its own; where holds that are over are in its way, release them and do it again.

    Who holds coins knows what else their release comes to, so it is theirs to do. Raises HoldsDue where another hold
    has come to its end in between.
    """
    try:
        return await work()
    except HoldsDue as due:
        await release(due.owner_id)
    return await work()


async def request_adjustment(
    connection: AsyncConnection, operator: Operator, wanted: AdjustmentRequest, *, demo: bool
) -> Adjustment:
    """Write down what is to be corrected; no coins move. Raises ResidentUnknown or TransferUnknown."""
    resident_id, corrects_id = wanted.resident_id, wanted.corrects_id
    if not await queries.resident_exists(connection, resident_id, demo=demo):
        raise ResidentUnknown(f"There is no resident {resident_id}.")
    if corrects_id is not None and await read_transfer(connection, resident_id, corrects_id) is None:
        raise TransferUnknown(f"The wallet of resident {resident_id} has no transfer {corrects_id}.")
    adjustment_id = uuid.uuid4()
    await queries.insert_adjustment(
        connection,
        owner_id=resident_id,
        id=adjustment_id,
        direction=wanted.direction,
        coins=wanted.coins,
        reason=wanted.reason,
        reference=wanted.reference,
        corrects_id=corrects_id,
        requested_by=operator.key_id,
    )
    return await read_adjustment(connection, adjustment_id)


async def approve_adjustment(connection: AsyncConnection, operator: Operator, adjustment_id: UUID) -> Adjustment:
    """Move the coins and name both operators on the transfer.

    Raises AdjustmentUnknown or AdjustmentDecided; and then it goes on waiting: OwnAdjustment, RequesterRevoked,
    CorrectionExceeds or InsufficientCoins. HoldsDue: see `after_release`.
    """
    row = await _lock_waiting(connection, adjustment_id)
    await require_second_operator(connection, operator.key_id, row.requested_by, own=OwnAdjustment)
    await post_adjustment(
        connection,
        owner_id=row.owner_id,
        direction=row.direction,
        coins=row.coins,
        adjustment_id=row.id,
        requested_by=row.requested_by,
        approved_by=operator.key_id,
        reason=row.reason,
        corrects_id=row.corrects_id,
    )
    await queries.decide(connection, adjustment_id, decision="approved", decided_by=operator.key_id)
    return await read_adjustment(connection, adjustment_id)


async def reject_adjustment(
    connection: AsyncConnection, operator: Operator, adjustment_id: UUID, reason: str
) -> Adjustment:
    """No coins move, ever. To reject one's own is to withdraw it. Raises AdjustmentUnknown or AdjustmentDecided."""
    await _lock_waiting(connection, adjustment_id)
    await queries.decide(
        connection, adjustment_id, decision="rejected", decided_by=operator.key_id, decision_reason=reason
    )
    return await read_adjustment(connection, adjustment_id)


async def read_adjustment(connection: AsyncConnection, adjustment_id: UUID) -> Adjustment:
    """Raises AdjustmentUnknown."""
    return _adjustment(await _find(connection, adjustment_id))


async def read_adjustments(connection: AsyncConnection, query: AdjustmentsQuery) -> Adjustments:
    """One page, newest first."""
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_adjustments(connection, state=query.state, before=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Adjustments(
        adjustments=[_adjustment(row) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].created_at, shown[-1].id) if more else None,
    )


async def _find(connection: AsyncConnection, adjustment_id: UUID) -> sa.Row[Any]:
    row = await queries.find_adjustment(connection, adjustment_id)
    if row is None:
        raise AdjustmentUnknown(f"There is no adjustment {adjustment_id}.")
    return row


async def _lock_waiting(connection: AsyncConnection, adjustment_id: UUID) -> sa.Row[Any]:
    # Locked before it is read: of two decisions at once, the second sees the first.
    await queries.lock_adjustment(connection, adjustment_id)
    row = await _find(connection, adjustment_id)
    if row.decision is not None:
        raise AdjustmentDecided(
            f"{row.decider_name} {row.decision} this adjustment at {in_utc(row.decided_at.replace(microsecond=0))}, and"
            " it stays so. For another correction, request a new one."
        )
    return row


def _adjustment(row: sa.Row[Any]) -> Adjustment:
    decided = row.decision is not None
    return Adjustment(
        id=row.id,
        resident_id=row.owner_id,
        direction=row.direction,
        coins=row.coins,
        reason=row.reason,
        reference=row.reference,
        corrects_id=row.corrects_id,
        corrects_coins=row.corrects_coins,
        earlier_corrections_coins=row.earlier_corrections_coins,
        state=row.state,
        requested_by=OperatorName(key_id=row.requested_by, name=row.requester_name),
        created_at=row.created_at,
        decided_by=OperatorName(key_id=row.decided_by, name=row.decider_name) if decided else None,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
        transfer_id=row.transfer_id,
    )
