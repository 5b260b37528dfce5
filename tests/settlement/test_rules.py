"""Amounts as a statement shows them, and its months."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settlement.months import Month
from service.settlement.rules import exact_yuan, yuan, yuan_in_words


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (5, "伍分"),
        (50, "伍角整"),
        (100, "壹元整"),
        (1050, "壹拾元伍角整"),
        (100530, "壹仟零伍元叁角整"),
        (10_000_000, "壹拾万元整"),
        (1_001_000_101, "壹仟零壹万零壹元零壹分"),
        (10_000_000_000, "壹亿元整"),
        (14_095_0, "壹仟肆佰零玖元伍角整"),
        (600_714, "陆仟零柒元壹角肆分"),
        (32_504, "叁佰贰拾伍元零肆分"),
        (-12_345, "负壹佰贰拾叁元肆角伍分"),
        (100_010_000_000_000, "壹万零壹亿元整"),
        (100_000_000_000_000, "壹万亿元整"),
        (1_000_500_010_000_000, "壹拾万零伍拾亿零壹拾万元整"),
        (999_999_999_999_999_999, "玖仟玖佰玖拾玖万玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分"),
    ],
)
def test_amounts_are_written_in_words_as_on_a_chinese_bill(fen: int, words: str) -> None:
    assert yuan_in_words(fen) == words


def read_words(words: str) -> int:
    """The number that a reader of Chinese takes these words for."""
    for size, name in ((10**8, "亿"), (10**4, "万"), (1000, "仟"), (100, "佰"), (10, "拾")):
        high, found, low = words.rpartition(name)
        if found:
            return read_words(high) * size + read_words(low)
    return "零壹贰叁肆伍陆柒捌玖".index(words[-1]) if words else 0


@given(st.integers(1, 10**16 - 1))
def test_words_are_read_as_what_was_written(whole: int) -> None:
    words = yuan_in_words(whole * 100).removesuffix("元整")
    assert read_words(words) == whole
    assert "零零" not in words


def test_yuan_have_two_decimals() -> None:
    assert [yuan(fen) for fen in (0, 5, 123, -1234567)] == ["0.00", "0.05", "1.23", "-12,345.67"]
    # What is not rounded yet has as many as it takes.
    assert [exact_yuan(milli_fen) for milli_fen in (0, 1, -999, -1230, 123_450_000)] == [
        "0.00",
        "0.00001",
        "-0.00999",
        "-0.0123",
        "1,234.50",
    ]


def test_a_month_ends_where_the_next_begins_in_the_city() -> None:
    december = Month.parse("2026-12")
    assert december.next == Month(2027, 1)
    assert december.ends_at("Asia/Shanghai").isoformat() == "2026-12-31T16:00:00+00:00"
    for text in ("2026-13", "2026-00", "2026", "26-01", "2026-1", "2026-01-01"):
        with pytest.raises(ValueError, match="is no month"):
            Month.parse(text)
