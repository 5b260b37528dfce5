"""What recorded or withdrawn inputs make due: pure.

Who begins to report waste of an area owes the other months of that year, and the year after. Where others had reported
it, months of which it was known are not known any more until they are recorded: whoever records is told these at once,
and does not find it out from the public page. The first to report of an area takes no month away, and is told none.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from service.indicator.evidence import Evidence, Line, Tree
from service.indicator.kinds import KINDS, Kind
from service.indicator.recording import Effect, Identity
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


@dataclass(frozen=True, slots=True)
class Changes:
    """Where inputs of a kind are recorded or withdrawn, and the years in which somebody may begin or end to owe."""

    kind: Kind
    area_ids: frozenset[str]
    years: frozenset[int]
    today: date

    @classmethod
    def of(cls, kind: Kind, identities: Iterable[Identity], today: date) -> "Changes":
        places = {(area_id, period.year) for area_id, period, _, _, _ in identities}
        # Who reports in a year is missed in the next.
        years = {each for _, year in places for each in (year, year + 1) if Period(each).begun(today)}
        return cls(kind, frozenset(area_id for area_id, _ in places), frozenset(years), today)

    def way_up(self, tree: Tree) -> list[str]:
        """The areas, and all that they lie in."""
        return list(dict.fromkeys(around for each in sorted(self.area_ids) for around in tree.upwards(each)))


def unsettled(before: Evidence, after: Evidence, changes: Changes) -> frozenset[str]:
    """Of the areas on the way up those that cannot be looked at without what is reported below them.

    An area that reports itself needs none of its parts. One that does not and lies around a changed one knows no month
    that its part does not know, and loses none that the part does not lose: it need not be looked at. It must be where
    a source of its own fell silent, for whether that one is missed depends on where it reports now; and where all that
    a part has is withdrawn, for then the part is missed in it.
    """
    found: set[str] = set()
    for year in changes.years:
        was, now, was_before, now_before = (
            {area: _reporters(evidence, changes.kind, area, each) for area in changes.way_up(after.tree)}
            for each in (year, year - 1)
            for evidence in (before, after)
        )
        emptied = {each for each in changes.area_ids if was[each] and not now[each]}
        around = {each for area in emptied for each in after.tree.upwards(area)}
        for area in was:
            is_silent = bool(was_before[area] - was[area] or now_before[area] - now[area])
            needs_parts = area in changes.area_ids | around and not (was[area] and now[area])
            if is_silent or needs_parts:
                found.add(area)
    return frozenset(found)


def _reporters(evidence: Evidence, kind: Kind, area_id: str, year: int) -> set[tuple[str, str | None]]:
    return {(each.source, each.material) for each in evidence.own(kind.id, area_id) if each.period.year == year}


def newly_due(before: Evidence, after: Evidence, changes: Changes, areas: Collection[str]) -> list[Due]:
    """Of a kind without which there is no rate: the begun months that were known of `areas`, the changed ones and those
    around them, and are not any more, each with who owes them."""
    found: dict[tuple[str, str, str], tuple[Line, set[Period]]] = {}
    for around in changes.way_up(after.tree):
        if around not in areas:
            continue
        for year in changes.years:
            period = Period(year)
            known = set(period.begun(changes.today))
            for line in before.lines(changes.kind, around, period):
                known &= line.months_present
            for line in after.lines(changes.kind, around, period) if known else ():
                # Where nobody reports any more, the area itself owes it, and not each around it once more.
                if line == Line(changes.kind.id, around) and around not in changes.area_ids:
                    continue
                who = line.area_id, line.source or "", line.material or ""
                _, months = found.setdefault(who, (line, set()))
                months |= known - line.months_present
    return [Due(line, tuple(sorted(months))) for _, (line, months) in sorted(found.items()) if months]
