"""What a publication froze, and computing it again from the stored inputs: no I/O, no web, no database."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from service.indicator.evidence import Recorded, Sum, Used
from service.indicator.figure import Figure, figure_of_sums
from service.indicator.formulas import (
    PERCENT_DIGITS,
    QUANTITIES,
    RATE_DIGITS,
    decimal_text,
    exact_grams,
    formula_of_version,
)
from service.periods import Period

FORMAT: Final = "tanbi.publication.v1"
DIFFERENCE_DIGITS: Final = 4
NOT_THERE: Final = "–"
# What must be the same of an input that was used and of the one that is stored.
STORED: Final = ("area", "period", "kind", "source", "material", "version", "amount")


def canonical(record: Mapping[str, Any]) -> str:
    """The one text of a record: keys in order, no blanks, no numbers but whole ones."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


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
    """A record as it was published, read by the keys of its format alone."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.record: dict[str, Any] = json.loads(text)
        self.figure: dict[str, Any] = self.record["figure"]

    @property
    def code_version(self) -> str:
        return str(self.record["code_version"])

    @property
    def rate(self) -> Fraction:
        """Exact."""
        return Fraction(self.figure["numerator_grams"]) / Fraction(self.figure["denominator_grams"])

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Each that was used, with the shares among them; as often as it was used."""
        for quantity in self.figure["quantities"]:
            for each in quantity["inputs"]:
                yield each
                if each["share"] is not None:
                    yield each["share"]

    def input_ids(self) -> frozenset[int]:
        """Of what operators recorded; bins' masses have none, and are in the record itself."""
        return frozenset(each["id"] for each in self.inputs() if each["id"] is not None)

    def basis(self) -> tuple[Any, ...]:
        """What makes it another figure than the next: the formula, and what it was made of."""
        formula = self.figure["formula"]
        return formula["id"], formula["version"], self.figure["counted_at"], self.figure["quantities"]

    def recompute(self, stored: Mapping[int, Recorded]) -> Figure:
        """The figure from the inputs as they are stored; from the record only where bins weighed.

        Raises KeyError for a formula, a quantity or an input that there is no more.
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
    if each["id"] is not None:
        return stored[each["id"]]
    period = Period.parse(each["period"])
    return Recorded(None, each["area"], period, each["kind"], each["source"], each["material"], 0, each["grams"])


def _share(each: Mapping[str, Any], stored: Mapping[int, Recorded]) -> Recorded | None:
    return None if each["share"] is None else stored[each["share"]["id"]]


def recomputation(frozen: Frozen, digest: bytes, stored: Mapping[int, Recorded]) -> Sequence[Step]:
    """Every step from the record's bytes to its digits, beside what was published; all are equal where it holds."""
    steps = [Step("digest", digest.hex(), digest_of(frozen.text).hex()), *_inputs(frozen, stored)]
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


def _inputs(frozen: Frozen, stored: Mapping[int, Recorded]) -> Iterator[Step]:
    """Each input as it is stored now: a version is never changed, so it is what it was."""
    for each in {one["id"]: one for one in frozen.inputs() if one["id"] is not None}.values():
        found = stored.get(each["id"])
        amount = each["grams"] if "grams" in each else each["ppm"]
        published = (
            each["area"],
            each["period"],
            each["kind"],
            each["source"],
            each.get("material"),
            each["version"],
            amount,
        )
        yield Step(f"input {each['id']}", _told(published), NOT_THERE if found is None else _told(_as_stored(found)))


def _as_stored(found: Recorded) -> tuple[object, ...]:
    return found.area_id, str(found.period), found.kind, found.source, found.material, found.version, found.amount


def _told(values: Sequence[object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(STORED, values, strict=True) if value is not None)


def difference_points(new: Fraction, old: Fraction) -> str:
    """In percentage points, with its sign."""
    difference = (new - old) * 100
    text = decimal_text(difference, DIFFERENCE_DIGITS)
    return f"+{text}" if difference > 0 else text
