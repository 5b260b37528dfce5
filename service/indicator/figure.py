"""The rate that evidence gives by a formula, or why it gives none: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from service.indicator.evidence import Evidence, Line, Sum, Tree, sums_of
from service.indicator.formulas import Formula, Quotient, rate_of
from service.indicator.kinds import CountedAt
from service.indicator.words import (
    Reason,
    contradiction_reason,
    invalid_year_reason,
    missing_reason,
    not_begun_reason,
    not_over_reason,
)
from service.periods import Period


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate with all that it is made of; `rate` and `quotient` are None where something is missing, and `rate` where
    the masses contradict each other."""

    area_id: str
    period: Period
    formula: Formula
    counted_at: CountedAt
    sums: Sequence[Sum]
    quotient: Quotient | None
    rate: Fraction | None
    reason: Reason | None

    def why_none(self, today: date) -> Reason | None:
        """Why there is no rate, told on `today`; None where there is one."""
        if self.rate is None and self.period.first_day > today:
            return not_begun_reason(self.period)
        if self.reason is not None and self.missing and not self.period.is_over(today):
            months_to_come = self.period.begun(today) != self.period.months
            return not_over_reason(self.period, self.reason, months_to_come=months_to_come)
        return self.reason

    @property
    def missing(self) -> list[Line]:
        return list(dict.fromkeys(line for each in self.sums for line in each.missing))

    def grams(self, quantity_id: str) -> Fraction:
        """What is recorded of a quantity; of one that another stands in for, of that one. 0 for one it has not."""
        for each in self.sums:
            if quantity_id in (each.quantity.id, each.stands_in_for):
                return each.grams
        return Fraction(0)


def figure_of(evidence: Evidence, formula: Formula, area_id: str, period: Period, counted_at: CountedAt) -> Figure:
    """Exactly; nothing is estimated."""
    sums = sums_of(evidence, formula, area_id, period, counted_at)
    return figure_of_sums(formula, area_id, period, counted_at, sums, evidence.tree)


def figure_of_sums(
    formula: Formula, area_id: str, period: Period, counted_at: CountedAt, sums: Sequence[Sum], tree: Tree | None = None
) -> Figure:
    """The same from sums that were made before, as those of a publication; areas are named as in `tree`."""
    quotient: Quotient | None = None
    rate: Fraction | None = None
    if formula.valid_from is not None and period.year < formula.valid_from:
        reason: Reason | None = invalid_year_reason(formula.id, formula.valid_from, period)
    elif any(not each.is_whole for each in sums):
        lines = dict.fromkeys(line for each in sums for line in each.missing)
        reason = missing_reason(period, list(lines), tree or Tree({}))
    else:
        quotient = formula.quotient({each.stands_in_for or each.quantity.id: each.grams for each in sums})
        rate = rate_of(quotient)
        reason = contradiction_reason(period, quotient) if rate is None else None
    return Figure(area_id, period, formula, counted_at, sums, quotient, rate, reason)
