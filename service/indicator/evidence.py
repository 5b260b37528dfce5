"""What the recorded inputs add up to: no I/O, no web, no database.

All records of a kind in an area and below add up, and so do those of all months of a period: recording refuses what
would stand there twice (service/indicator/recording.py). So sums are additive along the tree and along time. What is
not recorded is never taken for 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import TypeAlias

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


class Tree:
    """Areas by their parents; the root has none. `names` are Chinese and English."""

    def __init__(self, parents: Mapping[str, str | None], names: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.parents = parents
        self._names = names or {}
        self._children: dict[str, list[str]] = {}
        for area_id, parent_id in sorted(parents.items()):
            if parent_id is not None:
                self._children.setdefault(parent_id, []).append(area_id)

    def name_of(self, area_id: str) -> tuple[str, str]:
        """Chinese and English; the id where there is none."""
        return self._names.get(area_id, (area_id, area_id))

    def upwards(self, area_id: str) -> Iterator[str]:
        """The area, and each area it lies in."""
        at: str | None = area_id
        while at is not None:
            yield at
            at = self.parents.get(at)

    def children(self, area_id: str) -> Sequence[str]:
        """Those that lie in it and in no area between; in order."""
        return self._children.get(area_id, ())

    def subtree(self, area_id: str) -> Iterator[str]:
        """The area, and all below it."""
        yield area_id
        for child in self.children(area_id):
            yield from self.subtree(child)

    def on_one_line(self, area_id: str, other_id: str) -> bool:
        """Whether they are the same, or one lies in the other."""
        return area_id in self.upwards(other_id) or other_id in self.upwards(area_id)


@dataclass(frozen=True, slots=True)
class Line:
    """What should be reported: a kind, of an area, by a source, and by material where it reports so; by anyone where
    the source is None.

    `coarser`: longer periods that were reported instead of the months that were asked for.
    """

    kind: str
    area_id: str
    source: str | None = None
    material: str | None = None
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


# Of one kind and area: what each source reported of each material.
Reports: TypeAlias = Mapping[tuple[str, str | None], Sequence[Recorded]]


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
        self._reports: dict[tuple[str, str], dict[tuple[str, str | None], list[Recorded]]] = {}
        # Where a source of a kind reported in a year.
        self._places: dict[tuple[str, str, int], set[tuple[str, str | None]]] = {}
        # The areas, in order, in which a kind is reported at all: by each area that they are or lie in.
        self._reporting: dict[tuple[str, str], list[str]] = {}
        for each in sorted(records, key=_in_order):
            if (each.kind, each.area_id) not in self._records:
                for around in tree.upwards(each.area_id):
                    self._reporting.setdefault((each.kind, around), []).append(each.area_id)
            self._records.setdefault((each.kind, each.area_id), []).append(each)
            of_area = self._reports.setdefault((each.kind, each.area_id), {})
            of_area.setdefault((each.source, each.material), []).append(each)
            places = self._places.setdefault((each.kind, each.source, each.period.year), set())
            places.add((each.area_id, each.material))

    def own(self, kind: str, area_id: str) -> Sequence[Recorded]:
        """All records of just this area."""
        return self._records.get((kind, area_id), ())

    def within(self, kind: str, area_id: str, period: Period) -> list[Recorded]:
        """What counts of a kind in the area and below, in the period."""
        return [each for area in self.tree.subtree(area_id) for each in self.own(kind, area) if each.period in period]

    def share_for(self, kind: str, mass: Recorded) -> Recorded | None:
        """The share of the mass's own area, or the nearest above it, that was recorded for a period around its own."""
        for area_id in self.tree.upwards(mass.area_id):
            for each in self.own(kind, area_id):
                if mass.period in each.period:
                    return each
        return None

    def lines(self, kind: Kind, area_id: str, period: Period) -> list[Line]:
        """Each line that a kind without which there is no rate must have, with what is reported of it.

        An area's own, where it reports itself: parts of it may report beside it. Where it does not and a part of it
        does, each part must; where nobody does, the area itself is the line that is missing. Who reports beside it, but
        only for a longer period than was asked for, is missing too: what part of that mass is of the period nobody
        knows.
        """
        needed = self._needed_lines(kind.id, area_id, period) or [Line(kind.id, area_id)]
        if period.is_year:
            # Nobody reports for longer.
            return needed
        told = {(line.area_id, line.source, line.material) for line in needed}
        beside = (
            line
            for area in self._reporting.get((kind.id, area_id), ())
            for line in self._own_lines(kind.id, area, period)
            if line.coarser
        )
        return [*needed, *(line for line in beside if (line.area_id, line.source, line.material) not in told)]

    def _needed_lines(self, kind: str, area_id: str, period: Period) -> list[Line]:
        own = self._own_lines(kind, area_id, period)
        if own:
            return own
        below = {child: self._needed_lines(kind, child, period) for child in self.tree.children(area_id)}
        if not any(below.values()):
            return []
        return [line for child, lines in below.items() for line in lines or [Line(kind, child)]]

    def reported_lines(self, kind: Kind, area_id: str, period: Period) -> list[Line]:
        """Each line that reports, or is expected to."""
        areas = frozenset(self.tree.subtree(area_id))
        found = [line for area in sorted(areas) for line in self._own_lines(kind.id, area, period)]
        reporting = {(line.area_id, line.source) for line in found}
        found += [
            Line(kind.id, area, source)
            for expected_kind, area, source in self._expected
            if expected_kind == kind.id and area in areas and (area, source) not in reporting
        ]
        return sorted(found, key=lambda line: (line.area_id, line.source or "", line.material or ""))

    def due(self, line: Line, months: Sequence[Period]) -> frozenset[Period]:
        """Of `months`, those for which the line is to report."""
        duty = self._expected.get((line.kind, line.area_id, line.source or ""))
        return frozenset(months) if duty is None else frozenset(months) & duty

    def _own_lines(self, kind: str, area_id: str, period: Period) -> list[Line]:
        """Of just this area: whoever reported in the period's year; and who did in the year before, unless the same
        mass is reported at another level of the tree now. Who falls silent is missed, not taken for 0."""
        found: list[Line] = []
        for (source, material), records in self._reports.get((kind, area_id), {}).items():
            years = {each.period.year for each in records}
            if period.year not in years and (
                period.year - 1 not in years or self._moved(kind, area_id, source, material, period.year)
            ):
                continue
            spans = {each.period for each in records}
            present = frozenset(month for each in spans if each in period for month in each.months)
            coarser = sorted(each for each in spans if each not in period and each.overlaps(period))
            found.append(Line(kind, area_id, source, material, present, tuple(coarser)))
        return found

    def _moved(self, kind: str, area_id: str, source: str, material: str | None, year: int) -> bool:
        return any(
            self.tree.on_one_line(area_id, place) and (material is None or other is None or material == other)
            for place, other in self._places.get((kind, source, year), ())
        )


def _in_order(each: Recorded) -> tuple[str, int, int, int, str, str, str]:
    """The same whatever order they were recorded in. Numbers are compared many times faster than periods."""
    months = each.period.year, each.period.first_month, each.period.last_month
    return each.area_id, *months, each.kind, each.source, each.material or ""


def sums_of(evidence: Evidence, formula: Formula, area_id: str, period: Period, counted_at: CountedAt) -> list[Sum]:
    """What the formula is made of, in the order it needs it; a stand-in where what it needs is not whole."""
    found: list[Sum] = []
    for wanted in formula.needed(counted_at):
        quantity, missing = _taken(evidence, formula, wanted, area_id, period, counted_at)
        used = used_of(evidence, quantity, area_id, period, counted_at)
        found.append(Sum(quantity, used, missing, None if quantity.id == wanted else wanted))
    return found


def is_known(evidence: Evidence, formula: Formula, area_id: str, period: Period, counted_at: CountedAt) -> bool:
    """Whether all that the formula needs is recorded for all of the period."""
    return not any(
        _taken(evidence, formula, wanted, area_id, period, counted_at)[1] for wanted in formula.needed(counted_at)
    )


def _taken(
    evidence: Evidence, formula: Formula, wanted: str, area_id: str, period: Period, counted_at: CountedAt
) -> tuple[Quantity, list[Line]]:
    """The quantity, or what stands in for it, with what is missing of it."""
    quantity = QUANTITIES[wanted]
    missing = missing_of(evidence, quantity, area_id, period, counted_at)
    stand_in = formula.stand_ins.get(wanted)
    if missing and stand_in is not None:
        instead = QUANTITIES[stand_in]
        if not missing_of(evidence, instead, area_id, period, counted_at):
            return instead, []
    return quantity, missing


def sum_of(evidence: Evidence, quantity: Quantity, area_id: str, period: Period, counted_at: CountedAt) -> Sum:
    """One quantity by itself: nothing stands in for it."""
    used = used_of(evidence, quantity, area_id, period, counted_at)
    return Sum(quantity, used, missing_of(evidence, quantity, area_id, period, counted_at))


def used_of(evidence: Evidence, quantity: Quantity, area_id: str, period: Period, counted_at: CountedAt) -> list[Used]:
    """What is recorded of a quantity; a mass without the share that it needs is not among it."""
    kinds = WAYS_OF_COUNTING[counted_at] if quantity.mass is None else (quantity.mass,)
    masses = [each for kind in kinds for each in evidence.within(kind, area_id, period)]
    if quantity.share is None:
        return [Used(each) for each in masses]
    shares = [(each, evidence.share_for(quantity.share, each)) for each in masses]
    return [Used(each, share) for each, share in shares if share is not None]


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
    return [*missing, *masses_without_share(evidence, quantity, area_id, period)]


def masses_without_share(evidence: Evidence, quantity: Quantity, area_id: str, period: Period) -> list[Line]:
    """Of a quantity with a share: a line of the share for each area with a mass that has none."""
    if quantity.share is None or quantity.mass is None:
        return []
    areas = [
        each.area_id
        for each in evidence.within(quantity.mass, area_id, period)
        if evidence.share_for(quantity.share, each) is None
    ]
    return [Line(quantity.share, area) for area in dict.fromkeys(areas)]


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
