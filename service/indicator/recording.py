"""What recording an input comes to, given what is recorded: no I/O, no web, no database.

An input is told by its area, period, kind, source and material. The same again is a correction. What shares a month
with it at the same area, in it or around it, by the same source, would be the same mass a second time, and is refused.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

from service.indicator.evidence import Document, Tree
from service.indicator.kinds import KINDS
from service.periods import Period

Identity: TypeAlias = tuple[str, Period, str, str, str | None]
Rivals: TypeAlias = tuple[str, str, int, int]
# Chinese and English.
Names: TypeAlias = tuple[str, str]
EffectKind = Literal["new", "correction", "unchanged", "withdrawal"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody wants recorded; `amount` in the unit of the kind, None to withdraw what is recorded.

    `is_in_document`: what it stands in is itself the document, such as an imported sheet. A sheet that repeats what is
    recorded adds no evidence to it.
    """

    area_id: str
    period: Period
    kind: str
    source: str
    material: str | None
    amount: int | None
    document: Document
    entered: str | None = None
    is_in_document: bool = False

    @property
    def identity(self) -> Identity:
        return self.area_id, self.period, self.kind, self.source, self.material


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest version of an input; its amount is None where it was withdrawn. `is_of_sheet`: its document is a sheet
    that was imported. `recorded_at` is None of what is being entered."""

    version: int
    amount: int | None
    document: Document
    is_of_sheet: bool = False
    recorded_at: datetime | None = None

    def says(self, entry: Entry) -> bool:
        """Whether the entry would record the same amount from the same document."""
        return self.amount == entry.amount and (entry.is_in_document or self.document == entry.document)


class Reach(NamedTuple):
    """Which inputs can be the same mass as another: those of its kind and source, and of a share of anyone (None), in
    which a day of these lies."""

    kind: str
    source: str | None
    first_day: date
    last_day: date

    @classmethod
    def of(cls, identity: Identity) -> "Reach":
        _, period, kind, source, _ = identity
        return cls(kind, None if _is_share(kind) else source, period.first_day, period.last_day)

    @classmethod
    def of_year(cls, kind: str, year: int) -> "Reach":
        """Of every source: for a sheet, which may have rows of any."""
        period = Period(year)
        return cls(kind, None, period.first_day, period.last_day)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an entry does: `before` is the amount that counted until now."""

    entry: Entry
    kind: EffectKind
    version: int
    before: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry cannot be recorded; `field` is what is wrong in it, `code` is stable. `beside`: what it overlaps."""

    field: Literal["area", "period", "kind", "source", "material", "amount", "document_date"]
    code: str
    zh: str
    en: str
    beside: Identity | None = None


class Book:
    """What is recorded of some kinds and years, entry after entry. `areas` and `materials` are the names of all."""

    def __init__(
        self,
        tree: Tree,
        latest: Mapping[Identity, Latest],
        *,
        areas: Mapping[str, Names],
        materials: Mapping[str, Names],
        today: date,
    ) -> None:
        self._tree = tree
        self._areas = areas
        self._materials = materials
        self._today = today
        self._latest: dict[Identity, Latest] = {}
        # What counts of a month, by area: at the area itself, and anywhere below it. An import has very many.
        self._at: defaultdict[tuple[Rivals, str], set[Identity]] = defaultdict(set)
        self._below: defaultdict[tuple[Rivals, str], set[Identity]] = defaultdict(set)
        self.learn(latest)

    def learn(self, latest: Mapping[Identity, Latest]) -> None:
        """What is recorded of further kinds and years."""
        self._latest.update(latest)
        for identity, each in latest.items():
            self._keep(identity, each.amount)

    def latest(self, identity: Identity) -> Latest | None:
        """None of what was never recorded."""
        return self._latest.get(identity)

    def enter(self, entry: Entry) -> Effect | Refusal:
        """What the entry comes to; it counts for the next one."""
        found = self.comes_to(entry)
        if isinstance(found, Effect) and found.kind != "unchanged":
            self._latest[entry.identity] = Latest(found.version, entry.amount, entry.document)
            self._keep(entry.identity, entry.amount)
        return found

    def comes_to(self, entry: Entry) -> Effect | Refusal:
        """What the entry would come to; nothing is entered."""
        refusal = self._unfit(entry) or self._twice(entry)
        if refusal is not None:
            return refusal
        latest = self._latest.get(entry.identity)
        before = None if latest is None else latest.amount
        if entry.amount is None and before is None:
            return Refusal(
                "amount",
                "nothing_to_withdraw",
                f"没有录入{self._told_zh(entry.identity)}，无可撤回。",
                f"There is nothing to withdraw: {self._told_en(entry.identity)} is not recorded.",
            )
        if latest is not None and latest.says(entry):
            return Effect(entry, "unchanged", latest.version, before)
        version = 1 if latest is None else latest.version + 1
        if entry.amount is None:
            return Effect(entry, "withdrawal", version, before)
        return Effect(entry, "new" if before is None else "correction", version, before)

    def _keep(self, identity: Identity, amount: int | None) -> None:
        area_id, *around = self._tree.upwards(identity[0])
        for rivals in _rivals(identity):
            places = [self._at[rivals, area_id], *(self._below[rivals, each] for each in around)]
            for counting in places:
                if amount is None:
                    counting.discard(identity)
                else:
                    counting.add(identity)

    def _unfit(self, entry: Entry) -> Refusal | None:
        kind = KINDS.get(entry.kind)
        if entry.area_id not in self._tree.parents:
            return Refusal("area", "area_unknown", f"没有区域 {entry.area_id}。", f"There is no area {entry.area_id}.")
        if kind is None or not kind.recorded:
            return Refusal(
                "kind",
                "kind_unknown",
                f"没有可录入的类别 {entry.kind}。",
                f"{entry.kind} is no kind of input that is recorded.",
            )
        if entry.material is not None and not kind.takes_material:
            return Refusal(
                "material",
                "material_not_taken",
                f"{kind.name_zh}不分材料，请留空。",
                f"{kind.name_en} is not recorded by material: leave it out.",
            )
        if entry.material is not None and entry.material not in self._materials:
            return Refusal(
                "material",
                "material_unknown",
                f"没有材料 {entry.material}。",
                f"There is no material {entry.material}.",
            )
        if entry.period.first_day > self._today:
            return Refusal(
                "period",
                "not_begun",
                f"{entry.period} 尚未开始，不能录入。",
                f"{entry.period} has not begun; what was not weighed yet cannot be recorded.",
            )
        if entry.document.day is not None and entry.document.day > self._today:
            return Refusal(
                "document_date",
                "in_the_future",
                f"文件日期 {entry.document.day} 在今天之后，请核对。",
                f"The document's date, {entry.document.day}, is after today. Check it.",
            )
        return None

    def _twice(self, entry: Entry) -> Refusal | None:
        identity = entry.identity
        latest = self._latest.get(identity)
        if entry.amount is None or (latest is not None and latest.amount is not None):
            # What counts already stood beside nothing of the same when it was entered.
            return None
        others = [other for other in self._rivals_of(identity) if other != identity and self._clashes(identity, other)]
        if not others:
            return None
        first = min(others, key=_ids)
        zh, en = self._told_zh, self._told_en
        return Refusal(
            "period",
            "input_overlaps",
            f"已录入{zh(first)}［{_ids(first)}］；{zh(identity)}与其重叠，同一重量会计两次。请更正或先撤回前者。",
            f"The {en(first)} [{_ids(first)}] is recorded already, and the {en(identity)} would count the same again."
            " Correct the former, or withdraw it first.",
            beside=first,
        )

    def told(self, identity: Identity) -> Names:
        """The input as people know it."""
        return self._told_zh(identity), self._told_en(identity)

    def _told_zh(self, identity: Identity) -> str:
        area_id, period, kind, source, material = identity
        when = f"{period} 年" if period.is_year else str(period)
        of = "" if material is None else f"，{self._materials.get(material, (material, material))[0]}"
        return f"{self._areas[area_id][0]} {when} {KINDS[kind].name_zh}（{source}{of}）"

    def _told_en(self, identity: Identity) -> str:
        area_id, period, kind, source, material = identity
        of = "" if material is None else f", {self._materials.get(material, (material, material))[1]},"
        return f"{KINDS[kind].name_en}{of} of {self._areas[area_id][1]} in {period} by “{source}”"

    def _rivals_of(self, identity: Identity) -> Iterator[Identity]:
        """What counts at the area, around it or in it, in one of its months."""
        area_id = identity[0]
        for rivals in _rivals(identity):
            for each in self._tree.upwards(area_id):
                yield from self._at.get((rivals, each), ())
            yield from self._below.get((rivals, area_id), ())

    def _clashes(self, identity: Identity, other: Identity) -> bool:
        area_id, period, kind, _, material = identity
        other_area_id, other_period, _, _, other_material = other
        if not period.overlaps(other_period):
            return False
        if _is_share(kind):
            # The share nearest to a mass is taken, so each area may have its own.
            return area_id == other_area_id
        if material is not None and other_material is not None and material != other_material:
            return False
        return self._tree.on_one_line(area_id, other_area_id)


def _rivals(identity: Identity) -> Iterator[Rivals]:
    """Only inputs of one kind, source and month can be the same mass; shares do not add up, whoever reports them."""
    _, period, kind, source, _ = identity
    by = "" if _is_share(kind) else source
    for month in range(period.first_month, period.last_month + 1):
        yield kind, by, period.year, month


def _is_share(kind: str) -> bool:
    known = KINDS.get(kind)
    return known is not None and known.unit == "ppm"


def _ids(identity: Identity) -> str:
    """As the API and the commands take it."""
    area_id, period, kind, source, material = identity
    return " ".join(str(each) for each in (kind, area_id, period, f"“{source}”", material) if each is not None)
