"""The recycling rate of an area and period, with everything needed to compute it again."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import RateFormula, RateQuantity, RecyclingRate, Target, UsedInput, UsedShare
from service.errors import ValidationFailed
from service.indicator import queries, target_queries, volume_queries
from service.indicator.basis import Basis, bins_of_month, read_basis, tree_of
from service.indicator.coverage import coverage_of, not_counted
from service.indicator.documents import document_answer
from service.indicator.evidence import Evidence, Recorded, Sum, Used, year_to_date
from service.indicator.figure import Figure, figure_of
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
        raise ValidationFailed(detail, errors=[{"pointer": "/counted_at", "code": "not_of_formula", "detail": detail}])
    return counted_at


async def recycling_rate(
    connection: AsyncConnection,
    *,
    area_id: str,
    asked: str,
    formula_id: str,
    counted_at: CountedAt | None,
    today: date,
    bins_by_child: bool = False,
) -> RecyclingRate:
    """The answer as of the connection's snapshot. `asked` is a period, or a year with `-ytd`; `today` is the business
    day; with `bins_by_child` what bins weighed is told of each child area.

    Raises AreaUnknown, and ValidationFailed for a way of counting that the formula has not.
    """
    formula = FORMULAS[formula_id]
    way = choose_way(formula, counted_at)
    year = int(asked[:4])
    given = None if asked.endswith(TO_DATE) else Period.parse(asked)
    basis = await read_basis(connection, area_id, [year], today, bins_by_child=bins_by_child, bins_of=given)
    period = given or year_to_date(basis.evidence, formula, area_id, year, way, today)
    return await described(connection, basis, figure_of(basis.evidence, formula, area_id, period, way), today)


async def described(connection: AsyncConnection, basis: Basis, figure: Figure, today: date) -> RecyclingRate:
    """A figure with its inputs, its coverage and its target."""
    period, quotient, why = figure.period, figure.quotient, figure.why_none(today)
    sites = await volume_queries.bin_sites(connection, basis.subtree, period.first_day, period.last_day)
    return RecyclingRate(
        area=basis.area.id,
        area_name=basis.area.name,
        area_name_en=basis.area.name_en,
        period=str(period),
        first_day=period.first_day,
        last_day=period.last_day,
        formula=formula_answer(figure.formula),
        counted_at=figure.counted_at,
        rate=None if figure.rate is None else decimal_text(figure.rate, RATE_DIGITS),
        rate_percent=None if figure.rate is None else decimal_text(figure.rate * 100, PERCENT_DIGITS),
        numerator_grams=None if quotient is None else exact_grams(quotient.numerator_grams),
        denominator_grams=None if quotient is None else exact_grams(quotient.denominator_grams),
        quantities=[quantity_answer(each) for each in figure.sums],
        not_counted=not_counted(basis.evidence, figure),
        coverage=coverage_of(basis, figure, sites, today),
        target=target_of(await target_queries.targets_upwards(connection, basis.area.id), period.year),
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


async def district_rates(connection: AsyncConnection, formula_id: str, today: date) -> list[tuple[str, Fraction]]:
    """The rate so far of each district that has one, for the business year of `today`; in three queries."""
    areas = await queries.read_areas(connection)
    tree = tree_of(areas)
    formula, year = FORMULAS[formula_id], today.year
    records = await queries.counting_inputs(connection, date(year, 1, 1), date(year, 12, 31), None)
    weighed = [
        bins_of_month(area_id, Period.of_month(year, month), grams)
        for area_id, month, grams in await volume_queries.bin_volume_by_area_and_month(connection, year)
    ]
    evidence = Evidence(tree, [*records, *weighed])
    rates: list[tuple[str, Fraction]] = []
    for district_id in sorted(row.id for row in areas if row.kind == "district"):
        way = formula.ways[0]
        period = year_to_date(evidence, formula, district_id, year, way, today)
        figure = figure_of(evidence, formula, district_id, period, way)
        if figure.rate is not None:
            rates.append((district_id, figure.rate))
    return rates
