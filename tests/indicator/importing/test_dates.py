"""Periods and days as people and spreadsheets write them."""

from datetime import date

import pytest

from service.indicator.importing.dates import read_day, read_period
from service.sheets.cells import Cell, CellWrong, Number, Unreadable


def code_of(read: object, cell: Cell) -> str:
    assert callable(read)
    with pytest.raises(CellWrong) as raised:
        read(cell)
    return raised.value.code


@pytest.mark.parametrize(
    ("cell", "period"),
    [
        ("2025", "2025"),
        ("2025年", "2025"),
        ("２０２５年度", "2025"),
        (Number("2025"), "2025"),
        ("2025-03", "2025-03"),
        ("2025-3", "2025-03"),
        ("2025/03", "2025-03"),
        ("2025年3月", "2025-03"),
        ("2025 年 03 月份", "2025-03"),
        (Number("202503"), "2025-03"),
        ("202512", "2025-12"),
        (date(2025, 3, 1), "2025-03"),
        ("2025/3/1", "2025-03"),
        ("2025-Q1", "2025-Q1"),
        ("2025Q4", "2025-Q4"),
        ("2025-q2", "2025-Q2"),
        ("2025年第1季度", "2025-Q1"),
        ("2025年第一季度", "2025-Q1"),
        ("2025年四季度", "2025-Q4"),
        ("2025年Q3", "2025-Q3"),
    ],
)
def test_a_period_is_written_one_way_however_it_came(cell: Cell, period: str) -> None:
    assert str(read_period(cell)) == period


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("2025-13", "period_wrong"),
        ("2025-00", "period_wrong"),
        ("2025-Q5", "period_wrong"),
        ("25-03", "period_wrong"),
        ("Mar-25", "period_wrong"),
        ("3月", "period_wrong"),
        ("2025-01/2025-03", "period_wrong"),
        ("2024-12/2025-01", "period_wrong"),
        ("2025-02-30", "period_wrong"),
        ("9999", "period_wrong"),
        (Number("45717"), "period_wrong"),
        ("2025-03-15", "period_is_day"),
        (date(2025, 3, 15), "period_is_day"),
        (Number("2025.1"), "period_like_number"),
        ("2025.10", "period_like_number"),
        (Unreadable("formula", "=A1"), "formula"),
    ],
)
def test_what_is_no_period_is_refused(cell: Cell, code: str) -> None:
    assert code_of(read_period, cell) == code


@pytest.mark.parametrize(
    "cell",
    [
        "2025-03-31",
        "2025/3/31",
        "2025.3.31",
        "2025年3月31日",
        "２０２５－０３－３１",
        Number("20250331"),
        date(2025, 3, 31),
    ],
)
def test_a_day_may_be_written_in_many_ways(cell: Cell) -> None:
    assert read_day(cell) == date(2025, 3, 31)


@pytest.mark.parametrize("cell", ["2025-02-30", "31/03/2025", "2025-03", "三月底", Number("45747"), "2025-3/31"])
def test_what_is_no_day_is_refused(cell: Cell) -> None:
    assert code_of(read_day, cell) == "date_wrong"
    assert code_of(read_day, Unreadable("error_value", "#REF!")) == "error_value"
