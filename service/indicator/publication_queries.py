"""SQL of publications, one function a statement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment
from schemas.publications import PublicationState
from service.periods import Period
from service.tables.indicator import publication
from service.tables.people import api_key

_proposer = api_key.alias("proposer")
_decider = api_key.alias("decider")
_old = publication.alias("old")
_new = publication.alias("new")
_STATE = sa.func.coalesce(publication.c.decision, "waiting")
# All but the record, which may be megabytes.
_NAMED = (
    sa.select(
        *(column for column in publication.c if column is not publication.c.record),
        _STATE.label("state"),
        _proposer.c.name.label("proposer_name"),
        _decider.c.name.label("decider_name"),
        _old.c.counted_at.label("old_counted_at"),
        _old.c.rate_percent.label("old_rate_percent"),
        _old.c.numerator_grams.label("old_numerator_grams"),
        _old.c.denominator_grams.label("old_denominator_grams"),
        _new.c.number.label("restated_by"),
    )
    .join(_proposer, _proposer.c.id == publication.c.proposed_by)
    .outerjoin(_decider, _decider.c.id == publication.c.decided_by)
    .outerjoin(_old, _old.c.number == publication.c.restates)
    .outerjoin(_new, sa.and_(_new.c.restates == publication.c.number, _new.c.decision == "published"))
)
_WITH_RECORD = _NAMED.add_columns(publication.c.record)


async def insert_proposal(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(publication).values(**values))


async def lock_publication(connection: AsyncConnection, publication_id: UUID) -> None:
    """Whoever decides on it too waits until the transaction ends. Nothing where there is none."""
    await connection.execute(
        sa.select(publication.c.id).where(publication.c.id == publication_id).with_for_update(key_share=True)
    )


async def find_publication(connection: AsyncConnection, publication_id: UUID) -> sa.Row[Any] | None:
    """With its record."""
    return (await connection.execute(_WITH_RECORD.where(publication.c.id == publication_id))).one_or_none()


async def number_of(connection: AsyncConnection, publication_id: UUID) -> int | None:
    """None of one that is not published, and where there is none."""
    found: int | None = (
        await connection.execute(sa.select(publication.c.number).where(publication.c.id == publication_id))
    ).scalar_one_or_none()
    return found


async def find_number(connection: AsyncConnection, number: int) -> sa.Row[Any] | None:
    """The publication of this number, with its record."""
    return (await connection.execute(_WITH_RECORD.where(publication.c.number == number))).one_or_none()


async def find_latest(connection: AsyncConnection, area_id: str, period: Period, formula_id: str) -> Any:
    """What is published of an area and period by a formula and not restated; None where nothing is."""
    return (
        await connection.execute(
            _latest(area_id, formula_id).where(
                publication.c.first_day == period.first_day, publication.c.last_day == period.last_day
            )
        )
    ).one_or_none()


async def published_within(connection: AsyncConnection, area_id: str, period: Period) -> Sequence[Any]:
    """All that was ever published of an area for this period and for parts of it, by any formula and what was restated
    too; of each period in the order of publishing. Without the records."""
    query = _NAMED.where(
        publication.c.area_id == area_id,
        publication.c.decision == "published",
        publication.c.first_day >= period.first_day,
        publication.c.last_day <= period.last_day,
    ).order_by(publication.c.first_day, publication.c.last_day, publication.c.number)
    found: Sequence[Any] = (await connection.execute(query)).all()
    return found


def _latest(area_id: str, formula_id: str) -> sa.Select[Any]:
    return _NAMED.where(
        publication.c.area_id == area_id,
        publication.c.formula_id == formula_id,
        publication.c.decision == "published",
        _new.c.number.is_(None),
    )


async def next_number(connection: AsyncConnection) -> int:
    """Whoever publishes holds the lock of the inputs, so numbers follow each other without a gap."""
    highest: int = (
        await connection.execute(sa.select(sa.func.coalesce(sa.func.max(publication.c.number), 0)))
    ).scalar_one()
    return highest + 1


async def decide(connection: AsyncConnection, publication_id: UUID, **values: Any) -> None:
    """It is locked and was not decided before."""
    await connection.execute(
        sa.update(publication)
        .where(publication.c.id == publication_id)
        .values(decided_at=sa.func.clock_timestamp(), **values)
    )


async def page_of_publications(
    connection: AsyncConnection,
    *,
    area_id: str | None,
    period: Period | None,
    state: PublicationState | None,
    before: Moment | None,
    limit: int,
) -> Sequence[Any]:
    """Newest first, without the records; of all areas, periods and states where none is named."""
    query = _NAMED.order_by(publication.c.created_at.desc(), publication.c.id.desc()).limit(limit)
    if area_id is not None:
        query = query.where(publication.c.area_id == area_id)
    if period is not None:
        query = query.where(publication.c.first_day == period.first_day, publication.c.last_day == period.last_day)
    if state == "waiting":
        query = query.where(publication.c.decision.is_(None))
    elif state is not None:
        query = query.where(publication.c.decision == state)
    if before is not None:
        query = query.where(sa.tuple_(publication.c.created_at, publication.c.id) < sa.tuple_(before.at, before.id))
    found: Sequence[Any] = (await connection.execute(query)).all()
    return found
