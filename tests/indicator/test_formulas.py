from fractions import Fraction
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from schemas.indicator import FormulaId
from service.indicator.formulas import FORMULAS, Masses, Quotient, cleared_plus_recovered, decimal_text, rate_of

grams = st.integers(0, 10**15)


def test_a_year_by_hand() -> None:
    """R = 160 t, K = 90 t, C = 490 t: (160 + 90) ÷ (490 + 160) = 250 ÷ 650 = 5 ÷ 13 = 0.384615…"""
    quotient = cleared_plus_recovered(Masses(160_000_000, 90_000_000, 490_000_000))
    assert quotient == Quotient(250_000_000, 650_000_000)
    assert rate_of(quotient) == Fraction(5, 13)
    assert decimal_text(Fraction(5, 13), 6) == "0.384615"
    assert decimal_text(Fraction(5, 13) * 100, 2) == "38.46"


def test_more_recycled_than_arose_is_no_rate() -> None:
    assert rate_of(cleared_plus_recovered(Masses(100, 51, 50))) is None
    assert rate_of(cleared_plus_recovered(Masses(100, 50, 50))) == 1


def test_nothing_at_all_is_no_rate() -> None:
    assert rate_of(cleared_plus_recovered(Masses(0, 0, 0))) is None


def test_less_than_nothing_is_no_rate() -> None:
    assert rate_of(Quotient(-1, 5)) is None
    assert rate_of(Quotient(-3, -2)) is None


@given(grams, grams, grams)
def test_the_rate_is_exact_and_between_0_and_1(r: int, k: int, c: int) -> None:
    quotient = cleared_plus_recovered(Masses(r, k, c))
    rate = rate_of(quotient)
    assert (rate is None) == (k > c or c + r == 0)
    if rate is not None:
        assert 0 <= rate <= 1
        assert rate * (c + r) == r + k


def test_rounding_is_half_to_even() -> None:
    assert [decimal_text(Fraction(n, 8), 2) for n in (1, 3, 5, 7)] == ["0.12", "0.38", "0.62", "0.88"]
    assert decimal_text(Fraction(1), 6) == "1.000000"
    assert decimal_text(Fraction(0), 2) == "0.00"


@given(st.fractions(0, 1), st.integers(1, 9))
def test_a_rounded_rate_is_off_by_half_a_digit_at_most(rate: Fraction, digits: int) -> None:
    assert abs(Fraction(decimal_text(rate, digits)) - rate) <= Fraction(1, 2 * 10**digits)


def test_the_contract_names_every_formula() -> None:
    assert set(get_args(FormulaId)) == set(FORMULAS)
    assert all(formula.id == name for name, formula in FORMULAS.items())
