"""What a year will come to, from the same months of past years, and what is still needed for its target: pure.

Line by line: what one area's source reported of a kind is compared with what the same reported in past years. Summed
first, a scrap station that began to report last summer would multiply all that was recovered before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple, TypeAlias

from service.indicator.evidence import Evidence, Line, Used
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import Quotient, rate_of
from service.periods import YEAR_MONTHS, Period

PAST_YEARS_MAX: Final = 3
# Kind, area, source, material.
LineKey: TypeAlias = tuple[str, str, str, str | None]


@dataclass(frozen=True, slots=True)
class Projection:
    """The whole year as it is expected to be; `past_years` are those that it was projected from, latest first, and none
    where the year is known as a whole. Grams are exact fractions: they are estimates, and are rounded when shown.

    `by_months`: the lines that no past year can be compared with, and that go on as in their months so far. `rate` is
    None where the masses that come out contradict each other.
    """

    quotient: Quotient
    rate: Fraction | None
    past_years: Sequence[int]
    by_months: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Needed:
    """Whole grams that reach the target, rounded up: what must still be recycled until the year ends, what is expected
    to be, and what is missing between them.

    What is recycled in addition is taken from what would be cleared or disposed of, so what arises stays the same.
    """

    needed_grams: int
    expected_grams: int
    gap_grams: int


class Part(NamedTuple):
    """What a line came to in a period, and the months that it reported of it."""

    grams: Fraction
    months: frozenset[int]


class Past(NamedTuple):
    """A past year: the whole of it, and the same months as this year's so far."""

    year: int
    whole: Figure
    same: Figure


def past_figures(evidence: Evidence, so_far: Figure) -> list[Past]:
    """Of the years before, latest first, those that have a rate for the whole and for the same months, by the same
    quantities: a stand-in is not compared with what it stands in for."""

    def figure(period: Period) -> Figure:
        return figure_of(evidence, so_far.formula, so_far.area_id, period, so_far.counted_at)

    this_year = so_far.period.year
    found = [
        Past(year, figure(Period(year)), figure(so_far.period.of_year(year)))
        for year in range(this_year - 1, this_year - 1 - PAST_YEARS_MAX, -1)
    ]
    made_of = [each.quantity for each in so_far.sums]
    return [
        past
        for past in found
        if all(
            each.rate is not None and [one.quantity for one in each.sums] == made_of for each in (past.whole, past.same)
        )
    ]


def project(evidence: Evidence, so_far: Figure) -> Projection | None:
    """The year of a figure so far: each line grows as it did in past years from the same months to the whole year, all
    of those years together. None where the figure has no rate, or where no past year is known."""
    if so_far.rate is None or so_far.quotient is None:
        return None
    period, formula = so_far.period, so_far.formula
    if period.is_year:
        return Projection(so_far.quotient, so_far.rate, (), ())
    past = past_figures(evidence, so_far)
    if not past:
        return None
    amounts: dict[str, Fraction] = {}
    by_months: dict[LineKey, None] = {}
    for number, each in enumerate(so_far.sums):
        years = [(by_line(one.whole.sums[number].used), by_line(one.same.sums[number].used)) for one in past]
        now = by_line(each.used)
        total = Fraction(0)
        # A line that reported in past years and not in this one is 0 so far: coverage says that it is missing.
        for key, part in now.items():
            grown = _grown(key, part, years)
            if grown is None:
                by_months[key] = None
                grown = part.grams * YEAR_MONTHS / len(part.months)
            total += grown
        amounts[each.stands_in_for or each.quantity.id] = total
    quotient = formula.quotient(amounts)
    lines = [Line(kind, area_id, source, material) for kind, area_id, source, material in by_months]
    return Projection(quotient, rate_of(quotient), [one.year for one in past], lines)


def by_line(used: Sequence[Used]) -> dict[LineKey, Part]:
    """What each line came to."""
    found: dict[LineKey, Part] = {}
    for each in used:
        key = (each.input.kind, each.input.area_id, each.input.source, each.input.material)
        before = found.get(key, Part(Fraction(0), frozenset()))
        months = frozenset(month.first_month for month in each.input.period.months)
        found[key] = Part(before.grams + each.grams, before.months | months)
    return found


def _grown(
    key: LineKey, now: Part, years: Sequence[tuple[Mapping[LineKey, Part], Mapping[LineKey, Part]]]
) -> Fraction | None:
    """What a line comes to in the whole year; None where no past year has all of its months, and the same ones so far
    as this year has, or where it had nothing in them and has something now."""
    comparable = [
        (whole[key].grams, same[key].grams)
        for whole, same in years
        if key in whole and key in same and len(whole[key].months) == YEAR_MONTHS and same[key].months == now.months
    ]
    if not comparable:
        return None
    all_year, before = (sum(column, Fraction(0)) for column in zip(*comparable, strict=True))
    if before:
        return now.grams * all_year / before
    # What was nothing in the same months and is nothing now comes as it came then, in the mean of those years.
    return None if now.grams else all_year / len(comparable)


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
