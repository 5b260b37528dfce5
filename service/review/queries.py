"""SQL of reviews, one function a statement."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment
from schemas.reviews import ReviewsQuery
from service.review.rules import Decision, State
from service.tables.bins import bin_, bin_placement
from service.tables.people import api_key, resident
from service.tables.places import area, site
from service.tables.reference import tariff
from service.tables.weighing import held_event, resident_day, review_decision, weigh_event

NEIGHBOURS_MAX: Final = 5

_release = review_decision.alias("release")
# A held drop as it is: what it would earn until it is released, what it earned then, and where and when it counts.
_DROP: Final[sa.Select[Any]] = (
    sa.select(
        held_event.c.id,
        held_event.c.state,
        held_event.c.findings,
        held_event.c.held_at,
        held_event.c.appeal,
        held_event.c.appealed_at,
        sa.func.coalesce(weigh_event.c.resident_id, held_event.c.resident_id).label("resident_id"),
        *(
            weigh_event.c[name]
            for name in (
                *("bin_id", "event_id", "sequence", "epoch", "material_id", "weight_grams", "box_weight_grams"),
                *("verdict", "code", "outcome", "coins_per_kg", "occurred_at", "received_at", "clock_skew_seconds"),
            )
        ),
        sa.func.coalesce(
            _release.c.coins, sa.case((weigh_event.c.coins_per_kg.is_not(None), weigh_event.c.coins))
        ).label("coins"),
        sa.func.coalesce(_release.c.placed_at, weigh_event.c.occurred_at).label("counts_at"),
        site.c.id.label("site_id"),
        site.c.name.label("site_name"),
        site.c.name_en.label("site_name_en"),
    )
    .select_from(held_event)
    .join(
        weigh_event,
        sa.and_(weigh_event.c.bin_id == held_event.c.bin_id, weigh_event.c.event_id == held_event.c.event_id),
    )
    .outerjoin(
        _release,
        sa.and_(
            _release.c.bin_id == held_event.c.bin_id,
            _release.c.event_id == held_event.c.event_id,
            _release.c.decision == "released",
        ),
    )
    .join(site, site.c.id == sa.func.coalesce(_release.c.site_id, weigh_event.c.site_id))
)

# By the bin's own count, which is right where its clock is not.
NEIGHBOURS = """
SELECT 'drop' AS kind, event_id, sequence, occurred_at, weight_grams, box_weight_grams, outcome, code
FROM weigh_event
WHERE bin_id = :bin_id AND material_id = :material_id AND epoch = {epoch}
  AND (sequence, occurred_at, event_id) {beyond} (:sequence, :occurred_at, :event_id)
UNION ALL
SELECT 'emptying', event_id, sequence, occurred_at, mass_after_grams - mass_before_grams, mass_after_grams, NULL, code
FROM clearance
WHERE bin_id = :bin_id AND material_id = :material_id AND epoch = {epoch}
  AND (sequence, occurred_at, event_id) {beyond} (:sequence, :occurred_at, :event_id)
ORDER BY sequence {order}, occurred_at {order}, event_id {order}
LIMIT :limit
"""
# A drop whose number was used before is of no count; it may be of the present one.
EPOCH: Final = "coalesce(CAST(:epoch AS int), (SELECT epoch FROM bin_memory WHERE bin_id = :bin_id))"
BEFORE: Final = sa.text(NEIGHBOURS.format(epoch=EPOCH, beyond="<", order="DESC"))
AFTER: Final = sa.text(NEIGHBOURS.format(epoch=EPOCH, beyond=">", order="ASC"))


async def find_drop(connection: AsyncConnection, review_id: UUID) -> sa.Row[Any] | None:
    row: sa.Row[Any] | None = (await connection.execute(_DROP.where(held_event.c.id == review_id))).one_or_none()
    return row


async def lock_held_event(connection: AsyncConnection, review_id: UUID) -> None:
    """Whoever decides on it or appeals waits until the transaction ends. Nothing where there is none."""
    await connection.execute(
        sa.select(held_event.c.id).where(held_event.c.id == review_id).with_for_update(key_share=True)
    )


async def page_of_drops(connection: AsyncConnection, query: ReviewsQuery, *, limit: int) -> Sequence[sa.Row[Any]]:
    """Oldest first."""
    found = _DROP.order_by(held_event.c.held_at, held_event.c.id).limit(limit)
    if query.state == "waiting":
        # Spelled out, so that the index of those that wait is used.
        found = found.where(sa.text("held_event.state IN ('open', 'appealed')"))
    elif query.state is not None:
        found = found.where(held_event.c.state == query.state)
    if query.code is not None:
        found = found.where(held_event.c.findings.contains([{"code": query.code}]))
    if query.bin is not None:
        found = found.where(held_event.c.bin_id == query.bin)
    if query.area is not None:
        below = sa.select(area.c.id).where(area.c.id == query.area).cte("below", recursive=True)
        below = below.union(sa.select(area.c.id).join(below, area.c.parent_id == below.c.id))
        found = found.where(site.c.area_id.in_(sa.select(below.c.id)))
    if query.cursor is not None:
        found = found.where(
            sa.tuple_(held_event.c.held_at, held_event.c.id) > sa.tuple_(query.cursor.at, query.cursor.id)
        )
    rows: Sequence[sa.Row[Any]] = (await connection.execute(found)).all()
    return rows


async def page_of_residents_drops(
    connection: AsyncConnection, resident_id: int, *, before: Moment | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Newest first."""
    query = (
        _DROP.where(held_event.c.resident_id == resident_id)
        .order_by(held_event.c.held_at.desc(), held_event.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(sa.tuple_(held_event.c.held_at, held_event.c.id) < sa.tuple_(before.at, before.id))
    rows: Sequence[sa.Row[Any]] = (await connection.execute(query)).all()
    return rows


async def bin_exists(connection: AsyncConnection, bin_id: str) -> bool:
    return bool((await connection.execute(sa.select(sa.exists().where(bin_.c.id == bin_id)))).scalar_one())


async def area_exists(connection: AsyncConnection, area_id: str) -> bool:
    return bool((await connection.execute(sa.select(sa.exists().where(area.c.id == area_id)))).scalar_one())


async def read_bin(connection: AsyncConnection, bin_id: str) -> sa.Row[Any]:
    """A bin as it is now, with the name of its site."""
    return (
        await connection.execute(
            sa.select(bin_, site.c.name.label("site_name"), site.c.name_en.label("site_name_en"))
            .join(site, site.c.id == bin_.c.site_id)
            .where(bin_.c.id == bin_id)
        )
    ).one()


async def neighbours(
    connection: AsyncConnection, drop: sa.Row[Any]
) -> tuple[Sequence[sa.Row[Any]], Sequence[sa.Row[Any]]]:
    """What happened to the same box before and after, the nearest first."""
    place = {
        name: getattr(drop, name) for name in ("bin_id", "material_id", "epoch", "sequence", "occurred_at", "event_id")
    }
    place["limit"] = NEIGHBOURS_MAX
    before = (await connection.execute(BEFORE, place)).all()
    return before, (await connection.execute(AFTER, place)).all()


async def read_day(connection: AsyncConnection, resident_id: int, day: date) -> sa.Row[Any]:
    """The account's kind, and what it was credited for on that day: drops, grams and coins, 0 where nothing was."""
    summed = (sa.func.coalesce(resident_day.c[name], 0).label(name) for name in ("drops", "grams", "coins"))
    return (
        await connection.execute(
            sa.select(resident.c.kind, *summed)
            .select_from(resident)
            .outerjoin(resident_day, sa.and_(resident_day.c.owner_id == resident.c.id, resident_day.c.day == day))
            .where(resident.c.id == resident_id)
        )
    ).one()


class DecisionRow(NamedTuple):
    """A decision with the operator's name, by which people are told apart."""

    decision: Decision
    reason: str
    decided_by: UUID
    name: str
    plain_name: str
    decided_at: datetime
    placed_at: datetime | None
    site_id: str | None
    coins_per_kg: int | None
    coins: int | None


async def read_decisions(connection: AsyncConnection, bin_id: str, event_id: str) -> list[DecisionRow]:
    """In their order."""
    decided = review_decision.c
    found: Sequence[Any] = (
        await connection.execute(
            sa.select(
                *(decided.decision, decided.reason, decided.decided_by, api_key.c.name, api_key.c.plain_name),
                *(decided.decided_at, decided.placed_at, decided.site_id, decided.coins_per_kg, decided.coins),
            )
            .join(api_key, api_key.c.id == decided.decided_by)
            .where(decided.bin_id == bin_id, decided.event_id == event_id)
            .order_by(decided.ordinal)
        )
    ).all()
    return [DecisionRow(*row) for row in found]


async def latest_decisions(connection: AsyncConnection, review_ids: Sequence[UUID]) -> dict[UUID, sa.Row[Any]]:
    """Of each of these reviews that was decided: decision, reason, decided_at."""
    latest = (
        sa.select(held_event.c.id, review_decision.c.decision, review_decision.c.reason, review_decision.c.decided_at)
        .join(
            review_decision,
            sa.and_(
                review_decision.c.bin_id == held_event.c.bin_id, review_decision.c.event_id == held_event.c.event_id
            ),
        )
        .where(held_event.c.id.in_(review_ids))
        .order_by(review_decision.c.ordinal)
    )
    found: Sequence[Any] = (await connection.execute(latest)).all()
    return {row.id: row for row in found}


async def read_plain_name(connection: AsyncConnection, key_id: UUID) -> str:
    """By which the operator of this key is told from others; it never changes."""
    name: str = (await connection.execute(sa.select(api_key.c.plain_name).where(api_key.c.id == key_id))).scalar_one()
    return name


async def tariff_at(connection: AsyncConnection, material_id: str, at: datetime) -> int | None:
    """Coins per kilogram in force then; None before the material's first."""
    return (
        await connection.execute(
            sa.select(tariff.c.coins_per_kg)
            .where(tariff.c.material_id == material_id, tariff.c.effective_from <= at)
            .order_by(tariff.c.effective_from.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def site_at(connection: AsyncConnection, bin_id: str, at: datetime) -> str | None:
    """Where the bin stood then; None before it was placed anywhere."""
    return (
        await connection.execute(
            sa.select(bin_placement.c.site_id)
            .where(bin_placement.c.bin_id == bin_id, bin_placement.c.effective_from <= at)
            .order_by(bin_placement.c.effective_from.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def insert_decision(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(review_decision).values(**values))


async def set_state(connection: AsyncConnection, review_id: UUID, state: State, *, resident_id: int | None) -> None:
    """The review is locked. A resident who is known stays known."""
    await connection.execute(
        sa.update(held_event)
        .where(held_event.c.id == review_id)
        .values(state=state, resident_id=sa.func.coalesce(resident_id, held_event.c.resident_id))
    )


async def reject_weigh_event(connection: AsyncConnection, bin_id: str, event_id: str) -> None:
    """What waited with its coins alone goes on as it is: its volume counts, its coins are never paid."""
    await connection.execute(
        sa.update(weigh_event)
        .where(weigh_event.c.bin_id == bin_id, weigh_event.c.event_id == event_id, weigh_event.c.verdict == "hold")
        .values(outcome="rejected")
    )


async def set_appeal(connection: AsyncConnection, review_id: UUID, text: str) -> None:
    await connection.execute(
        sa.update(held_event)
        .where(held_event.c.id == review_id)
        .values(state="appealed", appeal=text, appealed_at=sa.func.clock_timestamp())
    )
