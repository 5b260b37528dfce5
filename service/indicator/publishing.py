"""Publishing a figure: proposed by one operator, published by another, restated, and computed again.

Everything happens in the caller's transaction.
"""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import OperatorName
from schemas.cursors import encode_moment_cursor
from schemas.indicator import CountedAt, RecyclingRate
from schemas.publications import (
    Publication,
    PublicationProposal,
    Publications,
    PublicationsQuery,
    PublicationSummary,
    Recomputation,
    RecomputedStep,
    Restated,
)
from service.api_keys import require_second_operator
from service.auth import Operator
from service.errors import (
    AlreadyPublished,
    OwnPublication,
    PeriodNotOver,
    ProposalOutdated,
    PublicationDecided,
    PublicationUnknown,
    RateNotKnown,
    RestatementRefused,
    ValidationFailed,
)
from service.indicator import publication_queries as queries
from service.indicator.code_version import code_version
from service.indicator.queries import inputs_by_id, lock_inputs
from service.indicator.rate import recycling_rate
from service.indicator.record import FORMAT, Frozen, Step, canonical, difference_points, digest_of, recomputation
from service.moments import in_utc
from service.periods import Period


async def propose(
    connection: AsyncConnection, operator: Operator, wanted: PublicationProposal, *, formula_id: str, today: date
) -> Publication:
    """Freeze a figure as it is now; it waits for another operator. `formula_id` is the district's.

    Raises AreaUnknown, RateNotKnown with the reason, PeriodNotOver, AlreadyPublished, and for a restatement
    PublicationUnknown, RestatementRefused, or ValidationFailed where its reason is missing.
    """
    period = Period.parse(wanted.period)
    if period.last_day >= today:
        raise PeriodNotOver(f"{period} ends on {period.last_day}; its figure can be published from the day after on.")
    await _check_restatement(connection, wanted, period)
    text = await _frozen_now(
        connection,
        area_id=wanted.area,
        period=period,
        formula_id=wanted.formula or formula_id,
        counted_at=wanted.counted_at,
        today=today,
    )
    if wanted.restates is not None:
        old = await _number(connection, wanted.restates)
        if Frozen(old.record).basis() == Frozen(text).basis():
            raise RestatementRefused(
                f"Nothing has changed since publication {wanted.restates}: the figure would be the same, from the same"
                " inputs."
            )
    publication_id = uuid.uuid4()
    await queries.insert_proposal(
        connection,
        id=publication_id,
        area_id=wanted.area,
        first_day=period.first_day,
        last_day=period.last_day,
        record=text,
        digest=digest_of(text),
        restates=wanted.restates,
        reason=wanted.reason,
        proposed_by=operator.key_id,
    )
    return await read_publication(connection, publication_id)


async def publish(connection: AsyncConnection, operator: Operator, publication_id: UUID, *, today: date) -> Publication:
    """Give the frozen figure its number.

    Raises PublicationUnknown or PublicationDecided; and then it goes on waiting: OwnPublication, RequesterRevoked,
    ProposalOutdated where inputs have changed since, AlreadyPublished or RestatementRefused.
    """
    # What is recorded or published meanwhile waits.
    await lock_inputs(connection)
    await queries.lock_publishing(connection)
    row = await _lock_waiting(connection, publication_id)
    await require_second_operator(connection, operator.key_id, row.proposed_by, own=OwnPublication)
    frozen = Frozen(row.record)
    period = Period.of_days(row.first_day, row.last_day)
    await _check_latest(connection, row.area_id, period, row.restates)
    try:
        now = await _frozen_now(
            connection,
            area_id=row.area_id,
            period=period,
            formula_id=frozen.figure["formula"]["id"],
            counted_at=frozen.figure["counted_at"],
            today=today,
        )
    except RateNotKnown as error:
        raise ProposalOutdated(f"Since it was proposed the inputs have changed. {error}") from None
    if Frozen(now).basis() != frozen.basis():
        raise ProposalOutdated
    number = await queries.next_number(connection)
    await queries.decide(connection, publication_id, decision="published", decided_by=operator.key_id, number=number)
    return await read_publication(connection, publication_id)


async def reject(connection: AsyncConnection, operator: Operator, publication_id: UUID, reason: str) -> Publication:
    """It is not published, ever. To reject one's own is to withdraw it. Raises PublicationUnknown or
    PublicationDecided."""
    await _lock_waiting(connection, publication_id)
    await queries.decide(
        connection, publication_id, decision="rejected", decided_by=operator.key_id, decision_reason=reason
    )
    return await read_publication(connection, publication_id)


async def read_publication(connection: AsyncConnection, publication_id: UUID) -> Publication:
    """Raises PublicationUnknown."""
    return publication_answer(await _find(connection, publication_id))


async def read_published(connection: AsyncConnection, number: int) -> Publication:
    """Raises PublicationUnknown."""
    return publication_answer(await _number(connection, number))


async def read_publications(connection: AsyncConnection, query: PublicationsQuery) -> Publications:
    """One page, newest first."""
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_publications(
        connection,
        area_id=query.area,
        period=None if query.period is None else Period.parse(query.period),
        state=query.state,
        before=query.cursor,
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Publications(
        publications=[PublicationSummary(**summary(row)) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].created_at, shown[-1].id) if more else None,
    )


async def recompute(connection: AsyncConnection, number: int) -> Recomputation:
    """Every digit of a publication again, from its stored inputs. Raises PublicationUnknown."""
    row = await _number(connection, number)
    frozen = Frozen(row.record)
    stored = {each.id: each for each in await inputs_by_id(connection, frozen.input_ids()) if each.id is not None}
    steps = recomputation(frozen, row.digest, stored)
    return Recomputation(
        number=number, equal=all(step.is_equal for step in steps), steps=[_step(step) for step in steps]
    )


def _step(step: Step) -> RecomputedStep:
    return RecomputedStep(what=step.what, published=step.published, recomputed=step.recomputed, equal=step.is_equal)


async def _frozen_now(
    connection: AsyncConnection,
    *,
    area_id: str,
    period: Period,
    formula_id: str,
    counted_at: CountedAt | None,
    today: date,
) -> str:
    """The record's text of the figure as it is now. Raises AreaUnknown and RateNotKnown."""
    rate = await recycling_rate(
        connection,
        area_id=area_id,
        asked=str(period),
        formula_id=formula_id,
        counted_at=counted_at,
        today=today,
        bins_by_child=True,
    )
    if rate.rate is None:
        raise RateNotKnown(rate.reason_en or "")
    return canonical({"format": FORMAT, "code_version": code_version(), "figure": _figure(rate)})


def _figure(rate: RecyclingRate) -> dict[str, Any]:
    return rate.model_dump(mode="json")


async def _check_restatement(connection: AsyncConnection, wanted: PublicationProposal, period: Period) -> None:
    if (wanted.restates is None) != (wanted.reason is None):
        missing = "reason" if wanted.reason is None else "restates"
        detail = "A restatement names the publication that it replaces, and the reason."
        raise ValidationFailed(detail, errors=[{"pointer": f"/{missing}", "code": "missing", "detail": detail}])
    await _check_latest(connection, wanted.area, period, wanted.restates)


async def _check_latest(connection: AsyncConnection, area_id: str, period: Period, restates: int | None) -> None:
    """Raises AlreadyPublished or RestatementRefused where something else is published of the area and period."""
    latest = await queries.find_latest(connection, area_id, period)
    if restates is None and latest is not None:
        raise AlreadyPublished(
            f"The rate of {area_id} for {period} is publication {latest.number}. To correct it, propose a restatement:"
            f" restates {latest.number}, with the reason."
        )
    if restates is not None and (latest is None or latest.number != restates):
        await _number(connection, restates)
        is_latest = "nothing" if latest is None else f"publication {latest.number}"
        raise RestatementRefused(
            f"Publication {restates} cannot be restated: of {area_id} in {period} {is_latest} is published and not"
            " restated."
        )


async def _find(connection: AsyncConnection, publication_id: UUID) -> Any:
    row = await queries.find_publication(connection, publication_id)
    if row is None:
        raise PublicationUnknown(f"There is no publication {publication_id}.")
    return row


async def _number(connection: AsyncConnection, number: int) -> Any:
    row = await queries.find_number(connection, number)
    if row is None:
        raise PublicationUnknown(f"There is no publication with the number {number}.")
    return row


async def _lock_waiting(connection: AsyncConnection, publication_id: UUID) -> Any:
    # Locked before it is read: of two decisions at once, the second sees the first.
    await queries.lock_publication(connection, publication_id)
    row = await _find(connection, publication_id)
    if row.decision is not None:
        raise PublicationDecided(
            f"{row.decider_name} {row.decision} this proposal at {in_utc(row.decided_at.replace(microsecond=0))}, and"
            " it stays so. For another figure, propose a new one."
        )
    return row


def publication_answer(row: Any) -> Publication:
    return Publication(**summary(row), record=Frozen(row.record).record, record_text=row.record)


def summary(row: Any) -> dict[str, Any]:
    """The fields of a PublicationSummary."""
    frozen = Frozen(row.record)
    figure = frozen.figure
    decided = row.decision is not None
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "area": row.area_id,
        "period": figure["period"],
        "formula": figure["formula"]["id"],
        "formula_version": figure["formula"]["version"],
        "digest": row.digest.hex(),
        "code_version": frozen.code_version,
        **{name: figure[name] for name in FIGURES},
        "restates": None if row.restates is None else _restated(row, frozen),
        "restated_by": row.restated_by,
        "proposed_by": OperatorName(key_id=row.proposed_by, name=row.proposer_name),
        "proposed_at": row.created_at,
        "decided_by": OperatorName(key_id=row.decided_by, name=row.decider_name) if decided else None,
        "decided_at": row.decided_at,
        "decision_reason": row.decision_reason,
    }


FIGURES: Sequence[str] = ("counted_at", "rate", "rate_percent", "numerator_grams", "denominator_grams")


def _restated(row: Any, frozen: Frozen) -> Restated:
    old = Frozen(row.old_record)
    return Restated(
        number=row.restates,
        rate_percent=old.figure["rate_percent"],
        difference_percentage_points=difference_points(frozen.rate, old.rate),
        reason=row.reason,
    )
