"""The recycling rate of an area and period, with everything needed to compute it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import RateFormula, RateQuantity, RecyclingRate, Target, UsedInput, UsedShare
from service.errors import ValidationFailed
from service.indicator import queries, target_queries, volume_queries
from service.indicator.basis import GatheredBasis, bins_of_month, gather_basis, make_basis, tree_of
from service.indicator.coverage import coverage_of, not_counted
from service.indicator.documents import document_answer
from service.indicator.evidence import Evidence, Recorded, Sum, Used, year_to_date
from service.indicator.figure import figure_of
from service.indicator.formulas import (
    FORMULAS,
    PERCENT_DIGITS,
    RATE_DIGITS,
    Formula,
    decimal_text,
    exact_grams,
)
from service.indicator.kinds import KINDS, CountedAt
from service.indicator.targets import nearest_targets, target_rate
from service.periods import TO_DATE, Period


def choose_way(formula: Formula, counted_at: CountedAt | None) -> CountedAt:
    """The usual way of counting where none is asked for. Raises ValidationFailed for one that the formula has not."""
    if counted_at is None:
        return formula.ways[0]
    if counted_at not in formula.ways:
        detail = f"{formula.id} counts recyclables at {' or '.join(formula.ways)}, not at {counted_at}."
        zh = f"公式 {formula.id} 的回收量计量点为 {' 或 '.join(formula.ways)}，不能是 {counted_at}。"
        errors = [{"pointer": "/counted_at", "code": "not_of_formula", "detail": detail}]
        raise ValidationFailed(detail, zh=zh, errors=errors)
    return counted_at


@dataclass(frozen=True, slots=True)
class GatheredRate:
    """What was read for a rate; `period` is None where the year to date is asked for. Nothing here needs the database
    any more."""

    basis: GatheredBasis
    formula: Formula
    counted_at: CountedAt
    year: int
    period: Period | None
    today: date
    sites: volume_queries.SitesByMonth
    targets: Sequence[sa.Row[Any]]


async def gather_rate(
    connection: AsyncConnection,
    *,
    area_id: str,
    asked: str,
    formula_id: str,
    counted_at: CountedAt | None,
    today: date,
    bins_by_child: bool = False,
) -> GatheredRate:
    """As of the connection's snapshot. `asked` is a period, or a year with `-ytd`; `today` is the business
    day; with `bins_by_child` what bins weighed is told of each child area.

    Raises AreaUnknown, and ValidationFailed for a way of counting that the formula has not.
    """
    formula = FORMULAS[formula_id]
    way = choose_way(formula, counted_at)
    year = int(asked[:4])
    given = None if asked.endswith(TO_DATE) else Period.parse(asked)
    basis = await gather_basis(connection, area_id, [year], today, bins_by_child=bins_by_child, bins_of=given)
    # The year to date begins in January, and where it ends only its evidence tells.
    longest = given or Period(year)
    return GatheredRate(
        basis=basis,
        formula=formula,
        counted_at=way,
        year=year,
        period=given,
        today=today,
        sites=await volume_queries.bin_sites(connection, basis.subtree, longest.first_day, longest.last_day),
        targets=await target_queries.targets_upwards(connection, area_id),
    )


def make_rate(gathered: GatheredRate) -> RecyclingRate:
    """The answer: a figure with its inputs, its coverage and its target. Takes as long as there are inputs, so in a
    thread."""
    formula, way, today = gathered.formula, gathered.counted_at, gathered.today
    basis = make_basis(gathered.basis)
    area_id = basis.area.id
    period = gathered.period or year_to_date(basis.evidence, formula, area_id, gathered.year, way, today)
    figure = figure_of(basis.evidence, formula, area_id, period, way)
    quotient, why = figure.quotient, figure.why_none(today)
    return RecyclingRate(
        area=area_id,
        area_name=basis.area.name,
        area_name_en=basis.area.name_en,
        period=str(period),
        first_day=period.first_day,
        last_day=period.last_day,
        is_over=period.is_over(today),
        formula=formula_answer(formula),
        counted_at=way,
        rate=None if figure.rate is None else decimal_text(figure.rate, RATE_DIGITS),
        rate_percent=None if figure.rate is None else decimal_text(figure.rate * 100, PERCENT_DIGITS),
        numerator_grams=None if quotient is None else exact_grams(quotient.numerator_grams),
        denominator_grams=None if quotient is None else exact_grams(quotient.denominator_grams),
        quantities=[quantity_answer(each) for each in figure.sums],
        not_counted=not_counted(basis.evidence, figure),
        coverage=coverage_of(basis, figure, gathered.sites.until(period.last_day), today),
        target=target_of(gathered.targets, period.year),
        missing=list(dict.fromkeys(line.kind for line in figure.missing)),
        reason_code=None if why is None else why.code,
        reason_zh=None if why is None else why.zh,
        reason_en=None if why is None else why.en,
    )


def formula_answer(formula: Formula) -> RateFormula:
    return RateFormula(
        id=formula.id,
        version=formula.version,
        definition_zh=formula.definition_zh,
        definition_en=formula.definition_en,
        source=formula.source,
        standing_zh=formula.standing_zh,
        standing_en=formula.standing_en,
        needs=list(formula.needs),
        counted_at=list(formula.ways),
        valid_from=formula.valid_from,
    )


def quantity_answer(each: Sum) -> RateQuantity:
    return RateQuantity(
        id=each.quantity.id,
        symbol=each.quantity.symbol,
        name_zh=each.quantity.name_zh,
        name_en=each.quantity.name_en,
        stands_in_for=each.stands_in_for,
        grams=exact_grams(each.grams) if each.is_whole else None,
        recorded_grams=exact_grams(each.grams),
        inputs=[_used_input(used) for used in each.used],
    )


def _used_input(used: Used) -> UsedInput:
    each = used.input
    return UsedInput(
        id=each.id,
        kind=each.kind,
        counting_point=KINDS[each.kind].point,
        area=each.area_id,
        period=str(each.period),
        source=each.source,
        material=each.material,
        grams=each.amount,
        share=None if used.share is None else _used_share(used.share),
        version=None if each.id is None else each.version,
        document=None if each.document is None else document_answer(each.document),
        recorded_at=each.recorded_at,
    )


def _used_share(share: Recorded) -> UsedShare:
    # Only what bins weighed has neither id nor document, and that is no share.
    assert share.id is not None  # noqa: S101
    assert share.document is not None  # noqa: S101
    return UsedShare(
        id=share.id,
        kind=share.kind,
        area=share.area_id,
        period=str(share.period),
        source=share.source,
        ppm=share.amount,
        version=share.version,
        document=document_answer(share.document),
    )


def target_of(rows: Sequence[Any], year: int) -> Target | None:
    """The nearest area's, going up from the area asked for; `rows` are nearest first."""
    nearest = nearest_targets(rows, year)
    if nearest is None:
        return None
    area_id, per_mille_by_year = nearest
    rate = target_rate(per_mille_by_year, year)
    # The nearest has one for the year: that is how it was chosen.
    assert rate is not None  # noqa: S101
    return Target(
        year=year,
        rate=decimal_text(rate, RATE_DIGITS),
        rate_percent=decimal_text(rate * 100, PERCENT_DIGITS),
        area=area_id,
        interpolated=year not in per_mille_by_year,
    )


@dataclass(frozen=True, slots=True)
class GatheredDistricts:
    """What was read for the rates of all districts."""

    areas: Sequence[sa.Row[Any]]
    inputs: Sequence[sa.Row[Any]]
    bin_months: Sequence[tuple[str, int, int]]
    formula: Formula
    today: date


async def gather_districts(connection: AsyncConnection, formula_id: str, today: date) -> GatheredDistricts:
    """For the business year of `today`; in three queries."""
    year = today.year
    return GatheredDistricts(
        areas=await queries.read_areas(connection),
        inputs=await queries.latest_inputs(connection, date(year, 1, 1), date(year, 12, 31), None),
        bin_months=await volume_queries.bin_volume_by_area_and_month(connection, year),
        formula=FORMULAS[formula_id],
        today=today,
    )


def district_rates(gathered: GatheredDistricts) -> list[tuple[str, Fraction]]:
    """The rate so far of each district that has one. Takes as long as there are inputs, so in a thread."""
    formula, today = gathered.formula, gathered.today
    weighed = [
        bins_of_month(area_id, Period.of_month(today.year, month), grams)
        for area_id, month, grams in gathered.bin_months
    ]
    evidence = Evidence(tree_of(gathered.areas), [*queries.counting(gathered.inputs), *weighed])
    rates: list[tuple[str, Fraction]] = []
    for district_id in sorted(row.id for row in gathered.areas if row.kind == "district"):
        way = formula.ways[0]
        period = year_to_date(evidence, formula, district_id, today.year, way, today)
        figure = figure_of(evidence, formula, district_id, period, way)
        if figure.rate is not None:
            rates.append((district_id, figure.rate))
    return rates
