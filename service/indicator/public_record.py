"""The public record of a publication: its record without what could tell of a single drop. No I/O.

A record has what bins weighed of each child area in each month, as it was on the day it was proposed. Less the month
as it was shown before (public_volumes.py), that can be one drop, with its place and its month. So in the public record
what bins weighed is one line, of the whole area and the whole year; what only bins make is left out. Who has not
reported is left out too, for a source can be a person: what is missing is told by kind, area and months. All else is as
it was published, so that anyone can compute the rate again to the last digit.

What was public once stays so, byte for byte: a change here is a new format beside this one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.indicator.evidence import BINS
from service.indicator.record import Frozen, canonical, digest_of

FORMAT: Final = "tanbi.public-publication.v1"
# What is public of a record and of its figure is named, so that nothing a later record has besides is public unasked.
OF_RECORD: Final = ("code_version", "restates", "reason")
OF_FIGURE: Final = (
    *("area", "area_name", "area_name_en", "period", "first_day", "last_day", "formula", "counted_at", "target"),
    *("rate", "rate_percent", "numerator_grams", "denominator_grams"),
    *("missing", "reason_code", "reason_zh", "reason_en"),
)
OF_COVERAGE: Final = ("share", "kinds")
# The same whatever there was, or it would tell.
FOLDED: Final = (f"figure.quantities.inputs of {BINS}",)
# That something is missing is told anyway.
FOLDED_MISSING: Final = "figure.coverage.kinds.missing"
LEFT_OUT: Final = ("salt", "figure.coverage.bins", f"figure.not_counted of {BINS}")
NOTE_ZH: Final = (
    "本公开记录由原始记录生成：智能回收箱称得的量合并为全区全年一项；不含只与回收箱有关的覆盖情况、"
    "未计入的箱量和原始记录中的随机数；其余与发布时相同。"
)
NOTE_EN: Final = (
    "Made from the record: what bins weighed is one line, of the whole area and year; the coverage of bins, what bins"
    " weighed without being counted, and the record's random salt are left out; all else is as it was published."
)
NOTE_MISSING_ZH: Final = "但缺报情况只按种类、区域和月份列出，不列报送方。"
NOTE_MISSING_EN: Final = " But what is missing is told by kind, area and months, and not by who reports."


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What lists tell of a public record, which may be megabytes. `figure`: without all that makes it long;
    `bins_grams`: what bins weighed in the year, of what the figure counts; `public_digest`: SHA-256 of the public
    record, hexadecimal."""

    figure: Mapping[str, Any]
    bins_grams: int
    public_digest: str


@dataclass(frozen=True, slots=True)
class PublicRecord:
    """`text` is canonical JSON, as a record is."""

    text: str
    head: RecordHead


def public_record(frozen: Frozen, number: int) -> PublicRecord:
    """Of a publication of a whole year of a district."""
    figure = frozen.figure
    short = {name: figure[name] for name in OF_FIGURE}
    coverage = {name: figure["coverage"][name] for name in OF_COVERAGE}
    kinds = [each | {"missing": _missing_folded(each["missing"])} for each in coverage["kinds"]]
    is_missing = any(each["missing"] for each in kinds)
    text = canonical(
        {
            "format": FORMAT,
            "number": number,
            "record_sha256": digest_of(frozen.text).hex(),
            "folded": [*FOLDED, *[FOLDED_MISSING] * is_missing],
            "left_out": LEFT_OUT,
            "note_zh": NOTE_ZH + NOTE_MISSING_ZH * is_missing,
            "note_en": NOTE_EN + NOTE_MISSING_EN * is_missing,
            **{name: frozen.record[name] for name in OF_RECORD},
            "figure": short
            | {
                "quantities": [each | {"inputs": _folded(each["inputs"], figure)} for each in figure["quantities"]],
                "not_counted": [each for each in figure["not_counted"] if each["kind"] != BINS],
                "coverage": coverage | {"kinds": kinds},
            },
        }
    )
    weighed = sum(each["grams"] for each in frozen.inputs() if each["kind"] == BINS)
    return PublicRecord(text, RecordHead(short, weighed, digest_of(text).hex()))


def is_withheld(bins_grams: int, year: int, shown_years: Collection[int]) -> bool:
    """Whether what bins weighed in the year rests, as far as is known, on too few drops to be told at all: something is
    counted, and no month of the year is shown."""
    return bins_grams > 0 and year not in shown_years


def _folded(inputs: Sequence[Mapping[str, Any]], figure: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """With what bins weighed as one line, in place of the first of them; without it where they weighed nothing."""
    others = [each for each in inputs if each["kind"] != BINS]
    weighed = [each for each in inputs if each["kind"] == BINS]
    grams = sum(each["grams"] for each in weighed)
    if not grams:
        return others
    line = {
        **{name: weighed[0][name] for name in ("kind", "counting_point", "source")},
        **dict.fromkeys(("id", "material", "share", "version", "document", "recorded_at")),
        "area": figure["area"],
        "period": figure["period"],
        "grams": grams,
    }
    at = next(number for number, each in enumerate(inputs) if each["kind"] == BINS)
    return [*others[:at], line, *others[at:]]


def _missing_folded(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By area, in the order of their ids; the lines' own is that of who reports. A share is missing for no month."""
    months: dict[str, set[str]] = {}
    for line in lines:
        months.setdefault(line["area"], set()).update(line["months"])
    return [{"area": area, "months": sorted(months[area])} for area in sorted(months)]
