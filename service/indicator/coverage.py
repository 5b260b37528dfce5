"""What a figure's masses stand for, and what was weighed elsewhere on the way: no I/O."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from schemas.indicator import BinCoverage, Coverage, KindCoverage, MissingLine, NotCounted
from service.indicator.basis import Basis
from service.indicator.evidence import BINS, Evidence, Line, masses_without_share
from service.indicator.figure import Figure
from service.indicator.formulas import RATE_DIGITS, decimal_text
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING, Kind
from service.indicator.volume_queries import BinSites
from service.periods import Period


class Counted(NamedTuple):
    """A kind's coverage, with how many reports were due and came."""

    coverage: KindCoverage
    due: int
    present: int


def kinds_counted(figure: Figure) -> list[tuple[Kind, bool]]:
    """The recorded kinds that the figure is made of, each with whether there is no rate without it."""
    found: dict[str, bool] = {}
    for each in figure.sums:
        if each.quantity.mass is not None:
            found[each.quantity.mass] = True
        else:
            origins = WAYS_OF_COUNTING["origin"]
            found |= {kind: kind not in origins for kind in WAYS_OF_COUNTING[figure.counted_at]}
    return [(KINDS[kind], needed) for kind, needed in found.items() if KINDS[kind].recorded]


def coverage_of(basis: Basis, figure: Figure, sites: BinSites, today: date) -> Coverage:
    """Of the months that have begun."""
    evidence, period = basis.evidence, figure.period
    begun = period.begun(today)
    counted: list[Counted] = []
    for kind, needed in kinds_counted(figure):
        reported = evidence.reported_lines(kind, figure.area_id, period)
        # Beside what a rate needs, whoever else reports of it.
        lines = list(dict.fromkeys([*evidence.lines(kind, figure.area_id, period), *reported])) if needed else reported
        counted.append(_of_kind(evidence, kind, needed, lines, begun))
    counted += [_of_share(evidence, figure, each.quantity.id) for each in figure.sums if each.quantity.share]
    months = dict.fromkeys(each.period for each in evidence.within(BINS, figure.area_id, period) if each.amount > 0)
    return Coverage(
        share=_share(sum(each.present for each in counted), sum(each.due for each in counted)),
        kinds=[each.coverage for each in counted],
        bins=BinCoverage(
            sites=sites.sites,
            sites_with_volume=sites.sites_with_volume,
            months_with_volume=[str(month) for month in sorted(months)],
            held_grams=sum(grams for month, grams in basis.held_grams.items() if month in period),
        ),
    )


def _of_kind(evidence: Evidence, kind: Kind, needed: bool, lines: Sequence[Line], begun: Sequence[Period]) -> Counted:
    missing: list[MissingLine] = []
    months_missing: set[Period] = set()
    due = absent = 0
    for line in lines:
        expected = evidence.due(line, begun)
        not_there = sorted(expected - line.months_present)
        due, absent = due + len(expected), absent + len(not_there)
        months_missing.update(not_there)
        if not_there:
            months = [str(month) for month in not_there]
            missing.append(MissingLine(area=line.area_id, source=line.source, material=line.material, months=months))
    coverage = KindCoverage(
        kind=kind.id,
        needed=needed,
        share=_share(due - absent, due),
        months_present=[str(month) for month in begun if month not in months_missing and lines],
        missing=missing,
    )
    return Counted(coverage, due, due - absent)


def _of_share(evidence: Evidence, figure: Figure, quantity_id: str) -> Counted:
    """Of a share one is due for each area that has a mass; months it has none of its own."""
    [found] = [each for each in figure.sums if each.quantity.id == quantity_id]
    lines = masses_without_share(evidence, found.quantity, figure.area_id, figure.period)
    present = len({used.input.area_id for used in found.used} - {line.area_id for line in lines})
    due = present + len(lines)
    coverage = KindCoverage(
        kind=found.quantity.share or "",
        needed=True,
        share=_share(present, due),
        months_present=[],
        missing=[MissingLine(area=line.area_id, source=None, material=None, months=[]) for line in lines],
    )
    return Counted(coverage, due, present)


def _share(present: int, due: int) -> str | None:
    return None if due == 0 else decimal_text(Fraction(present, due), RATE_DIGITS)


def not_counted(evidence: Evidence, figure: Figure) -> list[NotCounted]:
    """Recyclables that were weighed at other points of the way than the figure counts them at."""
    counted = WAYS_OF_COUNTING[figure.counted_at]
    found: list[NotCounted] = []
    for kind in KINDS.values():
        if not kind.streams or kind.id in counted or kind.point is None:
            continue
        records = evidence.within(kind.id, figure.area_id, figure.period)
        if records:
            found.append(
                NotCounted(
                    kind=kind.id,
                    counting_point=kind.point,
                    grams=sum(each.amount for each in records),
                    same_as=[each for each in counted if KINDS[each].streams & kind.streams],
                )
            )
    return found
