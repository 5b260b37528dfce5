"""A statement's workbook as programs read it that did not write it."""

import zipfile
from pathlib import Path

import pytest

from service.files import sheets
from service.files.sheets import Cells
from service.settlement.workbook import Workbook
from tests.workbooks import parsed, rows_of

HEADER = ("时间 Time", "Kind", "Redemption", "Coins", "Rate", "Offer", "Machine")


def line(coins: int, offer: str = "") -> Cells:
    return ("2026-05-20 08:00:00", "扣款 capture", "", coins, 1500, offer, "")


def packed(path: Path, parts: list[list[Cells]]) -> None:
    book = Workbook(path, HEADER)
    book.write_totals([("编号 Number", "M-202605"), ("Captures", 5)], -150)
    for part in parts:
        book.write(part)
    book.close()


def test_every_line_is_there_on_as_many_sheets_as_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LINES_EACH_SHEET", 2)
    packed(tmp_path / "book.xlsx", [[line(11)], [line(12), line(13), line(14), line(-5, "a<b>&")]])
    with zipfile.ZipFile(tmp_path / "book.xlsx") as book:
        assert book.testzip() is None
        titles = [each.attrib["name"] for each in parsed(book.read("xl/workbook.xml")).iterfind(".//{*}sheet")]
        summary, *lines = [rows_of(book, sheet) for sheet in (1, 2, 3, 4)]
    assert titles == ["结算单 Statement", "明细 Lines", "明细 Lines 2", "明细 Lines 3"]
    assert [[*row.values()] for row in summary] == [
        ["编号 Number", "M-202605"],
        ["Captures", "5"],
        ["应付金额（元）Payable, yuan", "-1.5"],
    ]
    assert [[*rows[0].values()] for rows in lines] == [[*HEADER]] * 3
    assert [[each[f"D{place}"] for place, each in enumerate(rows[1:], start=2)] for rows in lines] == [
        ["11", "12"],
        ["13", "14"],
        ["-5"],
    ]
    assert lines[2][1] == {
        "A2": "2026-05-20 08:00:00",
        "B2": "扣款 capture",
        "D2": "-5",
        "E2": "1500",
        "F2": "a<b>&",
    }


def test_a_statement_without_lines_has_a_sheet_for_them(tmp_path: Path) -> None:
    packed(tmp_path / "book.xlsx", [])
    with zipfile.ZipFile(tmp_path / "book.xlsx") as book:
        assert [[*row.values()] for row in rows_of(book, 2)] == [[*HEADER]]
