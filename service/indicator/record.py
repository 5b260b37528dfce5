"""What a publication froze, beside what is stored now, and computing it again: no I/O, no web, no database."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from service.indicator.evidence import BINS, Recorded, Sum, Used
from service.indicator.figure import Figure, figure_of_sums
from service.indicator.formulas import (
    PERCENT_DIGITS,
    QUANTITIES,
    RATE_DIGITS,
    decimal_text,
    exact_grams,
    formula_of_version,
)
from service.indicator.kinds import KINDS, WHOLE_PPM
from service.indicator.words import Words
from service.periods import Period

FORMAT: Final = "tanbi.publication.v1"
DIFFERENCE_DIGITS: Final = 4
NOT_THERE: Final = "–"
GRAMS_PER_TONNE: Final = 10**6
TONNE_DIGITS: Final = 12
NO_WORDS: Final = Words("", "")
# What must be the same of an input that was used and of the one that is stored.
STORED: Final = ("area", "period", "kind", "source", "material", "version", "amount")
# What stands beside a record, in columns of its own, and is told by it too.
COLUMNS: Final = (
    *("digest", "area_id", "first_day", "last_day", "formula_id", "formula_version", "counted_at"),
    *("rate", "rate_percent", "numerator_grams", "denominator_grams", "code_version", "restates", "reason"),
)

ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(record: object) -> str:
    """The one text of a record: keys in order, no blanks, no numbers but whole ones."""
    # A list is written one element at a time: in one go, one of many inputs would hold up all threads.
    if isinstance(record, list):
        return f"[{','.join(map(canonical, record))}]"
    if isinstance(record, dict) and _has_list(record):
        return f"{{{','.join(f'{ENCODER.encode(key)}:{canonical(record[key])}' for key in sorted(record))}}}"
    return ENCODER.encode(record)


def _has_list(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(_has_list, value.values())))


def record_of(
    figure: Mapping[str, Any], *, code_version: str, restates: int | None, reason: str | None, salt: str
) -> dict[str, Any]:
    """What to freeze: all that is known of a publication when it is proposed.

    Its digest is public and what single months weighed is not (public_record.py): `salt`, which nobody can guess, keeps
    who knows all the rest from trying out the months until the digest fits.
    """
    of_record = {"format": FORMAT, "code_version": code_version, "restates": restates, "reason": reason}
    return {**of_record, "salt": salt, "figure": figure}


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing beside what was published of it."""

    what: str
    published: str
    recomputed: str

    @property
    def is_equal(self) -> bool:
        return self.published == self.recomputed


class Frozen:
    """A record as it was published, read by the keys of its format alone. `record` is what the text says, where that
    is at hand."""

    def __init__(self, text: str, record: dict[str, Any] | None = None) -> None:
        self.text = text
        self.record: dict[str, Any] = json.loads(text) if record is None else record
        self.figure: dict[str, Any] = self.record["figure"]

    @property
    def code_version(self) -> str:
        return str(self.record["code_version"])

    @property
    def rate(self) -> Fraction:
        """Exact."""
        return Fraction(self.figure["numerator_grams"]) / Fraction(self.figure["denominator_grams"])

    def columns(self) -> dict[str, object]:
        """What must stand beside it: COLUMNS."""
        figure = self.figure
        period = Period.parse(figure["period"])
        return {
            "digest": digest_of(self.text),
            "area_id": figure["area"],
            "first_day": period.first_day,
            "last_day": period.last_day,
            "formula_id": figure["formula"]["id"],
            "formula_version": figure["formula"]["version"],
            "counted_at": figure["counted_at"],
            "rate": figure["rate"],
            "rate_percent": figure["rate_percent"],
            "numerator_grams": figure["numerator_grams"],
            "denominator_grams": figure["denominator_grams"],
            "code_version": self.record["code_version"],
            "restates": self.record["restates"],
            "reason": self.record["reason"],
        }

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Each that was used, with the shares among them; as often as it was used."""
        for quantity in self.figure["quantities"]:
            for each in quantity["inputs"]:
                yield each
                if each["share"] is not None:
                    yield each["share"]

    def input_ids(self) -> frozenset[int]:
        """Of what operators recorded; what bins weighed has none, and is in the record itself."""
        return frozenset(each["id"] for each in self.inputs() if each["id"] is not None)

    def basis(self) -> tuple[Any, ...]:
        """What makes it another figure than the next: the formula, what it was made of, with what bins weighed, and
        what its masses stand for."""
        figure = self.figure
        formula = figure["formula"]["id"], figure["formula"]["version"]
        return *formula, figure["counted_at"], figure["quantities"], figure["not_counted"], figure["coverage"]["kinds"]

    def recompute(self, stored: Mapping[int, Recorded]) -> Figure:
        """The figure from the inputs as they are stored; from the record only what bins weighed.

        Raises KeyError for a formula, a quantity or an input that there is no more, and for one without an id that
        bins have not weighed.
        """
        figure = self.figure
        formula = formula_of_version(figure["formula"]["id"], figure["formula"]["version"])
        sums = [
            Sum(
                QUANTITIES[quantity["id"]],
                [Used(_input(each, stored), _share(each, stored)) for each in quantity["inputs"]],
                (),
                quantity["stands_in_for"],
            )
            for quantity in figure["quantities"]
        ]
        return figure_of_sums(formula, figure["area"], Period.parse(figure["period"]), figure["counted_at"], sums)


def _input(each: Mapping[str, Any], stored: Mapping[int, Recorded]) -> Recorded:
    # Only what bins weighed is believed as the record tells it.
    if each["id"] is not None or each["kind"] != BINS:
        return stored[each["id"]]
    period = Period.parse(each["period"])
    return Recorded(None, each["area"], period, each["kind"], each["source"], each["material"], 0, each["grams"])


def _share(each: Mapping[str, Any], stored: Mapping[int, Recorded]) -> Recorded | None:
    return None if each["share"] is None else stored[each["share"]["id"]]


def columns_of(row: Any) -> dict[str, object]:
    """Of a row of a publication, what must be the same in its record: COLUMNS."""
    return {name: getattr(row, name) for name in COLUMNS}


def recomputation(frozen: Frozen, columns: Mapping[str, object], stored: Mapping[int, Recorded]) -> Sequence[Step]:
    """Every step from the record's bytes to its digits, beside what was published, which stands in `columns` too; all
    are equal where it holds."""
    steps = [*_columns(frozen, columns), *_inputs(frozen, stored)]
    published = frozen.figure
    try:
        again: Figure | None = frozen.recompute(stored)
    except KeyError:
        again = None
    for number, quantity in enumerate(published["quantities"]):
        grams = None if again is None else again.sums[number].grams
        steps.append(Step(quantity["id"], str(quantity["grams"]), NOT_THERE if grams is None else exact_grams(grams)))
    quotient = None if again is None else again.quotient
    rate = None if again is None else again.rate
    for name, value in (
        ("numerator_grams", None if quotient is None else exact_grams(quotient.numerator_grams)),
        ("denominator_grams", None if quotient is None else exact_grams(quotient.denominator_grams)),
        ("rate", None if rate is None else decimal_text(rate, RATE_DIGITS)),
        ("rate_percent", None if rate is None else decimal_text(rate * 100, PERCENT_DIGITS)),
    ):
        steps.append(Step(name, published[name], NOT_THERE if value is None else value))
    return steps


def _columns(frozen: Frozen, columns: Mapping[str, object]) -> Iterator[Step]:
    told = frozen.columns()
    for name in COLUMNS:
        yield Step(name if name == "digest" else f"column {name}", _shown(columns[name]), _shown(told[name]))


def _shown(value: object) -> str:
    if value is None:
        return NOT_THERE
    return value.hex() if isinstance(value, bytes) else str(value)


def _inputs(frozen: Frozen, stored: Mapping[int, Recorded]) -> Iterator[Step]:
    """Each input as it is stored now: a version is never changed, so it is what it was. No quantity has one twice."""
    for each in frozen.inputs():
        if each["id"] is None and each["kind"] != BINS:
            yield Step("input without an id", _told(_as_used(each)), NOT_THERE)
    for quantity in frozen.figure["quantities"]:
        listed = Counter(_told(_as_used(each)) for each in quantity["inputs"])
        for told, times in listed.items():
            if times > 1:
                yield Step(f"{quantity['id']}: {told}", f"{times} times", "once")
    used = [(each["id"], _told(_as_used(each))) for each in frozen.inputs() if each["id"] is not None]
    for number, published in dict.fromkeys(used):
        found = stored.get(number)
        yield Step(f"input {number}", published, NOT_THERE if found is None else _told(_as_stored(found)))


def _as_used(each: Mapping[str, Any]) -> tuple[object, ...]:
    amount = each["grams"] if "grams" in each else each["ppm"]
    return (
        each["area"],
        each["period"],
        each["kind"],
        each["source"],
        each.get("material"),
        each["version"],
        amount,
    )


def _as_stored(found: Recorded) -> tuple[object, ...]:
    return found.area_id, str(found.period), found.kind, found.source, found.material, found.version, found.amount


def _told(values: Sequence[object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(STORED, values, strict=True) if value is not None)


def changes(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> list[Words]:
    """What of a proposed figure, as its record tells it, is otherwise in the same figure as it is now, in words: the
    formula, what operators recorded, what of it is not counted, what it covers, and the target. What bins weighed
    counts as it was proposed: a drop that comes late changes nothing here."""
    found = [
        Words(f"{zh} {old} → {new}", f"{en} {old} → {new}")
        for zh, en, old, new in (
            ("公式", "formula", _formula(frozen), _formula(now)),
            ("计量环节", "counted at", frozen["counted_at"], now["counted_at"]),
        )
        if old != new
    ]
    old_sums, new_sums = _recorded_sums(frozen), _recorded_sums(now)
    for key in dict.fromkeys((*old_sums, *new_sums)):
        old, new = old_sums.get(key, NOTHING), new_sums.get(key, NOTHING)
        if old.ids != new.ids:
            zh, en = ("，来自其他记录", ", from other records") if old.grams == new.grams else ("", "")
            found.append(_said(_name(key), f"{_tonnes(old.grams)} → {_tonnes(new.grams)}", Words(zh, en)))
    old_elsewhere, new_elsewhere = _not_counted(frozen), _not_counted(now)
    for kind in dict.fromkeys((*old_elsewhere, *new_elsewhere)):
        was, is_now = old_elsewhere.get(kind, 0), new_elsewhere.get(kind, 0)
        if was != is_now:
            name = _named(kind)
            beside = Words(f"{name.zh}（不计入）", f"{name.en}, not counted")
            found.append(_said(beside, f"{_tonnes(was)} → {_tonnes(is_now)}"))
    old_covered, new_covered = _covered(frozen), _covered(now)
    for kind in dict.fromkeys((*old_covered, *new_covered)):
        if old_covered.get(kind) != new_covered.get(kind):
            shares = " → ".join((each.get(kind) or {}).get("share") or NOT_THERE for each in (old_covered, new_covered))
            name = _named(kind)
            found.append(_said(Words(f"{name.zh}覆盖率", f"coverage of {name.en}"), shares))
    old_target, new_target = _target(frozen), _target(now)
    if old_target != new_target:
        found.append(_said(Words("目标", "target"), f"{old_target} → {new_target}"))
    return found


def _said(name: Words, change: str, after: Words = NO_WORDS) -> Words:
    return Words(f"{name.zh} {change}{after.zh}", f"{name.en} {change}{after.en}")


def _tonnes(grams: Fraction | int) -> str:
    """All digits that there are: grams have at most six, so tonnes twelve."""
    whole, _, rest = decimal_text(Fraction(grams) / GRAMS_PER_TONNE, TONNE_DIGITS).partition(".")
    return f"{whole}.{rest.rstrip('0')}".rstrip(".") + " t"


@dataclass(frozen=True, slots=True)
class _RecordedSum:
    """What operators recorded of a kind, in one quantity: ids of inputs and of their shares, and grams, exact."""

    ids: frozenset[tuple[int, int | None]]
    grams: Fraction


NOTHING: Final = _RecordedSum(frozenset(), Fraction(0))


def _recorded_sums(figure: Mapping[str, Any]) -> dict[tuple[str, str], _RecordedSum]:
    """By quantity and kind."""
    found: dict[tuple[str, str], _RecordedSum] = {}
    for quantity in figure["quantities"]:
        for each in quantity["inputs"]:
            if each["kind"] != BINS:
                key, share = (quantity["id"], each["kind"]), each["share"]
                before = found.get(key, NOTHING)
                part = Fraction(1) if share is None else Fraction(share["ppm"], WHOLE_PPM)
                ids = before.ids | {(each["id"], None if share is None else share["id"])}
                found[key] = _RecordedSum(ids, before.grams + each["grams"] * part)
    return found


def _formula(figure: Mapping[str, Any]) -> str:
    formula = figure["formula"]
    return f"{formula['id']} version {formula['version']}"


def _not_counted(figure: Mapping[str, Any]) -> dict[str, int]:
    return {each["kind"]: each["grams"] for each in figure["not_counted"] if each["kind"] != BINS}


def _covered(figure: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in figure["coverage"]["kinds"]}


def _target(figure: Mapping[str, Any]) -> str:
    target = figure["target"]
    return NOT_THERE if target is None else f"{target['rate_percent']} % ({target['area']})"


def _name(quantity_and_kind: tuple[str, str]) -> Words:
    """A quantity that is a part of its mass is named beside the mass."""
    quantity, kind = quantity_and_kind
    known = QUANTITIES.get(quantity)
    return _named(kind) if known is None or known.share is None else Words(known.name_zh, known.name_en)


def _named(kind: str) -> Words:
    known = KINDS.get(kind)
    return Words(kind, kind) if known is None else Words(known.name_zh, known.name_en)


def difference_points(new: Fraction, old: Fraction) -> str:
    """In percentage points, with its sign."""
    difference = (new - old) * 100
    text = decimal_text(difference, DIFFERENCE_DIGITS)
    return f"+{text}" if difference > 0 else text
