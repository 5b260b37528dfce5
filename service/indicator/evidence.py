"""What the recorded inputs add up to: no I/O, no web, no database.

All records of a kind in an area and below add up, and so do those of all months of a period: recording refuses what
would stand there twice (service/indicator/recording.py). So sums are additive along the tree and along time. What is
not recorded is never taken for 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import cached_property

from service.indicator.formulas import QUANTITIES, Formula, Quantity
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING, WHOLE_PPM, CountedAt, Kind
from service.periods import YEAR_MONTHS, Period

BINS = "bin_recyclables"


@dataclass(frozen=True, slots=True)
class Document:
    """Where a figure was taken from. Date and digest (hexadecimal) are None of what was recorded before they were asked
    for, and of what bins weighed."""

    name: str
    day: date | None
    sha256: str | None

    def is_same(self, other: "Document") -> bool:
        """By the digest where both have one: a file may have been given another name."""
        if self.sha256 is not None and other.sha256 is not None:
            return self.sha256 == other.sha256
        return self == other


@dataclass(frozen=True, slots=True)
class Recorded:
    """An input in its latest version; `amount` in the unit of its kind. `id` is None for what bins weighed."""

    id: int | None
    area_id: str
    period: Period
    kind: str
    source: str
    material: str | None
    version: int
    amount: int
    document: Document | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """Areas by their parents; the root has none."""

    parents: Mapping[str, str | None]

    def upwards(self, area_id: str) -> Iterator[str]:
        """The area, and each area it lies in."""
        at: str | None = area_id
        while at is not None:
            yield at
            at = self.parents.get(at)

    def children(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {}
        for area_id, parent_id in sorted(self.parents.items()):
            if parent_id is not None:
                below.setdefault(parent_id, []).append(area_id)
        return below

    def subtree(self, area_id: str) -> frozenset[str]:
        """The area, and all below it."""
        below = self.children()
        found, at = {area_id}, [area_id]
        while at:
            children = below.get(at.pop(), ())
            found.update(children)
            at.extend(children)
        return frozenset(found)

    def on_one_line(self, area_id: str, other_id: str) -> bool:
        """Whether they are the same, or one lies in the other."""
        return area_id in self.upwards(other_id) or other_id in self.upwards(area_id)


@dataclass(frozen=True, slots=True)
class Line:
    """What should be reported: a kind, of an area, by a source; by anyone where the source is None.

    `coarser`: longer periods that were reported instead of the months that were asked for.
    """

    kind: str
    area_id: str
    source: str | None
    months_present: frozenset[Period] = frozenset()
    coarser: tuple[Period, ...] = ()


@dataclass(frozen=True, slots=True)
class Used:
    """An input that was counted, and the share that it was multiplied with where its quantity has one."""

    input: Recorded
    share: Recorded | None = None

    @property
    def grams(self) -> Fraction:
        part = Fraction(1) if self.share is None else Fraction(self.share.amount, WHOLE_PPM)
        return self.input.amount * part


@dataclass(frozen=True, slots=True)
class Sum:
    """A quantity: what was counted, and what is missing. `stands_in_for`: the quantity it is taken in place of."""

    quantity: Quantity
    used: Sequence[Used]
    missing: Sequence[Line]
    stands_in_for: str | None = None

    @property
    def grams(self) -> Fraction:
        return sum((each.grams for each in self.used), Fraction(0))

    @property
    def is_whole(self) -> bool:
        return not self.missing


class Evidence:
    """What counts of the inputs, of the areas in `tree`. Immutable.

    `expected`: lines that are to be reported though nothing came yet, scrap stations' for instance, by (kind, area,
    source) with the months of their duty.
    """

    def __init__(
        self,
        tree: Tree,
        records: Iterable[Recorded],
        expected: Mapping[tuple[str, str, str], frozenset[Period]] | None = None,
    ) -> None:
        self.tree = tree
        self._expected = expected or {}
        self._records: dict[tuple[str, str], list[Recorded]] = {}
        for each in sorted(records, key=_in_order):
            self._records.setdefault((each.kind, each.area_id), []).append(each)

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        return self.tree.children()

    def subtree(self, area_id: str) -> Iterator[str]:
        """The area, and all below it."""
        yield area_id
        for child in self._children.get(area_id, ()):
            yield from self.subtree(child)

    def own(self, kind: str, area_id: str) -> Sequence[Recorded]:
        """All records of just this area."""
        return self._records.get((kind, area_id), ())

    def within(self, kind: str, area_id: str, period: Period) -> list[Recorded]:
        """What counts of a kind in the area and below, in the period."""
        return [each for area in self.subtree(area_id) for each in self.own(kind, area) if each.period in period]

    def share_for(self, kind: str, mass: Recorded) -> Recorded | None:
        """The share of the mass's own area, or the nearest above it, that was recorded for a period around its own."""
        for area_id in self.tree.upwards(mass.area_id):
            for each in self.own(kind, area_id):
                if mass.period in each.period:
                    return each
        return None

    def lines(self, kind: Kind, area_id: str, period: Period) -> list[Line]:
        """Each line of a kind that the period's year knows, with the months of the period that are reported.

        Where an area has none of its own, each of its child areas must have some; where there is none at all, the area
        itself is the line that is missing.
        """
        own = self._sources(kind.id, area_id, period.year)
        if own:
            below = [
                line
                for each in self.subtree(area_id)
                if each != area_id
                for line in self._own_lines(kind.id, each, period)
            ]
            return [*self._own_lines(kind.id, area_id, period), *below]
        if not any(self._sources(kind.id, each, period.year) for each in self.subtree(area_id)):
            return [Line(kind.id, area_id, None)]
        return [line for child in self._children[area_id] for line in self.lines(kind, child, period)]

    def reported_lines(self, kind: Kind, area_id: str, period: Period) -> list[Line]:
        """Each line that reported in the period's year or in the year before, or is expected to."""
        found: dict[tuple[str, str], Line] = {}
        for each in self.subtree(area_id):
            for year in (period.year, period.year - 1):
                for source in self._sources(kind.id, each, year):
                    found.setdefault((each, source), self._line(kind.id, each, source, period))
        for expected_kind, area, source in self._expected:
            if expected_kind == kind.id and area_id in self.tree.upwards(area):
                found.setdefault((area, source), self._line(kind.id, area, source, period))
        return [found[key] for key in sorted(found)]

    def due(self, line: Line, months: Sequence[Period]) -> frozenset[Period]:
        """Of `months`, those for which the line is to report."""
        duty = self._expected.get((line.kind, line.area_id, line.source or ""))
        return frozenset(months) if duty is None else frozenset(months) & duty

    def _own_lines(self, kind: str, area_id: str, period: Period) -> list[Line]:
        return [self._line(kind, area_id, source, period) for source in self._sources(kind, area_id, period.year)]

    def _line(self, kind: str, area_id: str, source: str, period: Period) -> Line:
        spans = {each.period for each in self.own(kind, area_id) if each.source == source}
        present = frozenset(month for each in spans if each in period for month in each.months)
        coarser = sorted(each for each in spans if each not in period and each.overlaps(period))
        return Line(kind, area_id, source, present, tuple(coarser))

    def _sources(self, kind: str, area_id: str, year: int) -> list[str]:
        return sorted({each.source for each in self.own(kind, area_id) if each.period.year == year})


def _in_order(each: Recorded) -> tuple[str, Period, str, str, str]:
    """The same whatever order they were recorded in."""
    return each.area_id, each.period, each.kind, each.source, each.material or ""


def sums_of(evidence: Evidence, formula: Formula, area_id: str, period: Period, counted_at: CountedAt) -> list[Sum]:
    """What the formula is made of, in the order it needs it; a stand-in where what it needs is not whole."""
    found: list[Sum] = []
    for quantity_id in formula.needed(counted_at):
        wanted = sum_of(evidence, QUANTITIES[quantity_id], area_id, period, counted_at)
        stand_in = formula.stand_ins.get(quantity_id)
        if not wanted.is_whole and stand_in is not None:
            instead = sum_of(evidence, QUANTITIES[stand_in], area_id, period, counted_at)
            if instead.is_whole:
                wanted = Sum(instead.quantity, instead.used, (), stands_in_for=quantity_id)
        found.append(wanted)
    return found


def sum_of(evidence: Evidence, quantity: Quantity, area_id: str, period: Period, counted_at: CountedAt) -> Sum:
    """One quantity, with what is missing of it."""
    kinds = WAYS_OF_COUNTING[counted_at] if quantity.mass is None else (quantity.mass,)
    masses = [each for kind in kinds for each in evidence.within(kind, area_id, period)]
    missing = missing_of(evidence, quantity, area_id, period, counted_at)
    if quantity.share is None:
        return Sum(quantity, [Used(each) for each in masses], missing)
    shares = [(each, evidence.share_for(quantity.share, each)) for each in masses]
    return Sum(quantity, [Used(each, share) for each, share in shares if share is not None], missing)


def missing_of(
    evidence: Evidence, quantity: Quantity, area_id: str, period: Period, counted_at: CountedAt
) -> list[Line]:
    """What must be recorded before the quantity is known.

    Of recyclables that are counted at their origin none is ever missing: who reports none is shown by the coverage,
    and is only not counted.
    """
    if quantity.mass is not None:
        needed: tuple[str, ...] = (quantity.mass,)
    else:
        needed = tuple(kind for kind in WAYS_OF_COUNTING[counted_at] if kind not in WAYS_OF_COUNTING["origin"])
    missing = [
        line
        for kind in needed
        for line in evidence.lines(KINDS[kind], area_id, period)
        if not line.months_present.issuperset(period.months)
    ]
    if quantity.share is not None and quantity.mass is not None:
        missing += [
            Line(quantity.share, each.area_id, None)
            for each in evidence.within(quantity.mass, area_id, period)
            if evidence.share_for(quantity.share, each) is None
        ]
    return list(dict.fromkeys(missing))


def is_known(evidence: Evidence, formula: Formula, area_id: str, period: Period, counted_at: CountedAt) -> bool:
    """Whether all that the formula needs is recorded for all of the period."""
    return all(
        not missing_of(evidence, QUANTITIES[wanted], area_id, period, counted_at)
        or (stand_in is not None and not missing_of(evidence, QUANTITIES[stand_in], area_id, period, counted_at))
        for wanted in formula.needed(counted_at)
        for stand_in in (formula.stand_ins.get(wanted),)
    )


def year_to_date(
    evidence: Evidence, formula: Formula, area_id: str, year: int, counted_at: CountedAt, today: date
) -> Period:
    """January up to the last month for which all that the formula needs is recorded, the whole year where it is
    recorded as a whole; up to the last month that has begun where there is none, so that what is missing is told."""
    begun = Period(year).begun(today)
    last = begun[-1].last_month if begun else 1
    for month in (YEAR_MONTHS, *range(last, 0, -1)):
        period = Period(year, 1, month)
        if is_known(evidence, formula, area_id, period, counted_at):
            return period
    return Period(year, 1, last)
