"""Releasing and rejecting held drops. Everything happens in the caller's transaction."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.reviews import RejectRequest, ReleaseRequest, ReviewItem
from service.auth import Operator
from service.business_days import business_day
from service.db import database_now
from service.errors import OwnRejection, ReviewDecided, ValidationFailed
from service.ledger.queries import release_weigh_event
from service.moments import in_utc
from service.operator_names import is_same_operator
from service.review import queries
from service.review.reading import find, read_item
from service.review.rules import WAITING, Refusal, coins_per_kg_of, refusal_of_time, state_after


async def release(
    connection: AsyncConnection,
    operator: Operator,
    review_id: UUID,
    wanted: ReleaseRequest,
    *,
    zone: str,
    demo: bool,
) -> ReviewItem:
    """Let a drop count as of its time and the tariff of then; its coins go to its resident, or wait for their card.

    Raises ReviewUnknown, ReviewDecided or OwnRejection; ValidationFailed where the time or the tariff cannot be.
    """
    drop, ordinal = await _lock_waiting(connection, operator, review_id)
    coins_only = drop.verdict == "credit"
    now = await database_now(connection)
    refusal = refusal_of_time(wanted.placed_at, drop.occurred_at, drop.received_at, now, coins_only=coins_only)
    if refusal is not None:
        raise _refused(refusal)
    placed_at = wanted.placed_at or drop.occurred_at
    in_force = await queries.tariff_at(connection, drop.material_id, placed_at)
    coins_per_kg = coins_per_kg_of(wanted.coins_per_kg, in_force)
    if isinstance(coins_per_kg, Refusal):
        raise _refused(coins_per_kg)
    moved_to = None if wanted.placed_at is None else await queries.site_at(connection, drop.bin_id, placed_at)
    released = await release_weigh_event(
        connection,
        drop.bin_id,
        drop.event_id,
        placed_at=placed_at,
        day=business_day(placed_at, zone),
        coins_per_kg=coins_per_kg,
        demo=demo,
    )
    await queries.insert_decision(
        connection,
        bin_id=drop.bin_id,
        event_id=drop.event_id,
        ordinal=ordinal,
        decision="released",
        reason=wanted.reason,
        decided_by=operator.key_id,
        placed_at=placed_at,
        site_id=moved_to or drop.site_id,
        coins_per_kg=coins_per_kg,
        coins=released.coins,
    )
    state = state_after("released", appealed=drop.appealed_at is not None)
    await queries.set_state(connection, review_id, state, resident_id=released.resident_id)
    return await read_item(connection, review_id)


async def reject(connection: AsyncConnection, operator: Operator, review_id: UUID, wanted: RejectRequest) -> ReviewItem:
    """Let a drop count nowhere. Raises ReviewUnknown, ReviewDecided or OwnRejection."""
    drop, ordinal = await _lock_waiting(connection, operator, review_id)
    await queries.reject_weigh_event(connection, drop.bin_id, drop.event_id)
    await queries.insert_decision(
        connection,
        bin_id=drop.bin_id,
        event_id=drop.event_id,
        ordinal=ordinal,
        decision="rejected",
        reason=wanted.reason,
        decided_by=operator.key_id,
    )
    state = state_after("rejected", appealed=drop.appealed_at is not None)
    await queries.set_state(connection, review_id, state, resident_id=None)
    return await read_item(connection, review_id)


async def _lock_waiting(connection: AsyncConnection, operator: Operator, review_id: UUID) -> tuple[sa.Row[Any], int]:
    """The drop, and the number of the decision that is due: 2 where an appeal is against the first."""
    # Locked before it is read: of two decisions at once, the second sees the first.
    await queries.lock_held_event(connection, review_id)
    drop = await find(connection, review_id)
    decisions = await queries.read_decisions(connection, drop.bin_id, drop.event_id)
    if drop.state not in WAITING:
        last = decisions[-1]
        raise ReviewDecided(
            f"{last.name} {last.decision} this drop at {in_utc(last.decided_at.replace(microsecond=0))}."
            + (" It can be decided again where its resident appeals." if drop.state == "rejected" else "")
        )
    if decisions:
        plain_name = await queries.read_plain_name(connection, operator.key_id)
        if any(is_same_operator(operator.key_id, plain_name, each.decided_by, each.plain_name) for each in decisions):
            raise OwnRejection
    return drop, len(decisions) + 1


def _refused(refusal: Refusal) -> ValidationFailed:
    return ValidationFailed(refusal.detail, errors=[refusal._asdict()])
