"""What a statement comes to."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settlement.months import Month
from service.settlement.rules import Line, exact_yuan, totals_of, yuan, yuan_in_words

lines = st.lists(
    st.builds(Line, st.sampled_from(["redemption", "refund"]), st.integers(1, 10**9), st.integers(0, 10**8)),
    max_size=30,
)


@given(lines)
def test_the_payable_is_exact_and_rounded_once_towards_zero(given_lines: list[Line]) -> None:
    totals = totals_of(given_lines)
    exact = sum(
        (
            Fraction(line.coins * line.fen_per_1000_coins, 1000) * (1 if line.kind == "redemption" else -1)
            for line in given_lines
        ),
        Fraction(),
    )
    assert totals.payable_fen == int(exact)
    assert totals.net_coins == totals.captured_coins - totals.refunded_coins
    assert totals.captures + totals.refunds == len(given_lines)


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
    ],
)
def test_amounts_are_written_in_words_as_on_a_chinese_bill(fen: int, words: str) -> None:
    assert yuan_in_words(fen) == words


def test_yuan_have_two_decimals() -> None:
    assert [yuan(fen) for fen in (0, 5, 123, -1234567)] == ["0.00", "0.05", "1.23", "-12,345.67"]
    # What is not rounded yet has as many as it takes.
    assert [exact_yuan(milli_fen) for milli_fen in (0, 1, -1230, 123_450_000)] == [
        "0.00",
        "0.00001",
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
