"""What makes a factor set, what is wrong with one, and when each is in force. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

# A first choice may be from here: all drops that there were and will be count by it. The driver writes it as -infinity.
SINCE_EVER: Final = date.min


class FactorLine(NamedTuple):
    """What a kilogram of a material avoids, and the row of the method that it is taken from."""

    material_id: str
    milligrams_co2e_per_kg: int
    stands_for: str


class SetNames(NamedTuple):
    """All of a set but its factors. `source`: who published it, which edition and page."""

    id: str
    name: str
    name_en: str
    source: str
    note: str | None


class Mistake(NamedTuple):
    """What is wrong with one field of one factor; `position` counts from 0."""

    position: int
    field: str
    code: str
    detail: str
    detail_zh: str


def digest_of(names: SetNames, factors: Iterable[FactorLine]) -> bytes:
    """SHA-256 over the set's names, a line each, and its factors, a line each with tabs between, by material: what
    makes two imports the same, in whatever order their rows are. No field has a tab or a line break in it."""
    lines = [f"{each.material_id}\t{each.milligrams_co2e_per_kg}\t{each.stands_for}" for each in sorted(factors)]
    return hashlib.sha256("\n".join([*names[:4], names.note or "", *lines]).encode()).digest()


def mistakes_in(material_ids: Sequence[str], known: Collection[str]) -> list[Mistake]:
    """A material that is not `known`, or is there twice: all of them, in order."""
    found = []
    seen: set[str] = set()
    for position, material_id in enumerate(material_ids):
        if material_id not in known:
            detail = f"There is no material {material_id}. There are: {', '.join(sorted(known)) or 'none yet'}."
            zh = f"没有品类“{material_id}”。现有：{'、'.join(sorted(known)) or '尚无'}。"
            found.append(Mistake(position, "material", "material_unknown", detail, zh))
        elif material_id in seen:
            detail = f"{material_id} is there twice; a set has one factor for each material."
            zh = f"“{material_id}”出现了两次，每个品类只有一个因子，请只留一行。"
            found.append(Mistake(position, "material", "repeated", detail, zh))
        seen.add(material_id)
    return found


class Span(NamedTuple):
    """Business days on which a set is in force: from `first_day` until before `next_day`, or for ever."""

    set_id: str
    first_day: date
    next_day: date | None


def spans_of(choices: Sequence[tuple[date, str]]) -> list[Span]:
    """`choices` are (effective from, set), by day and then as they were written. Of two from the same day the later
    holds; a set that follows itself goes on."""
    starts = list(dict(choices).items())
    merged: list[tuple[date, str]] = []
    for day, set_id in starts:
        if not merged or merged[-1][1] != set_id:
            merged.append((day, set_id))
    ends: list[date | None] = [day for day, _ in merged[1:]]
    return [Span(set_id, day, end) for (day, set_id), end in zip(merged, [*ends, None][: len(merged)], strict=True)]


def last_day_of(span: Span) -> date | None:
    return None if span.next_day is None else span.next_day - timedelta(days=1)
