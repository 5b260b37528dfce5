"""Which recorded inputs count for an area and period: no I/O, no web, no database.

Each mass is counted once. In time: a year's own record, or its twelve months; never both, which recording refuses. In
the tree: an area's own records, or what its child areas add up to. Of each kind the sources add up, and a source that
reported some months of a year must have reported all that are asked for: a month without a report is not 0, a report
of 0 is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from itertools import chain
from typing import Literal

from service.periods import Period

Kind = Literal["cleared", "kitchen_treated", "recyclables"]
WHOLE_YEAR = tuple(range(1, 13))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One input in its latest version."""

    area_id: str
    period: Period
    kind: Kind
    source: str
    version: int
    grams: int
    document: str
    recorded_at: datetime


# Of one source: by month, or under None the whole year's.
ByMonth = Mapping[int | None, Recorded]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was recorded for one year in a tree of areas: `records` by (area, kind) and source."""

    year: int
    children: Mapping[str, Sequence[str]]
    records: Mapping[tuple[str, str], Mapping[str, ByMonth]]

    @classmethod
    def of(cls, year: int, parents: Mapping[str, str | None], inputs: Iterable[Recorded]) -> "Evidence":
        """`parents` maps each area to its parent; `inputs` are of that year and in their latest version."""
        children: dict[str, list[str]] = {}
        for area_id, parent_id in sorted(parents.items()):
            if parent_id is not None:
                children.setdefault(parent_id, []).append(area_id)
        records: dict[tuple[str, str], dict[str, dict[int | None, Recorded]]] = {}
        for each in inputs:
            sources = records.setdefault((each.area_id, each.kind), {})
            sources.setdefault(each.source, {})[each.period.month] = each
        return cls(year, children, records)

    def own(self, area_id: str, kind: str) -> Mapping[str, ByMonth]:
        return self.records.get((area_id, kind), {})

    def subtree(self, area_id: str) -> Iterable[str]:
        """The area, and all below it."""
        return chain([area_id], *(self.subtree(child) for child in self.children.get(area_id, ())))


def counted(evidence: Evidence, area_id: str, kind: str, months: tuple[int, ...]) -> list[Recorded] | None:
    """The records that make up this kind's mass in these months; None where some of it was not recorded."""
    own = evidence.own(area_id, kind)
    if own:
        return _all_or_none(_covering(by_month, months) for _, by_month in sorted(own.items()))
    children = evidence.children.get(area_id)
    if not children:
        return None
    return _all_or_none(counted(evidence, child, kind, months) for child in children)


def _covering(by_month: ByMonth, months: tuple[int, ...]) -> list[Recorded] | None:
    if months == WHOLE_YEAR and None in by_month:
        return [by_month[None]]
    return [by_month[month] for month in months] if all(month in by_month for month in months) else None


def _all_or_none(parts: Iterable[list[Recorded] | None]) -> list[Recorded] | None:
    found: list[Recorded] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return found


def recovered(
    evidence: Evidence, area_id: str, months: tuple[int, ...], counted_above: frozenset[str] = frozenset()
) -> list[Recorded]:
    """The recyclables recorded in these months, of whichever sources reported; what did not is only not counted.

    What an area reports of a source stands for all below it, so the same source there is not counted again.
    """
    own = {
        source: by_month
        for source, by_month in sorted(evidence.own(area_id, "recyclables").items())
        if source not in counted_above
    }
    found: list[Recorded] = []
    for by_month in own.values():
        if months == WHOLE_YEAR and None in by_month:
            found.append(by_month[None])
        else:
            found += [by_month[month] for month in months if month in by_month]
    for child in evidence.children.get(area_id, ()):
        found += recovered(evidence, child, months, counted_above | own.keys())
    return found


def months_counted(
    evidence: Evidence, area_id: str, period: Period, today: date, needs: Sequence[str]
) -> tuple[int, ...]:
    """The months that a rate for `period` can be made of.

    Those of the period; but of the year that `today` is in, where not all is recorded, January up to the last month
    for which what the formula needs is: all masses are then of these same months.
    """
    if period.month is not None or period.year != today.year:
        return period.months
    spans = [WHOLE_YEAR, *(WHOLE_YEAR[:last] for last in range(min(today.month, 11), 0, -1))]
    # The first of the best: the longest.
    return max(spans, key=lambda months: sum(counted(evidence, area_id, kind, months) is not None for kind in needs))


def months_present(evidence: Evidence, area_id: str, kind: str, period: Period) -> frozenset[int]:
    """The months of the period that are recorded completely; a year's record is no month's."""
    own = evidence.own(area_id, kind)
    if own:
        parts = [_months_of(by_month, period) for by_month in own.values()]
    else:
        parts = [months_present(evidence, child, kind, period) for child in evidence.children.get(area_id, ())]
    return frozenset.intersection(*parts) if parts else frozenset()


def _months_of(by_month: ByMonth, period: Period) -> frozenset[int]:
    if period.month is None and None in by_month:
        return frozenset(WHOLE_YEAR)
    return frozenset(month for month in by_month if month in period.months)


def sources_present(evidence: Evidence, area_id: str, period: Period) -> dict[str, frozenset[int]]:
    """The sources of recyclables in the area or below, each with the months that any area reported."""
    present: dict[str, frozenset[int]] = {}
    for each in evidence.subtree(area_id):
        for source, by_month in evidence.own(each, "recyclables").items():
            present[source] = present.get(source, frozenset()) | _months_of(by_month, period)
    return dict(sorted(present.items()))


def areas_missing(evidence: Evidence, area_id: str, kind: str, months: tuple[int, ...]) -> list[str]:
    """Where this kind lacks records: the area itself, or those of its children that stop the sum."""
    if counted(evidence, area_id, kind, months) is not None:
        return []
    known = any(evidence.own(each, kind) for each in evidence.subtree(area_id))
    if evidence.own(area_id, kind) or not known:
        return [area_id]
    return [
        missing
        for child in evidence.children.get(area_id, ())
        for missing in areas_missing(evidence, child, kind, months)
    ]


def target_rate(per_mille_by_year: Mapping[int, int], year: int) -> Fraction | None:
    """The year's target, or what lies on the straight line between the given years around it; None outside them."""
    if year in per_mille_by_year:
        return Fraction(per_mille_by_year[year], 1000)
    before = max((given for given in per_mille_by_year if given < year), default=None)
    after = min((given for given in per_mille_by_year if given > year), default=None)
    if before is None or after is None:
        return None
    step = Fraction(per_mille_by_year[after] - per_mille_by_year[before], after - before)
    return (per_mille_by_year[before] + step * (year - before)) / 1000
