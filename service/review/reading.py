"""What operators see of held drops: the queue, and all of one on a page."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import OperatorName
from schemas.cursors import encode_moment_cursor
from schemas.reviews import (
    AccountDay,
    Decision,
    Neighbour,
    Review,
    ReviewBin,
    ReviewItem,
    Reviews,
    ReviewSite,
    ReviewsQuery,
)
from service.business_days import business_day
from service.errors import AreaUnknown, BinUnknown, ReviewUnknown
from service.review import queries
from service.review.words import findings_in_words


async def read_reviews(connection: AsyncConnection, query: ReviewsQuery) -> Reviews:
    """One page, oldest first. Raises BinUnknown or AreaUnknown: a queue that is empty for a slip would be believed."""
    if query.bin is not None and not await queries.bin_exists(connection, query.bin):
        raise BinUnknown(f"There is no bin {query.bin}.")
    if query.area is not None and not await queries.area_exists(connection, query.area):
        raise AreaUnknown(f"There is no area {query.area}.")
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_drops(connection, query, limit=query.limit + 1)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Reviews(
        reviews=[ReviewItem(**_item(row)) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].held_at, shown[-1].id) if more else None,
    )


async def read_item(connection: AsyncConnection, review_id: UUID) -> ReviewItem:
    """A held drop as it is in the list. Raises ReviewUnknown."""
    return ReviewItem(**_item(await find(connection, review_id)))


async def read_review(connection: AsyncConnection, review_id: UUID, *, zone: str) -> Review:
    """All that an operator needs to decide. To be asked in a snapshot. Raises ReviewUnknown."""
    row = await find(connection, review_id)
    before, after = await queries.neighbours(connection, row)
    decisions = await queries.read_decisions(connection, row.bin_id, row.event_id)
    return Review(
        **_item(row),
        findings=findings_in_words(row.findings),
        sequence=row.sequence,
        box_weight_grams=row.box_weight_grams,
        coins_per_kg=row.coins_per_kg,
        received_at=row.received_at,
        clock_skew_seconds=row.clock_skew_seconds,
        bin=_bin(await queries.read_bin(connection, row.bin_id)),
        before=[_neighbour(each) for each in before],
        after=[_neighbour(each) for each in after],
        day=await _day(connection, row, zone),
        appeal=row.appeal,
        decisions=[_decision(each) for each in decisions],
    )


async def find(connection: AsyncConnection, review_id: UUID) -> sa.Row[Any]:
    """Raises ReviewUnknown."""
    row = await queries.find_drop(connection, review_id)
    if row is None:
        raise ReviewUnknown(f"There is no review {review_id}.")
    return row


def codes_of(row: sa.Row[Any]) -> list[str]:
    """Of the rules that acted, the one that decided first; coins alone were held by the first of them."""
    codes = [each["code"] for each in row.findings]
    return codes if row.code is None else [row.code, *(code for code in codes if code != row.code)]


def _item(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "codes": codes_of(row),
        "bin_id": row.bin_id,
        "event_id": row.event_id,
        "site": ReviewSite(id=row.site_id, name=row.site_name, name_en=row.site_name_en),
        "material": row.material_id,
        "weight_grams": row.weight_grams,
        "coins": row.coins,
        "outcome": row.outcome,
        "resident_id": row.resident_id,
        "occurred_at": row.occurred_at,
        "held_at": row.held_at,
        "appealed_at": row.appealed_at,
    }


def _bin(row: sa.Row[Any]) -> ReviewBin:
    return ReviewBin(
        id=row.id,
        model=row.model,
        state=row.state,
        site=ReviewSite(id=row.site_id, name=row.site_name, name_en=row.site_name_en),
        placed_at=row.placed_at,
        verification_interval_grams=row.verification_interval_grams,
        capacity_grams=row.capacity_grams,
        box_capacity_grams=row.box_capacity_grams,
        certificate_expires_on=row.certificate_expires_on,
        serviced_at=row.serviced_at,
    )


def _neighbour(row: sa.Row[Any]) -> Neighbour:
    return Neighbour(
        kind=row.kind,
        event_id=row.event_id,
        sequence=row.sequence,
        occurred_at=row.occurred_at,
        weight_grams=row.weight_grams,
        box_weight_grams=row.box_weight_grams,
        outcome=row.outcome,
        code=row.code,
    )


async def _day(connection: AsyncConnection, drop: sa.Row[Any], zone: str) -> AccountDay | None:
    if drop.resident_id is None:
        return None
    day = business_day(drop.counts_at, zone)
    row = await queries.read_day(connection, drop.resident_id, day)
    return AccountDay(
        resident_id=drop.resident_id, kind=row.kind, day=day, drops=row.drops, weight_grams=row.grams, coins=row.coins
    )


def _decision(row: queries.DecisionRow) -> Decision:
    return Decision(
        decision=row.decision,
        reason=row.reason,
        decided_by=OperatorName(key_id=row.decided_by, name=row.name),
        decided_at=row.decided_at,
        placed_at=row.placed_at,
        site_id=row.site_id,
        coins_per_kg=row.coins_per_kg,
        coins=row.coins,
    )
