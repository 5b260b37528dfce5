"""The recycling rate of an area and period, with everything needed to compute it again."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import (
    Coverage,
    InputCoverage,
    RateFormula,
    RateInputs,
    RecyclingRate,
    SourceMass,
    Target,
)
from service.errors import AreaUnknown
from service.indicator import queries, rules
from service.indicator.formulas import (
    FORMULAS,
    PERCENT_DIGITS,
    RATE_DIGITS,
    Formula,
    Masses,
    Quotient,
    decimal_text,
    rate_of,
)
from service.indicator.rules import Evidence, Recorded
from service.indicator.words import Gap, Reason, contradiction_reason, missing_reason
from service.periods import Period, last_day_of

DEFAULT_FORMULA = "cn.cleared_plus_recovered"


async def recycling_rate(
    connection: AsyncConnection, *, area_id: str, period: Period, formula_id: str, today: date
) -> RecyclingRate:
    """The answer as of the connection's snapshot; `today` is the business day. Raises AreaUnknown."""
    found = await queries.read_area(connection, area_id)
    if found is None:
        raise AreaUnknown(f"There is no area {area_id}.")
    formula = FORMULAS[formula_id]
    parents = await queries.read_subtree(connection, area_id)
    evidence = Evidence.of(period.year, parents, await queries.latest_inputs(connection, period.year, list(parents)))
    months = rules.months_counted(evidence, area_id, period, today, formula.needs)
    first_day, last_day = date(period.year, months[0], 1), last_day_of(period.year, months[-1])
    bins = await queries.bin_volume(connection, list(parents), first_day, last_day)
    inputs = _inputs(evidence, area_id, months, _bins_mass(area_id, period, first_day, last_day, bins.grams))
    covered = _coverage(evidence, area_id, period, months, today)
    quotient, rate, reason = _divide(formula, area_id, period, inputs, covered)
    return RecyclingRate(
        area=area_id,
        area_name=found.name,
        area_name_en=found.name_en,
        period=str(period),
        formula=RateFormula(
            id=formula.id,
            definition_zh=formula.definition_zh,
            definition_en=formula.definition_en,
            source=formula.source,
        ),
        rate=None if rate is None else decimal_text(rate, RATE_DIGITS),
        rate_percent=None if rate is None else decimal_text(rate * 100, PERCENT_DIGITS),
        numerator_grams=None if quotient is None else quotient.numerator_grams,
        denominator_grams=None if quotient is None else quotient.denominator_grams,
        inputs=inputs,
        coverage=Coverage(
            first_day=first_day,
            last_day=last_day,
            inputs=covered,
            days=max(0, (min(last_day, today) - first_day).days + 1),
            days_with_bin_volume=bins.days,
            sites=bins.sites,
            sites_with_bin_volume=bins.sites_with_volume,
            bin_held_grams=bins.held_grams,
        ),
        target=_target(await queries.targets_upwards(connection, area_id), period.year),
        missing=[entry.kind for entry in covered if entry.areas_missing],
        reason_code=None if reason is None else reason.code,
        reason_zh=None if reason is None else reason.zh,
        reason_en=None if reason is None else reason.en,
    )


def _inputs(evidence: Evidence, area_id: str, months: tuple[int, ...], bins: SourceMass) -> RateInputs:
    recyclables = rules.recovered(evidence, area_id, months)
    kitchen_treated = rules.counted(evidence, area_id, "kitchen_treated", months)
    cleared = rules.counted(evidence, area_id, "cleared", months)
    return RateInputs(
        recovered_grams=bins.grams + sum(each.grams for each in recyclables),
        recovered_sources=[bins, *(_source_mass(each) for each in recyclables)],
        kitchen_treated_grams=_grams(kitchen_treated),
        kitchen_treated_sources=[_source_mass(each) for each in kitchen_treated or ()],
        cleared_grams=_grams(cleared),
        cleared_sources=[_source_mass(each) for each in cleared or ()],
    )


def _divide(
    formula: Formula, area_id: str, period: Period, inputs: RateInputs, covered: Sequence[InputCoverage]
) -> tuple[Quotient | None, Fraction | None, Reason | None]:
    """What is divided by what, and the rate or why there is none."""
    if inputs.kitchen_treated_grams is None or inputs.cleared_grams is None:
        gaps = [
            Gap(entry.kind, area_id, entry.areas_missing, entry.months_present, entry.months_missing)
            for entry in covered
            if entry.areas_missing
        ]
        return None, None, missing_reason(period, gaps)
    quotient = formula.quotient(Masses(inputs.recovered_grams, inputs.kitchen_treated_grams, inputs.cleared_grams))
    rate = rate_of(quotient)
    return quotient, rate, contradiction_reason(period, quotient) if rate is None else None


def _coverage(
    evidence: Evidence, area_id: str, period: Period, months: tuple[int, ...], today: date
) -> list[InputCoverage]:
    """What is recorded of each kind, and of the recyclables of each source."""

    def entry(kind: rules.Kind, source: str | None, present: frozenset[int], areas: list[str]) -> InputCoverage:
        begun = [month for month in period.months if date(period.year, month, 1) <= today]
        return InputCoverage(
            kind=kind,
            source=source,
            months_present=[str(Period(period.year, month)) for month in sorted(present)],
            months_missing=[str(Period(period.year, month)) for month in begun if month not in present],
            areas_missing=areas,
        )

    kinds: tuple[rules.Kind, ...] = ("cleared", "kitchen_treated")
    covered = [
        entry(
            kind,
            None,
            rules.months_present(evidence, area_id, kind, period),
            rules.areas_missing(evidence, area_id, kind, months),
        )
        for kind in kinds
    ]
    for source, present in rules.sources_present(evidence, area_id, period).items():
        covered.append(entry("recyclables", source, present, []))
    return covered


def _grams(records: list[Recorded] | None) -> int | None:
    return None if records is None else sum(each.grams for each in records)


def _source_mass(each: Recorded) -> SourceMass:
    return SourceMass(
        kind=each.kind,
        source=each.source,
        area=each.area_id,
        period=str(each.period),
        grams=each.grams,
        version=each.version,
        document=each.document,
        recorded_at=each.recorded_at,
    )


def _bins_mass(area_id: str, period: Period, first_day: date, last_day: date, grams: int) -> SourceMass:
    whole = (first_day, last_day) == (period.first_day, period.last_day)
    return SourceMass(
        kind="bins",
        source="bins",
        area=area_id,
        period=str(period) if whole else f"{first_day}/{last_day}",
        grams=grams,
        version=None,
        document=None,
        recorded_at=None,
    )


def _target(rows: Sequence[sa.Row[Any]], year: int) -> Target | None:
    """The nearest area's, going up from the area asked for; `rows` are nearest first."""
    by_area: dict[str, dict[int, int]] = {}
    for row in rows:
        by_area.setdefault(row.area_id, {})[row.year] = row.rate_per_mille
    for area_id, per_mille_by_year in by_area.items():
        rate = rules.target_rate(per_mille_by_year, year)
        if rate is not None:
            return Target(
                year=year,
                rate=decimal_text(rate, RATE_DIGITS),
                rate_percent=decimal_text(rate * 100, PERCENT_DIGITS),
                area=area_id,
                interpolated=year not in per_mille_by_year,
            )
    return None


async def district_rates(connection: AsyncConnection, today: date) -> list[tuple[str, Fraction]]:
    """The rate so far of each district that has one, for the business year of `today`; in three queries."""
    areas = await queries.read_areas(connection)
    formula = FORMULAS[DEFAULT_FORMULA]
    period = Period(today.year)
    evidence = Evidence.of(
        today.year,
        {row.id: row.parent_id for row in areas},
        await queries.latest_inputs(connection, today.year, None),
    )
    bins: dict[str, dict[int, int]] = {}
    for area_id, month, grams in await queries.bin_volume_by_area_and_month(connection, today.year):
        bins.setdefault(area_id, {})[month] = grams
    rates: list[tuple[str, Fraction]] = []
    for district_id in sorted(row.id for row in areas if row.kind == "district"):
        months = rules.months_counted(evidence, district_id, period, today, formula.needs)
        cleared = _grams(rules.counted(evidence, district_id, "cleared", months))
        kitchen_treated = _grams(rules.counted(evidence, district_id, "kitchen_treated", months))
        if cleared is None or kitchen_treated is None:
            continue
        weighed = sum(
            grams
            for each in evidence.subtree(district_id)
            for month, grams in bins.get(each, {}).items()
            if month in months
        )
        recyclables = sum(each.grams for each in rules.recovered(evidence, district_id, months))
        rate = rate_of(formula.quotient(Masses(weighed + recyclables, kitchen_treated, cleared)))
        if rate is not None:
            rates.append((district_id, rate))
    return rates
