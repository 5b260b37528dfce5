"""How far the target is: the year so far, what the year will come to, and what is still needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import CountedAt, FigureSoFar, NeededGrams, Outlook, ProjectedFigure, Target
from schemas.indicator_inputs import DueLine
from service.indicator import target_queries, volume_queries
from service.indicator.basis import Basis, GatheredBasis, gather_basis
from service.indicator.coverage import coverage_of
from service.indicator.evidence import Line, Tree, year_to_date
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import FORMULAS, PERCENT_DIGITS, RATE_DIGITS, Formula, decimal_text, exact_grams
from service.indicator.kinds import KINDS
from service.indicator.projection import PAST_YEARS_MAX, Projection, needed_for, project
from service.indicator.rate import choose_way, formula_answer, target_of
from service.indicator.targets import nearest_targets, target_rate
from service.indicator.words import Reason, Words, how_projected, why_not_projected
from service.periods import Period


@dataclass(frozen=True, slots=True)
class GatheredOutlook:
    """What was read for an outlook; nothing here needs the database any more."""

    basis: GatheredBasis
    formula: Formula
    counted_at: CountedAt
    year: int
    today: date
    sites: volume_queries.SitesByMonth
    targets: Sequence[sa.Row[Any]]


async def gather_outlook(
    connection: AsyncConnection,
    *,
    area_id: str,
    year: int,
    formula_id: str,
    counted_at: CountedAt | None,
    today: date,
) -> GatheredOutlook:
    """As of the connection's snapshot; `today` is the business day. Raises AreaUnknown, and ValidationFailed for a way
    of counting that the formula has not."""
    formula = FORMULAS[formula_id]
    way = choose_way(formula, counted_at)
    basis = await gather_basis(connection, area_id, range(year - PAST_YEARS_MAX, year + 1), today)
    whole = Period(year)
    return GatheredOutlook(
        basis=basis,
        formula=formula,
        counted_at=way,
        year=year,
        today=today,
        sites=await volume_queries.bin_sites(connection, basis.subtree, whole.first_day, whole.last_day),
        targets=await target_queries.targets_upwards(connection, area_id),
    )


def make_outlook(gathered: GatheredOutlook, basis: Basis) -> Outlook:
    """Of the evidence of what was gathered. Takes as long as there are inputs, so in a thread."""
    formula, way, year, today = gathered.formula, gathered.counted_at, gathered.year, gathered.today
    rows = gathered.targets
    period = year_to_date(basis.evidence, formula, basis.area.id, year, way, today)
    so_far = figure_of(basis.evidence, formula, basis.area.id, period, way)
    projection = project(basis.evidence, so_far)
    why = _why_not(so_far, projection, today)
    sites = gathered.sites.until(period.last_day)
    return Outlook(
        area=basis.area.id,
        area_name=basis.area.name,
        area_name_en=basis.area.name_en,
        year=year,
        formula=formula_answer(formula),
        counted_at=way,
        target=target_of(rows, year),
        target_path=target_path(rows, year),
        so_far=_so_far(so_far, today),
        coverage=coverage_of(basis, so_far, sites, today),
        projection=_projected(so_far, projection, basis.evidence.tree),
        needed=_needed(rows, so_far, projection),
        reason_zh=None if why is None else why.zh,
        reason_en=None if why is None else why.en,
    )


def target_path(rows: Sequence[Any], year: int) -> list[Target]:
    """Each year from the first to the last target of the area whose targets hold in `year`; `rows` are nearest area
    first. Of a year without a target, those of the nearest area that has any."""
    nearest = nearest_targets(rows, year) or next((nearest_targets(rows, row.year) for row in rows), None)
    if nearest is None:
        return []
    area_id, per_mille_by_year = nearest
    own = [row for row in rows if row.area_id == area_id]
    found = [target_of(own, each) for each in range(min(per_mille_by_year), max(per_mille_by_year) + 1)]
    return [each for each in found if each is not None]


def _why_not(so_far: Figure, projection: Projection | None, today: date) -> Reason | Words | None:
    """Why there is no projection; None where there is one."""
    if projection is None:
        return so_far.why_none(today) or why_not_projected(so_far.period, contradictory=False)
    return why_not_projected(so_far.period, contradictory=True) if projection.rate is None else None


def _so_far(figure: Figure, today: date) -> FigureSoFar:
    quotient, rate = figure.quotient, figure.rate
    return FigureSoFar(
        period=str(figure.period),
        is_over=figure.period.is_over(today),
        rate=None if rate is None else decimal_text(rate, RATE_DIGITS),
        rate_percent=None if rate is None else decimal_text(rate * 100, PERCENT_DIGITS),
        numerator_grams=None if quotient is None else exact_grams(quotient.numerator_grams),
        denominator_grams=None if quotient is None else exact_grams(quotient.denominator_grams),
        missing=[_missing(line, figure.period.begun(today)) for line in figure.missing],
    )


def _missing(line: Line, begun: Sequence[Period]) -> DueLine:
    is_mass = KINDS[line.kind].unit == "grams"
    return DueLine(
        kind=line.kind,
        area=line.area_id,
        source=line.source,
        material=line.material,
        months=[str(month) for month in begun if month not in line.months_present] if is_mass else [],
    )


def _projected(so_far: Figure, projection: Projection | None, tree: Tree) -> ProjectedFigure | None:
    if projection is None or projection.rate is None:
        return None
    how = how_projected(so_far.period, projection.past_years, projection.by_months, tree)
    return ProjectedFigure(
        rate=decimal_text(projection.rate, RATE_DIGITS),
        rate_percent=decimal_text(projection.rate * 100, PERCENT_DIGITS),
        numerator_grams=round(projection.quotient.numerator_grams),
        denominator_grams=round(projection.quotient.denominator_grams),
        past_years=list(projection.past_years),
        how_zh=how.zh,
        how_en=how.en,
    )


def _needed(rows: Sequence[Any], so_far: Figure, projection: Projection | None) -> NeededGrams | None:
    year = so_far.period.year
    nearest = nearest_targets(rows, year)
    if projection is None or projection.rate is None or nearest is None:
        return None
    target = target_rate(nearest[1], year)
    if target is None:
        return None
    needed = needed_for(target, so_far, projection)
    return NeededGrams(
        needed_grams=needed.needed_grams, expected_grams=needed.expected_grams, gap_grams=needed.gap_grams
    )
