"""Workbooks that people download."""

from pathlib import Path

import pytest

from service.files import sheets
from service.files.sheets import Lines, open_book, shown_text
from tests.workbooks import read_book


def test_rows_go_on_as_many_sheets_as_they_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LINES_EACH_SHEET", 2)
    book = open_book(tmp_path / "book.xlsx")
    lines = Lines(book, "甲 A", ("名 Name", "数 Number"), [10])
    bold = book.add_format({"bold": True})
    lines.write([("一", 1), ("二", "")])
    lines.write([("三", 3.5)], [bold, bold])
    Lines(book, "乙 B", ("空 Empty",), [10])
    book.close()
    assert read_book(tmp_path / "book.xlsx") == {
        "甲 A": [["名 Name", "数 Number"], ["一", 1], ["二"]],
        "甲 A 2": [["名 Name", "数 Number"], ["三", 3.5]],
        "乙 B": [["空 Empty"]],
    }


def test_what_looks_like_a_formula_a_number_or_a_link_stays_text(tmp_path: Path) -> None:
    texts = ["=1+1", "12", "https://tanbi.test/", "+1", "@a", "{=1}"]
    book = open_book(tmp_path / "book.xlsx")
    Lines(book, "甲", ("名",), [10]).write([each] for each in texts)
    book.close()
    # The reader refuses formulas and links.
    assert read_book(tmp_path / "book.xlsx")["甲"][1:] == [[each] for each in texts]
    assert [shown_text(each) for each in texts] == ["'=1+1", "12", "https://tanbi.test/", "'+1", "'@a", "{=1}"]
    assert shown_text(None) == ""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_no_sign_that_begins_a_formula_begins_a_text(sign: str) -> None:
    """In East Asia a spreadsheet takes full-width signs for formulas too."""
    assert shown_text(f"{sign}1") == f"'{sign}1"
    assert shown_text(f"1{sign}") == f"1{sign}"
