"""A public record tells all that a figure was computed from, and of bins one sum: nothing of it is of a single drop."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.indicator.basis import Basis, bins_of_month
from service.indicator.coverage import coverage_of, not_counted
from service.indicator.evidence import BINS, Evidence, Recorded
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import (
    FORMULAS,
    PERCENT_DIGITS,
    RATE_DIGITS,
    decimal_text,
    exact_grams,
    formula_of_version,
    rate_of,
)
from service.indicator.kinds import WHOLE_PPM, CountedAt
from service.indicator.public_record import is_withheld, public_record
from service.indicator.rate import formula_answer, quantity_answer
from service.indicator.record import Frozen, canonical, record_of
from service.indicator.volume_queries import BinSites
from service.periods import Period
from tests.indicator.test_evidence import DOCUMENT, TREE
from tests.indicator.test_record import figures

YEAR = Period(2025)
AREAS = ("d", "s1", "s2")
NO_SITES = BinSites(0, 0)
HERE = Path(__file__).parent
# A drop: where, in which month, how heavy, and whether it waits for review.
Drop = tuple[str, int, int, bool]


def frozen(figure: Figure, basis: Basis, sites: BinSites = NO_SITES) -> Frozen:
    """As publishing writes it."""
    assert figure.quotient is not None
    assert figure.rate is not None
    document: dict[str, Any] = {
        "area": figure.area_id,
        "area_name": "南开区",
        "area_name_en": "Nankai",
        "period": str(figure.period),
        "first_day": "2025-01-01",
        "last_day": "2025-12-31",
        "formula": formula_answer(figure.formula).model_dump(mode="json"),
        "counted_at": figure.counted_at,
        "rate": decimal_text(figure.rate, RATE_DIGITS),
        "rate_percent": decimal_text(figure.rate * 100, PERCENT_DIGITS),
        "numerator_grams": exact_grams(figure.quotient.numerator_grams),
        "denominator_grams": exact_grams(figure.quotient.denominator_grams),
        "quantities": [quantity_answer(each).model_dump(mode="json") for each in figure.sums],
        "not_counted": [each.model_dump(mode="json") for each in not_counted(basis.evidence, figure)],
        "coverage": coverage_of(basis, figure, sites, date(2026, 3, 1)).model_dump(mode="json"),
        "target": None,
        "missing": [],
        **dict.fromkeys(("reason_code", "reason_zh", "reason_en")),
    }
    return Frozen(canonical(record_of(document, code_version="test", restates=None, reason=None, salt="5a17")))


def of_evidence(records: Sequence[Recorded], held: Mapping[Period, int] | None = None) -> Basis:
    area: Any = SimpleNamespace(id="d")
    return Basis(area, Evidence(TREE, records), held or {})


def of_drops(drops: Sequence[Drop], way: CountedAt = "origin") -> Frozen:
    """A year's record with these drops, which is counted at their origin or further on."""
    weighed: Counter[tuple[str, Period]] = Counter()
    held: Counter[Period] = Counter()
    for area, month, grams, waits in drops:
        weighed[area, Period.of_month(2025, month)] += 0 if waits else grams
        held[Period.of_month(2025, month)] += grams if waits else 0
    amounts = {"cleared": 10**9, "kitchen_treated": 10**8, "yard_recyclables": 10**7, "pickup_recyclables": 10**6}
    records = [
        Recorded(number, "d", YEAR, kind, "office", None, 1, grams, DOCUMENT)
        for number, (kind, grams) in enumerate(amounts.items(), 1)
    ]
    bins = [bins_of_month(area, month, grams) for (area, month), grams in weighed.items()]
    basis = of_evidence([*records, *bins], held)
    figure = figure_of(basis.evidence, FORMULAS["cn.cleared_plus_recovered"], "d", YEAR, way)
    return frozen(figure, basis, BinSites(300, len({area for area, _, _, _ in drops})))


def told(record: Frozen) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(public_record(record, 7).text)
    return found


def places(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Each value of a document with where it stands."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from places(value, f"{path}/{name}")
    elif isinstance(document, list):
        yield f"{path}#", len(document)
        for number, value in enumerate(document):
            yield from places(value, f"{path}/{number}")
    else:
        yield path, document


drops_each = st.tuples(st.sampled_from(AREAS), st.integers(1, 12), st.integers(1, 9_999), st.booleans())
some_drops = st.lists(drops_each, min_size=1, max_size=12)
# What of a public record may tell of bins: of the whole district and the whole year. The record's own digest stands for
# all of it, and its salt, which is not told, keeps it from being guessed.
SUMS = {
    "/record_sha256",
    *("/figure/numerator_grams", "/figure/denominator_grams", "/figure/rate", "/figure/rate_percent"),
    *("/figure/quantities/0/grams", "/figure/quantities/0/recorded_grams", "/figure/quantities/0/inputs/0/grams"),
}


@given(some_drops, some_drops, st.sampled_from(AREAS))
def test_drops_that_come_late_change_nothing_public_but_sums_of_the_district_and_year(
    drops: list[Drop], late: list[Drop], area: str
) -> None:
    # Something counts before: that bins have weighed anything at all is known from the months that are shown.
    shown = [(area, 3, 50_000, False), *drops]
    before, after = dict(places(told(of_drops(shown)))), dict(places(told(of_drops([*shown, *late]))))
    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} <= SUMS


@given(some_drops, st.data())
def test_where_and_when_a_drop_was_is_not_told(drops: list[Drop], data: st.DataObject) -> None:
    """Nor what waits for review: the same sum looks the same, whatever it is made of."""
    elsewhere = [
        (data.draw(st.sampled_from(AREAS)), data.draw(st.integers(1, 12)), grams, False)
        for _, _, grams, waits in drops
        if not waits
    ]
    both = [told(of_drops(each)) | {"record_sha256": ""} for each in (drops, elsewhere)]
    assert both[0] == both[1]


@given(some_drops)
def test_where_bins_do_not_count_nothing_of_them_is_told(drops: list[Drop]) -> None:
    both = [told(of_drops(each, "yard")) | {"record_sha256": ""} for each in (drops, [])]
    assert both[0] == both[1]
    assert public_record(of_drops(drops, "yard"), 7).head.bins_grams == 0


@given(figures())
def test_the_rate_is_computed_again_from_the_public_record_alone(made: tuple[Figure, list[Recorded]]) -> None:
    figure, stored = made
    record = told(frozen(figure, of_evidence(stored)))["figure"]
    grams = {}
    for quantity in record["quantities"]:
        parts = [
            each["grams"] * (Fraction(1) if each["share"] is None else Fraction(each["share"]["ppm"], WHOLE_PPM))
            for each in quantity["inputs"]
        ]
        assert exact_grams(sum(parts, Fraction(0))) == quantity["grams"]
        grams[quantity["stands_in_for"] or quantity["id"]] = sum(parts, Fraction(0))
    quotient = formula_of_version(record["formula"]["id"], record["formula"]["version"]).quotient(grams)
    rate = rate_of(quotient)
    assert rate == figure.rate
    assert rate is not None
    assert (record["rate"], record["rate_percent"]) == (
        decimal_text(rate, RATE_DIGITS),
        decimal_text(rate * 100, PERCENT_DIGITS),
    )
    assert (record["numerator_grams"], record["denominator_grams"]) == (
        exact_grams(quotient.numerator_grams),
        exact_grams(quotient.denominator_grams),
    )


@given(figures())
def test_what_operators_recorded_is_told_as_it_was_published(made: tuple[Figure, list[Recorded]]) -> None:
    figure, stored = made
    record = frozen(figure, of_evidence(stored))
    public = told(record)
    for ours, full in zip(public["figure"]["quantities"], record.figure["quantities"], strict=True):
        recorded = [[each for each in of["inputs"] if each["kind"] != BINS] for of in (ours, full)]
        assert recorded[0] == recorded[1]
        assert ours | {"inputs": []} == full | {"inputs": []}


@pytest.mark.parametrize("which", ["record_v1.json", "record_v1_missing.json"])
def test_what_was_public_once_stays_so_byte_for_byte(which: str) -> None:
    """Of a record as it was published, with nothing missing and with something: none of the files ever changes. A new
    format has files of its own."""
    record = Frozen((HERE / which).read_text().rstrip("\n"))
    expected = (HERE / f"public_{which}").read_text().rstrip("\n")
    found = public_record(record, 3)
    assert found.text == expected
    assert found.head.public_digest == sha256(expected.encode()).hexdigest()
    assert json.loads(expected)["record_sha256"] == sha256(record.text.encode()).hexdigest()
    assert found.head.bins_grams == 68_771_561


def test_what_is_missing_is_told_by_kind_area_and_months_and_names_nobody() -> None:
    """Who reported the year before and not since is a source, as somebody typed it."""
    record = Frozen((HERE / "record_v1_missing.json").read_text().rstrip("\n"))
    assert record.text.count("王老板") == 2
    found = public_record(record, 3).text
    assert not [secret for secret in ("王老板", "李老板", "plastic") if secret in found]
    public = json.loads(found)
    assert [(each["kind"], each["missing"]) for each in public["figure"]["coverage"]["kinds"] if each["missing"]] == [
        (
            "scrap_station_recyclables",
            [{"area": "s1", "months": ["2025-02"]}, {"area": "s2", "months": ["2025-01", "2025-02", "2025-03"]}],
        ),
        ("residue_share", [{"area": "s1", "months": []}]),
    ]
    assert public["folded"] == ["figure.quantities.inputs of bin_recyclables", "figure.coverage.kinds.missing"]
    assert public["note_en"].endswith("told by kind, area and months, and not by who reports.")
    assert public["note_zh"].endswith("不列报送方。")


@pytest.mark.parametrize(
    ("grams", "shown_years", "withheld"),
    [(1, (), True), (1, (2024, 2026), True), (1, (2025,), False), (0, (), False)],
)
def test_it_is_withheld_where_bins_count_and_no_month_of_the_year_is_shown(
    grams: int, shown_years: tuple[int, ...], *, withheld: bool
) -> None:
    assert is_withheld(grams, 2025, shown_years) is withheld
