"""What recorded or withdrawn inputs make due: pure.

Who reports waste of an area for the first time owes the other months of that year, and the year after; until they are
recorded the area has no rate of them. Whoever records is told at once, and does not find it out from the public page.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from service.indicator.evidence import Evidence, Line
from service.indicator.kinds import KINDS, Kind
from service.indicator.recording import Effect
from service.periods import Period


@dataclass(frozen=True, slots=True)
class Due:
    """Months that a line owes, and did not owe before."""

    line: Line
    months: tuple[Period, ...]


def can_make_due(effect: Effect) -> bool:
    """Whether somebody may begin or end to owe by it: a correction makes nothing due, recyclables come from many, and a
    share is no one's duty."""
    kind = KINDS[effect.entry.kind]
    return effect.kind in ("new", "withdrawal") and kind.unit == "grams" and not kind.streams


def newly_due(
    before: Evidence, after: Evidence, kind: Kind, area_ids: Collection[str], years: Collection[int], today: date
) -> list[Due]:
    """Of a kind without which there is no rate: the months, begun by `today`, that were known of these areas or of
    those around them and are not any more, each with who owes them."""
    found: dict[tuple[str, str | None, str | None], tuple[Line, set[Period]]] = {}
    for around in dict.fromkeys(around for each in sorted(area_ids) for around in after.tree.upwards(each)):
        for year in sorted(years):
            period = Period(year)
            known = set(period.begun(today))
            for line in before.lines(kind, around, period):
                known &= line.months_present
            for line in after.lines(kind, around, period):
                # Where nobody reports any more, the area itself owes it, and not each around it once more.
                if line == Line(kind.id, around) and around not in area_ids:
                    continue
                _, months = found.setdefault((line.area_id, line.source, line.material), (line, set()))
                months |= known - line.months_present
    return [Due(line, tuple(sorted(months))) for line, months in found.values() if months]
