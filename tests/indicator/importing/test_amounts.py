"""Amounts as people and spreadsheets write them."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.indicator_inputs import GRAMS_MAX
from service.indicator.importing.amounts import UNIT_BY_SPELLING, UNITS, Unit, read_amount
from service.sheets.cells import Cell, CellWrong, Number, Unreadable
from service.sheets.xlsx_source import number_of


def unit(spelling: str) -> Unit:
    return UNIT_BY_SPELLING[spelling]


def wrong(cell: Cell | None, spelling: str = "t") -> str:
    with pytest.raises(CellWrong) as raised:
        read_amount(cell, unit(spelling))
    return raised.value.code


@pytest.mark.parametrize(
    ("text", "spelling", "amount"),
    [
        ("0", "t", 0),
        ("12.5", "t", 12_500_000),
        ("1,234.5", "kg", 1_234_500),
        ("１，２３４．５", "公斤", 1_234_500),
        ("1,234,567", "克", 1_234_567),
        ("0.000001", "吨", 1),
        ("1.50", "万吨", 15_000_000_000),
        ("0.0000000001", "万t", 1),
        ("12.3400", "%", 123_400),
        ("100", "%", 1_000_000),
        ("3.5", "‰", 3_500),
        ("0.0001", "百分数", 1),
        ("12.5吨", "t", 12_500_000),
        ("12.5 T", "t", 12_500_000),
        ("38.5％", "%", 385_000),
        ("007", "g", 7),
    ],
)
def test_an_amount_is_exact_in_every_unit(text: str, spelling: str, amount: int) -> None:
    assert read_amount(text, unit(spelling))[0] == amount


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "amount_empty"),
        ("  ", "amount_empty"),
        ("-1", "amount_negative"),
        ("－1", "amount_negative"),
        ("−1", "amount_negative"),
        ("1,23", "grouping_wrong"),
        ("1,2345", "grouping_wrong"),
        ("12,34.5", "grouping_wrong"),
        (",123", "grouping_wrong"),
        ("1.2.3", "amount_wrong"),
        ("1e3", "amount_wrong"),
        ("10²", "amount_wrong"),
        ("十二", "amount_wrong"),
        ("①", "amount_wrong"),
        ("٣", "amount_wrong"),
        ("(12)", "amount_wrong"),
        ("约12", "amount_wrong"),
        ("=1+1", "amount_wrong"),
        ("NaN", "amount_wrong"),
        ("1_000", "amount_wrong"),
        ("9" * 100, "amount_wrong"),
        ("0.0000001", "finer_than_gram"),
        ("1000000001", "too_much"),
        ("12.5 kg", "unit_in_cell"),
        ("50%", "unit_in_cell"),
    ],
)
def test_what_is_no_amount_is_refused_in_words_of_its_own(text: str, code: str) -> None:
    assert wrong(text) == code


def test_a_share_lies_between_0_and_the_whole_and_has_six_digits() -> None:
    assert wrong("100.0001", "%") == "more_than_whole"
    assert wrong("0.00001", "%") == "finer_than_ppm"
    assert wrong("0.0001", "‰") == "finer_than_ppm"


def test_what_is_no_number_of_a_spreadsheet_is_refused() -> None:
    assert wrong(None) == "amount_empty"
    assert wrong(date(2025, 3, 1)) == "amount_is_date"
    assert wrong(Unreadable("formula", "=A1")) == "formula"
    assert wrong(Number("-3")) == "amount_negative"
    assert wrong(Number("38.5", percent=True), "t") == "unit_in_cell"


def test_a_cell_that_is_shown_as_a_percentage_is_one() -> None:
    assert read_amount(Number("38.5", percent=True), unit("%")) == (385_000, "38.5 %")


@pytest.mark.parametrize("word", ["撤回", " withdraw ", "Withdraw", "ＷＩＴＨＤＲＡＷ"])
def test_a_withdrawal_has_no_amount(word: str) -> None:
    assert read_amount(word, unit("t")) == (None, word.strip())


def test_what_was_entered_is_kept_with_its_unit() -> None:
    assert read_amount(" 1,234.5 ", unit("公斤"))[1] == "1,234.5 kg"
    assert read_amount("12.5吨", unit("t"))[1] == "12.5吨"


@given(st.integers(0, GRAMS_MAX), st.sampled_from([each for each in UNITS if each.measure == "grams"]), st.booleans())
def test_every_mass_comes_back_to_the_gram(grams: int, used: Unit, grouped: bool) -> None:
    written = format(Decimal(grams) / used.each, ",f" if grouped else "f")
    assert read_amount(written, used)[0] == grams


@given(st.decimals(0, 10**9, places=6).filter(lambda number: len(number.normalize().as_tuple().digits) <= 15))
def test_a_number_that_was_typed_into_a_spreadsheet_comes_back_unchanged(typed: Decimal) -> None:
    found = number_of(repr(float(typed)), percent=False)
    assert isinstance(found, Number)
    assert Decimal(found.text) == typed
    assert read_amount(found, unit("t"))[0] == int(typed * 10**6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.30000000000000004", "0.3"),
        ("1.1000000000000001", "1.1"),
        ("1.2345678000000001E4", "12345.678"),
        ("1E-6", "0.000001"),
        ("5", "5"),
        ("1000000000000000", "1000000000000000"),
        ("1.0", "1"),
        ("1E2", "100"),
        ("0", "0"),
    ],
)
def test_a_number_of_a_spreadsheet_is_what_it_shows(value: str, text: str) -> None:
    assert number_of(value, percent=False) == Number(text)


@pytest.mark.parametrize("value", ["nan", "inf", "1E400", "1E-400", "1e99", "", "0x10", "1,5", "--1"])
def test_what_is_no_number_in_a_workbook_is_unreadable(value: str) -> None:
    found = number_of(value, percent=False)
    assert isinstance(found, Unreadable) or found == Number("0")
