"""What residents see of their held drops, and what they can say to it."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_moment_cursor
from schemas.reviews import (
    AppealRequest,
    HeldDrop,
    HeldDropDecision,
    HeldDrops,
    HeldDropsQuery,
    ReviewSite,
)
from service.errors import AlreadyAppealed, HeldDropUnknown, NothingToAppeal
from service.review import queries
from service.review.rules import may_appeal
from service.review.words import reasons_in_words


async def read_held_drops(connection: AsyncConnection, resident_id: int, query: HeldDropsQuery) -> HeldDrops:
    """One page, newest first."""
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_residents_drops(connection, resident_id, before=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    decided = await queries.latest_decisions(connection, [row.id for row in shown])
    more = len(rows) > query.limit
    return HeldDrops(
        held_drops=[_held_drop(row, decided.get(row.id)) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].held_at, shown[-1].id) if more else None,
    )


async def appeal(connection: AsyncConnection, resident_id: int, review_id: UUID, wanted: AppealRequest) -> HeldDrop:
    """Put the drop before an operator, again where it was rejected. What the resident writes is not in the answer,
    which is kept.

    Raises HeldDropUnknown, AlreadyAppealed or NothingToAppeal.
    """
    # Locked before it is read: a decision at this moment comes before or after.
    await queries.lock_held_event(connection, review_id)
    drop = await queries.find_drop(connection, review_id)
    if drop is None or drop.resident_id != resident_id:
        raise HeldDropUnknown
    appealed = drop.appealed_at is not None
    if not may_appeal(drop.state, appealed=appealed):
        raise AlreadyAppealed if appealed else NothingToAppeal
    await queries.set_appeal(connection, review_id, wanted.text)
    drop = await queries.find_drop(connection, review_id)
    assert drop is not None  # noqa: S101  # it was there, and it is locked
    return _held_drop(drop, (await queries.latest_decisions(connection, [review_id])).get(review_id))


def _held_drop(row: sa.Row[Any], decided: sa.Row[Any] | None) -> HeldDrop:
    return HeldDrop(
        id=row.id,
        state=row.state,
        reasons=reasons_in_words(row.findings),
        site=ReviewSite(id=row.site_id, name=row.site_name, name_en=row.site_name_en),
        material=row.material_id,
        weight_grams=row.weight_grams,
        coins=row.coins,
        occurred_at=row.counts_at,
        held_at=row.held_at,
        decision=None
        if decided is None
        else HeldDropDecision(decision=decided.decision, reason=decided.reason, decided_at=decided.decided_at),
        appealed_at=row.appealed_at,
        may_appeal=may_appeal(row.state, appealed=row.appealed_at is not None),
    )
