"""What recording comes to: versions follow each other, and no mass stands twice."""

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.indicator.evidence import Document, Tree
from service.indicator.kinds import KINDS
from service.indicator.recording import Book, Effect, Entry, Identity, Latest, Refusal
from service.periods import Period

PARENTS = {"city": None, "d": "city", "s1": "d", "s2": "d", "c1": "s1"}
TREE = Tree(PARENTS)
TODAY = date(2026, 11, 21)
MATERIALS = {"paper": ("纸类", "paper"), "plastic": ("塑料", "plastic")}
AREAS = {area: (f"{area}区", f"{area} District") for area in PARENTS}


def document(name: str = "report") -> Document:
    return Document(name, TODAY, f"{abs(hash(name)):064x}"[:64])


def an_entry(**changes: Any) -> Entry:
    values: dict[str, Any] = {
        "area_id": "d",
        "period": Period(2025),
        "kind": "scrap_station_recyclables",
        "source": "office",
        "material": None,
        "amount": 5,
        "document": document(),
    }
    if isinstance(changes.get("period"), str):
        changes["period"] = Period.parse(changes["period"])
    return Entry(**values | changes)


def open_book(latest: dict[Identity, Latest], today: date = TODAY) -> Book:
    return Book(TREE, latest, areas=AREAS, materials=MATERIALS, today=today)


def book(*entries: Entry) -> Book:
    found = open_book({})
    for entry in entries:
        assert isinstance(found.enter(entry), Effect)
    return found


def entered(found: Book, **changes: Any) -> str:
    """What an entry comes to: its kind of effect, or the code of its refusal."""
    result = found.enter(an_entry(**changes))
    return result.code if isinstance(result, Refusal) else result.kind


def test_an_input_is_new_then_corrected_then_withdrawn_and_new_again() -> None:
    found = book()
    effects = [
        found.enter(an_entry(amount=amount, document=document(name)))
        for amount, name in ((5, "a"), (5, "a"), (5, "b"), (6, "b"), (None, "c"), (7, "d"))
    ]
    assert [(each.kind, each.version, each.before) for each in effects if isinstance(each, Effect)] == [
        ("new", 1, None),
        ("unchanged", 1, 5),
        ("correction", 2, 5),
        ("correction", 3, 5),
        ("withdrawal", 4, 6),
        ("new", 5, None),
    ]


def test_what_an_entry_would_come_to_is_not_entered() -> None:
    found = book()
    asked = [found.comes_to(an_entry(amount=amount)) for amount in (5, 6, None)]
    assert [each.kind if isinstance(each, Effect) else each.code for each in asked] == [
        "new",
        "new",
        "nothing_to_withdraw",
    ]
    assert found.comes_to(an_entry(amount=7)) == found.enter(an_entry(amount=7))


def test_there_must_be_something_to_withdraw() -> None:
    found = book()
    assert entered(found, amount=None) == "nothing_to_withdraw"
    assert [entered(found, amount=amount) for amount in (5, None, None)] == ["new", "withdrawal", "nothing_to_withdraw"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"area_id": "atlantis"}, "area_unknown"),
        ({"kind": "burnt"}, "kind_unknown"),
        ({"kind": "bin_recyclables"}, "kind_unknown"),
        ({"material": "stone"}, "material_unknown"),
        ({"kind": "cleared", "material": "paper"}, "material_not_taken"),
        ({"period": "2026-12"}, "not_begun"),
        ({"period": "2027"}, "not_begun"),
        ({"document": Document("report", date(2026, 11, 22), None)}, "in_the_future"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], code: str) -> None:
    assert entered(book(), **changes) == code


def test_a_month_can_be_recorded_from_its_first_day_on() -> None:
    first_day = open_book({}, date(2026, 12, 1))
    assert entered(first_day, period="2026-12") == "new"


def test_a_refusal_says_in_both_languages_what_is_wrong() -> None:
    refusal = book(an_entry()).enter(an_entry(area_id="s1", period=Period.of_month(2025, 3), material="paper"))
    assert isinstance(refusal, Refusal)
    assert refusal.zh == (
        "已录入d区 2025 年 废品回收站收购量（office）［scrap_station_recyclables d 2025 “office”］；"
        "s1区 2025-03 废品回收站收购量（office，纸类）与其重叠，同一重量会计两次。请更正或先撤回前者。"
    )
    assert refusal.en == (
        "The recyclables bought by scrap stations of d District in 2025 by “office”"
        " [scrap_station_recyclables d 2025 “office”] is recorded already, and the recyclables bought by scrap"
        " stations, paper, of s1 District in 2025-03 by “office” would count the same again."
        " Correct the former, or withdraw it first."
    )


def test_of_what_overlaps_the_first_is_named() -> None:
    refusal = book(*(an_entry(period=f"2025-{month:02}") for month in (5, 3, 4))).enter(an_entry())
    assert isinstance(refusal, Refusal)
    assert "2025-03" in refusal.en
    refusal = book().enter(an_entry(amount=None))
    assert isinstance(refusal, Refusal)
    assert "d区 2025 年 废品回收站收购量（office）" in refusal.zh
    assert "d District in 2025 by “office”" in refusal.en


def test_the_same_amount_from_another_document_is_a_correction() -> None:
    first = document()
    documents = (replace(first, name="b"), replace(first, day=date(2026, 1, 1)), replace(first, sha256="5e" * 32))
    for other in documents:
        assert entered(book(an_entry()), document=other) == "correction"
    assert entered(book(an_entry()), document=documents[0], is_in_document=True) == "unchanged"


def test_an_entry_meets_only_what_shares_its_months_and_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with each other, 20 000 rows would be 200 million pairs."""
    areas = [f"a{number}" for number in range(100)]
    kinds = [name for name, kind in KINDS.items() if kind.takes_material and kind.recorded][:3]
    tree = Tree({"d": None} | dict.fromkeys(areas, "d"))
    names = dict.fromkeys(tree.parents, ("区", "District"))
    found = Book(tree, {}, areas=names, materials=MATERIALS, today=TODAY)
    compared = Counter[bool]()
    clashes = Book._clashes

    def counted(self: Book, *identities: Identity) -> bool:
        compared[True] += 1
        return clashes(self, *identities)

    monkeypatch.setattr(Book, "_clashes", counted)
    rows = [
        an_entry(area_id=area, period=Period.of_month(year, month), kind=kind, material=material)
        for year in (2023, 2024, 2025)
        for month in range(1, 13)
        for kind in kinds
        for area in areas
        for material in MATERIALS
    ]
    assert len(rows) == 21_600
    assert all(isinstance(found.enter(row), Effect) for row in rows)
    # With the other material of the same line alone.
    assert compared[True] == len(rows) / 2


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({"period": "2025-03"}, "input_overlaps"),
        ({"period": "2025-Q1"}, "input_overlaps"),
        ({"area_id": "s1"}, "input_overlaps"),
        ({"area_id": "c1", "period": "2025-12"}, "input_overlaps"),
        ({"area_id": "city"}, "input_overlaps"),
        ({"material": "paper"}, "input_overlaps"),
        ({"period": "2024"}, "new"),
        ({"source": "river"}, "new"),
        ({"kind": "pickup_recyclables"}, "new"),
    ],
)
def test_the_same_mass_cannot_stand_twice(changes: dict[str, Any], effect: str) -> None:
    assert entered(book(an_entry()), **changes) == effect


def test_materials_stand_beside_each_other_and_not_beside_their_sum() -> None:
    found = book(an_entry(material="paper"), an_entry(material="plastic"))
    assert entered(found) == "input_overlaps"
    assert entered(found, material="plastic", area_id="s1") == "input_overlaps"


def test_areas_that_do_not_lie_in_each_other_report_beside_each_other() -> None:
    book(an_entry(area_id="s1"), an_entry(area_id="s2"))
    found = book(an_entry(area_id="c1"))
    assert [entered(found, area_id=area) for area in ("s2", "s1", "d")] == ["new", "input_overlaps", "input_overlaps"]


def test_an_area_has_one_share_for_a_month_whoever_reports_it_and_each_area_its_own() -> None:
    found = book(an_entry(kind="residue_share"))
    assert entered(found, kind="residue_share", source="river") == "input_overlaps"
    assert entered(found, kind="residue_share", period="2025-03") == "input_overlaps"
    assert entered(found, kind="residue_share", area_id="s1") == "new"


def test_what_was_withdrawn_stands_in_nobodys_way() -> None:
    found = book(an_entry(), an_entry(amount=None))
    assert entered(found, period="2025-03") == "new"
    assert entered(found) == "input_overlaps"


areas = st.sampled_from(sorted(PARENTS))
periods = st.sampled_from(["2025", "2025-Q1", "2025-01", "2025-03", "2025-04", "2024"]).map(Period.parse)
kinds = st.sampled_from(["cleared", "scrap_station_recyclables", "residue_share"])
sources = st.sampled_from(["office", "river"])
materials = st.sampled_from([None, "paper", "plastic"])


class Recording(RuleBasedStateMachine):
    """Whatever is entered: what counts never holds a mass twice, and versions count up by one."""

    def __init__(self) -> None:
        super().__init__()
        self.book = open_book({})
        self.latest: dict[Identity, Latest] = {}

    @rule(
        area=areas,
        period=periods,
        kind=kinds,
        source=sources,
        material=materials,
        amount=st.none() | st.integers(0, 9),
        name=st.sampled_from("abc"),
    )
    def enter(
        self, area: str, period: Period, kind: str, source: str, material: str | None, amount: int | None, name: str
    ) -> None:
        entry = Entry(area, period, kind, source, material, amount, document(name))
        found = self.book.enter(entry)
        if isinstance(found, Refusal):
            return
        before = self.latest.get(entry.identity)
        assert found.before == (None if before is None else before.amount)
        assert found.version == (0 if before is None else before.version) + (found.kind != "unchanged")
        self.latest[entry.identity] = Latest(found.version, amount, entry.document)

    @invariant()
    def no_mass_stands_twice(self) -> None:
        counting = [identity for identity, each in self.latest.items() if each.amount is not None]
        masses = [
            (kind, source, material, area, month)
            for area, period, kind, source, material in counting
            for month in period.months
        ]
        for kind, source, material, area, month in masses:
            rivals = [
                other
                for other in masses
                if other[0] == kind
                and other[4] == month
                and (
                    other[3] == area
                    if KINDS[kind].unit == "ppm"
                    else other[1] == source
                    and TREE.on_one_line(area, other[3])
                    and (other[2] == material or None in (other[2], material))
                )
            ]
            assert rivals == [(kind, source, material, area, month)]

    @invariant()
    def a_book_opened_again_is_the_same(self) -> None:
        again = open_book(self.latest)
        for identity in self.latest:
            entry = Entry(*identity, 99, document("z"))
            assert again.comes_to(entry) == self.book.comes_to(entry)


TestRecording = Recording.TestCase


@given(st.permutations([f"2025-{month:02}" for month in range(1, 13)]))
def test_months_may_come_in_any_order(order: list[str]) -> None:
    found = book()
    assert {entered(found, period=period) for period in order} == {"new"}
    assert entered(found, period="2025-Q2") == "input_overlaps"
