"""What the rows of a sheet come to: what a document of its own has said, no sheet takes back without naming one."""

from datetime import UTC, date, datetime
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from service.indicator.evidence import Document, Tree
from service.indicator.importing.amounts import UNIT_BY_SPELLING
from service.indicator.importing.columns import ColumnId
from service.indicator.importing.deciding import Deciding
from service.indicator.importing.sheet import SheetRow
from service.indicator.recording import Book, Effect, Entry, Identity, Latest
from service.periods import Period
from service.sheets.cells import SheetError

TODAY: Final = date(2026, 11, 21)
# In Shanghai this is the next day.
AT: Final = datetime(2026, 11, 19, 16, 30, tzinfo=UTC)
ZONE: Final = "Asia/Shanghai"
AREAS: Final = {"d": ("区", "District"), "s1": ("街道", "Subdistrict")}
PERIOD: Final = Period.of_month(2025, 3)
MONTHS: Final = tuple(Period.of_month(2025, month) for month in (1, 2, 3))


def a_row(
    number: int, period: Period, amount: int | None, *, sheet: str, document: str | None = None, kind: str = "cleared"
) -> SheetRow:
    """Of a sheet, by the digest of its file; with a `document` it names that."""
    named = None if document is None else date(2025, 4, 1)
    sha256 = sheet if document is None else None
    entered = "撤回" if amount is None else f"{amount} g"
    return SheetRow(number, "d", period, kind, "office", None, amount, entered, document or "a.csv", named, sha256)


def said(row: int, column: ColumnId, code: str, zh: str, en: str) -> SheetError:
    return SheetError(row, column, None, code, zh, en)


def deciding(latest: dict[Identity, Latest], sheet: str, unit: str = "t") -> Deciding:
    book = Book(Tree({"d": None, "s1": "d"}), latest, areas=AREAS, materials={}, today=TODAY)
    document = Document("a.csv", TODAY, sheet)
    return Deciding(book, document, said, unit=UNIT_BY_SPELLING[unit], zone=ZONE, told_max=100)


def recorded(amount: int | None, kind: str = "cleared") -> dict[Identity, Latest]:
    """One input, by an operator with a document of its own."""
    document = Document("地磅核对单", date(2025, 4, 2), "5e" * 32)
    return {("d", PERIOD, kind, "office", None): Latest(3, amount, document, recorded_at=AT)}


@pytest.mark.parametrize(
    ("unit", "kind", "amount", "shown"),
    [
        ("t", "cleared", 1_234_500_000, "1234.5 t"),
        ("t", "cleared", 1, "0.000001 t"),
        ("kg", "cleared", 120_000_000, "120000 kg"),
        ("g", "cleared", 120, "120 g"),
        ("万t", "cleared", 30_000_000_000, "3 万t"),
        ("%", "residue_share", 125_000, "12.5 %"),
        ("‰", "residue_share", 0, "0 ‰"),
    ],
)
def test_the_amount_is_told_as_the_sheet_would_have_it(unit: str, kind: str, amount: int, shown: str) -> None:
    found = deciding(recorded(amount, kind), "a" * 64, unit)
    assert found.take([a_row(7, PERIOD, amount + 1, sheet="a" * 64, kind=kind)]) == []
    [error] = found.errors
    assert (error.row, error.column, error.code) == (7, "amount", "corrected_meanwhile")
    for words in (error.zh, error.en):
        # By the city's clock.
        assert all(each in words for each in (shown, "2026-11-20", "“地磅核对单”"))


def test_a_row_is_told_that_the_input_was_withdrawn() -> None:
    found = deciding(recorded(None), "a" * 64)
    found.take([a_row(2, PERIOD, 5, sheet="a" * 64)])
    [error] = found.errors
    assert ("撤回" in error.zh, "withdrawn" in error.en) == (True, True)


def test_a_row_that_would_withdraw_is_held_up_like_any_other() -> None:
    found = deciding(recorded(5), "a" * 64)
    found.take([a_row(2, PERIOD, None, sheet="a" * 64)])
    assert [each.code for each in found.errors] == ["corrected_meanwhile"]


class Sheets(RuleBasedStateMachine):
    """Operators record with documents, and sheets come that were made before: rows of theirs that name no document
    change only what nobody but a sheet has said."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[Identity, Latest] = {}
        self.sheets = 0

    @rule(period=st.sampled_from(MONTHS), amount=st.none() | st.integers(0, 2), name=st.sampled_from("pq"))
    def record(self, period: Period, amount: int | None, name: str) -> None:
        book = Book(Tree({"d": None, "s1": "d"}), self.latest, areas=AREAS, materials={}, today=TODAY)
        entry = Entry("d", period, "cleared", "office", None, amount, Document(name, date(2025, 4, 1), "5e" * 32))
        found = book.enter(entry)
        if isinstance(found, Effect) and found.kind != "unchanged":
            self.latest[entry.identity] = Latest(found.version, amount, entry.document, recorded_at=AT)

    @rule(
        rows=st.dictionaries(
            st.sampled_from(MONTHS), st.tuples(st.none() | st.integers(0, 2), st.sampled_from([None, "p"])), min_size=1
        )
    )
    def send(self, rows: dict[Period, tuple[int | None, str | None]]) -> None:
        self.sheets += 1
        digest = f"{self.sheets:064x}"
        found = deciding(self.latest, digest)
        sent = [
            a_row(number, period, amount, sheet=digest, document=document)
            for number, (period, (amount, document)) in enumerate(rows.items(), 2)
        ]
        changes = found.take(sent)
        before = {each.period: self.latest.get(("d", each.period, "cleared", "office", None)) for each in sent}
        held_up = [
            each.number
            for each in sent
            if (latest := before[each.period]) is not None
            and not latest.is_of_sheet
            and each.document_name == "a.csv"
            and each.amount != latest.amount
        ]
        assert [each.row for each in found.errors if each.code == "corrected_meanwhile"] == held_up
        assert {each.code for each in found.errors} <= {"corrected_meanwhile", "nothing_to_withdraw"}
        if found.errors:
            return
        for change in changes:
            entry = change.entry
            was = before[entry.period]
            assert was is None or was.is_of_sheet or entry.document.name == "p"
            self.latest[entry.identity] = Latest(
                change.version, entry.amount, entry.document, is_of_sheet=entry.is_in_document, recorded_at=AT
            )


TestSheets = Sheets.TestCase
