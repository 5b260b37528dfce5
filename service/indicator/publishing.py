"""Publishing a figure: proposed by one operator, published by another, restated, and computed again.

Everything happens in the caller's transaction.
"""

import asyncio
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import OperatorName
from schemas.cursors import encode_moment_cursor
from schemas.indicator import CountedAt
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
from service.indicator.queries import by_id, inputs_by_id, lock_inputs
from service.indicator.rate import GatheredRate, gather_rate, make_rate
from service.indicator.record import (
    Frozen,
    Step,
    canonical,
    changes,
    columns_of,
    difference_points,
    recomputation,
    record_of,
)
from service.indicator.words import Words
from service.moments import in_utc
from service.periods import Period

# 128 bits: more than anyone can try out.
SALT_BYTES: Final = 16


async def propose(
    connection: AsyncConnection, operator: Operator, wanted: PublicationProposal, *, formula_id: str, today: date
) -> Publication:
    """Freeze a figure as it is now; it waits for another operator. `formula_id` is the district's; a restatement is by
    the formula of what it restates.

    Raises AreaUnknown, RateNotKnown with the reason, PeriodNotOver, AlreadyPublished, and for a restatement
    PublicationUnknown, RestatementRefused, or ValidationFailed where its reason is missing.
    """
    period = Period.parse(wanted.period)
    if not period.is_over(today):
        raise PeriodNotOver(
            f"{period} ends on {period.last_day}; its figure can be published from the day after on.",
            zh=f"{period} 到 {period.last_day} 才结束，次日起才能发布。",
        )
    old = await _find_restated(connection, wanted)
    formula_id = wanted.formula or (formula_id if old is None else old.formula_id)
    await _check_latest(connection, wanted.area, period, formula_id, wanted.restates)
    gathered = await _gather(
        connection,
        area_id=wanted.area,
        period=period,
        formula_id=formula_id,
        counted_at=wanted.counted_at or (None if old is None else old.counted_at),
        today=today,
    )
    # Of many inputs a record is megabytes: not in the loop.
    frozen = await asyncio.to_thread(_freeze, gathered, wanted)
    if old is not None and await asyncio.to_thread(_is_same, frozen, old.record):
        raise RestatementRefused(
            f"Nothing has changed since publication {wanted.restates}: the figure would be the same, from the same"
            " inputs.",
            zh=f"自发布 {wanted.restates} 以来没有变化：数值相同，所用数据也相同。",
        )
    publication_id = uuid.uuid4()
    await queries.insert_proposal(
        connection, id=publication_id, record=frozen.text, proposed_by=operator.key_id, **frozen.columns()
    )
    return await read_publication(connection, publication_id)


async def publish(connection: AsyncConnection, operator: Operator, publication_id: UUID, *, today: date) -> Publication:
    """Give the frozen figure its number.

    Raises PublicationUnknown or PublicationDecided; and then it goes on waiting: OwnPublication, RequesterRevoked,
    ProposalOutdated where what operators recorded has changed since or the code computes another figure, with what
    differs, AlreadyPublished or RestatementRefused.
    """
    # Who records meanwhile waits, and who publishes.
    await lock_inputs(connection)
    row = await _lock_waiting(connection, publication_id)
    await require_second_operator(connection, operator.key_id, row.proposed_by, own=OwnPublication)
    period = Period.of_days(row.first_day, row.last_day)
    await _check_latest(connection, row.area_id, period, row.formula_id, row.restates)
    frozen = await asyncio.to_thread(Frozen, row.record)
    now = await _gather(
        connection,
        area_id=row.area_id,
        period=period,
        formula_id=row.formula_id,
        counted_at=row.counted_at,
        today=today,
    )
    stored = await inputs_by_id(connection, frozen.input_ids())
    outdated = await asyncio.to_thread(_outdated, frozen, columns_of(row), now, stored)
    if outdated is not None:
        raise ProposalOutdated(
            f"{outdated.en} Reject it, and propose the figure anew.", zh=f"{outdated.zh}请驳回，再重新提出。"
        )
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
    return await asyncio.to_thread(publication_answer, await _find(connection, publication_id))


async def read_published(connection: AsyncConnection, number: int) -> Publication:
    """Raises PublicationUnknown."""
    return await asyncio.to_thread(publication_answer, await _number(connection, number))


async def read_number(connection: AsyncConnection, publication_id: UUID) -> int:
    """Of a published figure. Raises PublicationUnknown."""
    number = await queries.number_of(connection, publication_id)
    if number is None:
        raise PublicationUnknown(f"There is no published figure {publication_id}.")
    return number


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


@dataclass(frozen=True, slots=True)
class GatheredRecord:
    """A publication's record and columns, and its inputs as they are stored."""

    number: int
    frozen: Frozen
    columns: Mapping[str, object]
    stored: Sequence[Any]


async def gather_record(connection: AsyncConnection, number: int) -> GatheredRecord:
    """Raises PublicationUnknown."""
    row = await _number(connection, number)
    frozen = await asyncio.to_thread(Frozen, row.record)
    return GatheredRecord(number, frozen, columns_of(row), await inputs_by_id(connection, frozen.input_ids()))


def recompute(gathered: GatheredRecord) -> Recomputation:
    """Every digit of a publication again, from its stored inputs. Takes as long as there are, so in a thread."""
    steps = recomputation(gathered.frozen, gathered.columns, by_id(gathered.stored))
    return Recomputation(
        number=gathered.number, equal=all(step.is_equal for step in steps), steps=[_step(step) for step in steps]
    )


def _step(step: Step) -> RecomputedStep:
    return RecomputedStep(what=step.what, published=step.published, recomputed=step.recomputed, equal=step.is_equal)


def _freeze(gathered: GatheredRate, wanted: PublicationProposal) -> Frozen:
    """Raises RateNotKnown."""
    rate = make_rate(gathered)
    if rate.rate is None:
        raise RateNotKnown(rate.reason_en or "", zh=rate.reason_zh)
    # What is published is over.
    figure = rate.model_dump(mode="json", exclude={"is_over"})
    record = record_of(
        figure,
        code_version=code_version(),
        restates=wanted.restates,
        reason=wanted.reason,
        salt=secrets.token_hex(SALT_BYTES),
    )
    return Frozen(canonical(record), record)


def _is_same(frozen: Frozen, old_record: str) -> bool:
    return frozen.basis() == Frozen(old_record).basis()


def _outdated(
    frozen: Frozen, columns: Mapping[str, object], gathered: GatheredRate, stored: Sequence[Any]
) -> Words | None:
    """Why the proposed figure cannot be published any more; None where it can."""
    now = make_rate(gathered)
    changed = changes(frozen.figure, now.model_dump(mode="json"))
    if changed or now.missing:
        zh, en = "；".join(each.zh for each in changed), "; ".join(each.en for each in changed)
        missing_zh, missing_en = (now.reason_zh, f" {now.reason_en}") if now.missing else ("", "")
        if not changed:
            return Words(f"现在得不出数值。{missing_zh}", f"It has no rate now.{missing_en}")
        return Words(f"提出后有变更：{zh}。{missing_zh}", f"Since it was proposed this has changed: {en}.{missing_en}")
    differing = [
        f"{step.what}: {step.published} → {step.recomputed}"
        for step in recomputation(frozen, columns, by_id(stored))
        if not step.is_equal
    ]
    told = "; ".join(differing)
    return Words(f"现在重算结果不同：{told}。", f"Computed again now it is another figure: {told}.") if told else None


async def _gather(
    connection: AsyncConnection,
    *,
    area_id: str,
    period: Period,
    formula_id: str,
    counted_at: CountedAt | None,
    today: date,
) -> GatheredRate:
    """What makes the figure as it is now, with what bins weighed by child area. Raises AreaUnknown."""
    return await gather_rate(
        connection,
        area_id=area_id,
        asked=str(period),
        formula_id=formula_id,
        counted_at=counted_at,
        today=today,
        bins_by_child=True,
    )


async def _find_restated(connection: AsyncConnection, wanted: PublicationProposal) -> Any:
    """What a proposal restates; None where it restates nothing. Raises PublicationUnknown, RestatementRefused for one
    by another formula, and ValidationFailed where number or reason stands alone."""
    if (wanted.restates is None) != (wanted.reason is None):
        missing = "reason" if wanted.reason is None else "restates"
        detail = "A restatement names the publication that it replaces, and the reason."
        zh = "更正发布要写明被更正的发布编号和原因。"
        raise ValidationFailed(detail, zh=zh, errors=[{"pointer": f"/{missing}", "code": "missing", "detail": detail}])
    if wanted.restates is None:
        return None
    old = await _number(connection, wanted.restates)
    if wanted.formula not in (None, old.formula_id):
        raise RestatementRefused(
            f"Publication {wanted.restates} is by {old.formula_id}, and is restated by the same formula. The figure by"
            f" {wanted.formula} is another one, which is proposed without `restates`.",
            zh=f"发布 {wanted.restates} 采用公式 {old.formula_id}，更正须用同一公式。按 {wanted.formula} 计算的是另一个"
            "数值，请直接提出，不写 `restates`。",
        )
    return old


async def _check_latest(
    connection: AsyncConnection, area_id: str, period: Period, formula_id: str, restates: int | None
) -> None:
    """Raises AlreadyPublished or RestatementRefused where something else is published of the area and period by this
    formula."""
    latest = await queries.find_latest(connection, area_id, period, formula_id)
    if restates is None and latest is not None:
        raise AlreadyPublished(
            f"The rate of {area_id} for {period} by {formula_id} is publication {latest.number}. To correct it, propose"
            f" a restatement, which names it and the reason: --restates {latest.number} --reason … on the command line,"
            " `restates` and `reason` over HTTP.",
            zh=f"{area_id} {period} 按 {formula_id} 的数值已发布，编号 {latest.number}。要更正，请写明该编号和原因："
            f"命令行 --restates {latest.number} --reason …，接口 `restates` 和 `reason`。",
        )
    if restates is not None and (latest is None or latest.number != restates):
        is_latest = "nothing" if latest is None else f"publication {latest.number}"
        stands_zh = "尚未发布任何数值" if latest is None else f"现行的是发布 {latest.number}"
        raise RestatementRefused(
            f"Publication {restates} cannot be restated: of {area_id} in {period} by {formula_id} {is_latest} is"
            " published and not restated.",
            zh=f"不能更正发布 {restates}：{area_id} {period} 按 {formula_id} {stands_zh}。",
        )


async def _find(connection: AsyncConnection, publication_id: UUID) -> Any:
    row = await queries.find_publication(connection, publication_id)
    if row is None:
        raise PublicationUnknown(f"There is no publication {publication_id}.", zh=f"没有发布 {publication_id}。")
    return row


async def _number(connection: AsyncConnection, number: int) -> Any:
    row = await queries.find_number(connection, number)
    if row is None:
        raise PublicationUnknown(
            f"There is no publication with the number {number}.", zh=f"没有编号为 {number} 的发布。"
        )
    return row


async def _lock_waiting(connection: AsyncConnection, publication_id: UUID) -> Any:
    # Locked before it is read: of two decisions at once, the second sees the first.
    await queries.lock_publication(connection, publication_id)
    row = await _find(connection, publication_id)
    if row.decision is not None:
        decided_at = in_utc(row.decided_at.replace(microsecond=0))
        decision_zh = {"published": "发布", "rejected": "驳回"}[row.decision]
        raise PublicationDecided(
            f"{row.decider_name} {row.decision} this proposal at {decided_at}, and it stays so. For another figure,"
            " propose a new one.",
            zh=f"{row.decider_name} 已于 {decided_at} {decision_zh}该提案，不能更改。要用另一个数值，请重新提出。",
        )
    return row


def publication_answer(row: Any) -> Publication:
    return Publication(**summary(row), record=Frozen(row.record).record, record_text=row.record)


def summary(row: Any) -> dict[str, Any]:
    """The fields of a PublicationSummary, of the columns alone."""
    decided = row.decision is not None
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "area": row.area_id,
        "period": str(Period.of_days(row.first_day, row.last_day)),
        "formula": row.formula_id,
        "digest": row.digest.hex(),
        **{name: getattr(row, name) for name in FIGURES},
        "restates": None if row.restates is None else _restated(row),
        "restated_by": row.restated_by,
        "proposed_by": OperatorName(key_id=row.proposed_by, name=row.proposer_name),
        "proposed_at": row.created_at,
        "decided_by": OperatorName(key_id=row.decided_by, name=row.decider_name) if decided else None,
        "decided_at": row.decided_at,
        "decision_reason": row.decision_reason,
    }


FIGURES: Final = (
    *("formula_version", "counted_at", "code_version"),
    *("rate", "rate_percent", "numerator_grams", "denominator_grams"),
)


def _restated(row: Any) -> Restated:
    new = Fraction(row.numerator_grams) / Fraction(row.denominator_grams)
    old = Fraction(row.old_numerator_grams) / Fraction(row.old_denominator_grams)
    return Restated(
        number=row.restates,
        counted_at=None if row.old_counted_at == row.counted_at else row.old_counted_at,
        rate_percent=row.old_rate_percent,
        difference_percentage_points=difference_points(new, old),
        reason=row.reason,
    )
