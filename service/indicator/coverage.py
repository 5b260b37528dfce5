"""What a figure's masses stand for, and what was weighed elsewhere on the way: pure but for the answer's models."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from schemas.indicator import BinCoverage, Coverage, KindCoverage, MissingLine, NotCounted
from service.indicator.basis import Basis
from service.indicator.evidence import BINS, Evidence, Line
from service.indicator.figure import Figure
from service.indicator.formulas import RATE_DIGITS, decimal_text
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING, Kind
from service.periods import Period


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


def coverage_of(basis: Basis, figure: Figure, sites: sa.Row[Any], today: date) -> Coverage:
    """Of the months that have begun; `sites` are the sites of the area and how many of them had volume."""
    evidence, period = basis.evidence, figure.period
    begun = period.begun(today)
    covered: list[KindCoverage] = []
    present = due = 0
    for kind, needed in kinds_counted(figure):
        if needed:
            lines = evidence.lines(kind, figure.area_id, period)
        else:
            lines = evidence.reported_lines(kind, figure.area_id, period)
        of_kind = _kind_coverage(evidence, kind, needed, lines, begun)
        covered.append(of_kind)
        expected = sum(len(evidence.due(line, begun)) for line in lines)
        due += expected
        present += expected - sum(len(line.months) for line in of_kind.missing)
    months = [each.period for each in evidence.within(BINS, figure.area_id, period) if each.amount > 0]
    return Coverage(
        share=_share(present, due),
        kinds=covered,
        bins=BinCoverage(
            sites=sites.sites,
            sites_with_volume=sites.sites_with_volume,
            months_with_volume=[str(month) for month in months],
            held_grams=sum(grams for month, grams in basis.held_grams.items() if month in period),
        ),
    )


def _kind_coverage(
    evidence: Evidence, kind: Kind, needed: bool, lines: Sequence[Line], begun: Sequence[Period]
) -> KindCoverage:
    missing: list[MissingLine] = []
    months_missing: set[Period] = set()
    due = absent = 0
    for line in lines:
        expected = evidence.due(line, begun)
        not_there = sorted(expected - line.months_present)
        due, absent = due + len(expected), absent + len(not_there)
        months_missing.update(not_there)
        if not_there:
            missing.append(
                MissingLine(area=line.area_id, source=line.source, months=[str(month) for month in not_there])
            )
    return KindCoverage(
        kind=kind.id,
        needed=needed,
        share=_share(due - absent, due),
        months_present=[str(month) for month in begun if month not in months_missing and lines],
        missing=missing,
    )


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
