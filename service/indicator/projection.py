"""What a year will come to, from the same months of past years, and what is still needed for its target: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from service.indicator.evidence import Evidence
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import Quotient, rate_of
from service.periods import Period

PAST_YEARS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Projection:
    """The whole year as it is expected to be; `past_years` are those that it was projected from, latest first, and none
    where the year is known as a whole. Grams are exact fractions: they are estimates, and are rounded when shown."""

    quotient: Quotient
    rate: Fraction
    past_years: Sequence[int]


@dataclass(frozen=True, slots=True)
class Needed:
    """Whole grams that reach the target, rounded up: what must still be recycled until the year ends, what is expected
    to be, and what is missing between them.

    What is recycled in addition is taken from what would be cleared or disposed of, so what arises stays the same.
    """

    needed_grams: int
    expected_grams: int
    gap_grams: int


def past_figures(evidence: Evidence, so_far: Figure) -> list[tuple[Figure, Figure]]:
    """Of the years before, latest first, those of which the whole and the same months are known, by the same
    quantities: a stand-in is not compared with what it stands in for."""

    def figure(period: Period) -> Figure:
        return figure_of(evidence, so_far.formula, so_far.area_id, period, so_far.counted_at)

    this_year = so_far.period.year
    pairs = [
        (figure(Period(year)), figure(so_far.period.of_year(year)))
        for year in range(this_year - 1, this_year - 1 - PAST_YEARS_MAX, -1)
    ]
    made_of = [each.quantity for each in so_far.sums]
    return [
        pair
        for pair in pairs
        if all(not each.missing and [one.quantity for one in each.sums] == made_of for each in pair)
    ]


def project(evidence: Evidence, so_far: Figure) -> Projection | None:
    """The year of a figure so far: each quantity grows as it did in past years from the same months to the whole year,
    all of those years together. None where the figure has no rate, no past year is known, a quantity was 0 in the same
    months and is not now, or what comes out contradicts itself."""
    if so_far.rate is None or so_far.quotient is None:
        return None
    period, formula = so_far.period, so_far.formula
    if period.is_year:
        return Projection(so_far.quotient, so_far.rate, ())
    past = past_figures(evidence, so_far)
    if not past:
        return None
    amounts: dict[str, Fraction] = {}
    for name in formula.needed(so_far.counted_at):
        now, before = so_far.grams(name), sum((same.grams(name) for _, same in past), Fraction(0))
        if now and not before:
            return None
        all_year = sum((whole.grams(name) for whole, _ in past), Fraction(0))
        # What was nothing in the same months so far is expected as it was in the mean of those years.
        amounts[name] = now * all_year / before if before else all_year / len(past)
    quotient = formula.quotient(amounts)
    rate = rate_of(quotient)
    return None if rate is None else Projection(quotient, rate, [whole.period.year for whole, _ in past])


def needed_for(target: Fraction, so_far: Figure, projection: Projection) -> Needed:
    """Of a figure that has a rate."""
    if so_far.quotient is None:
        raise ValueError("a figure without a rate needs what is missing first")
    wanted = target * projection.quotient.denominator_grams
    expected = projection.quotient.numerator_grams - so_far.quotient.numerator_grams
    return Needed(
        needed_grams=ceil(max(Fraction(0), wanted - so_far.quotient.numerator_grams)),
        expected_grams=round(expected),
        gap_grams=ceil(max(Fraction(0), wanted - projection.quotient.numerator_grams)),
    )
