"""The six formulas of FACTS.md, by hand and by property."""

from collections.abc import Mapping
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.indicator import FormulaId
from service.indicator.formulas import FORMULAS, QUANTITIES, Quotient, decimal_text, exact_grams, rate_of
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING

grams = st.integers(0, 10**15).map(Fraction)
TONNE = 1_000_000


def tonnes(**amounts: float) -> dict[str, Fraction]:
    return {name: Fraction(str(amount)) * TONNE for name, amount in amounts.items()}


# By hand: R = 160 t, K = 90 t, C = 490 t.
BY_HAND = {
    # (160 + 90) ÷ (490 + 160) = 250 ÷ 650
    "cn.cleared_plus_recovered": (tonnes(recovered=160, kitchen_treated=90, cleared=490), 250, 650, "0.384615"),
    # (160 + 90) ÷ 700
    "cn.generated": (tonnes(recovered=160, kitchen_treated=90, generated=700), 250, 700, "0.357143"),
    # A fifth of K is residue: (160 + 90 − 18) ÷ 650
    "cn.net_residue": (
        tonnes(recovered=160, kitchen_treated=90, kitchen_residue=18, cleared=490),
        232,
        650,
        "0.356923",
    ),
    # 150 t enter the recycling operation, of 700 t
    "eu.2019_1004": (tonnes(recovered=150, generated=700), 150, 700, "0.214286"),
    # 300 t burned × 0.5, 90 t of kitchen waste × 0.8, 100 t landfilled × 0: (160 + 150 + 72) ÷ 650
    "cn.resource_utilisation": (
        tonnes(recovered=160, burned_used=150, kitchen_used=72, landfilled_used=0, cleared=490),
        382,
        650,
        "0.587692",
    ),
    # 160 ÷ (160 + 400 + 30 − 10)
    "us.epa1997": (tonnes(recovered=160, disposed=400, exported=30, imported=10), 160, 580, "0.275862"),
}


@pytest.mark.parametrize("formula_id", FORMULAS)
def test_a_year_by_hand(formula_id: str) -> None:
    amounts, numerator, denominator, rate = BY_HAND[formula_id]
    quotient = FORMULAS[formula_id].quotient(amounts)
    assert quotient == Quotient(Fraction(numerator * TONNE), Fraction(denominator * TONNE))
    found = rate_of(quotient)
    assert found == Fraction(numerator, denominator)
    assert decimal_text(Fraction(numerator, denominator), 6) == rate


def test_counted_at_the_yard_later_rejects_are_deducted() -> None:
    amounts = tonnes(recovered=155, yard_rejects=5, generated=700)
    assert rate_of(FORMULAS["eu.2019_1004"].quotient(amounts)) == Fraction(150, 700)
    assert FORMULAS["eu.2019_1004"].needed("yard") == ("recovered", "generated", "yard_rejects")


def test_more_recycled_than_arose_is_no_rate() -> None:
    formula = FORMULAS["cn.cleared_plus_recovered"]
    assert rate_of(formula.quotient(tonnes(recovered=100, kitchen_treated=51, cleared=50))) is None
    assert rate_of(formula.quotient(tonnes(recovered=100, kitchen_treated=50, cleared=50))) == 1


def test_nothing_at_all_is_no_rate() -> None:
    assert rate_of(Quotient(Fraction(0), Fraction(0))) is None


def test_less_than_nothing_is_no_rate() -> None:
    assert rate_of(Quotient(Fraction(-1), Fraction(5))) is None
    assert rate_of(Quotient(Fraction(-3), Fraction(-2))) is None
    # More imported than all else came to.
    assert rate_of(FORMULAS["us.epa1997"].quotient(tonnes(recovered=1, disposed=1, exported=0, imported=3))) is None


@pytest.mark.parametrize("formula_id", FORMULAS)
@given(st.fixed_dictionaries(dict.fromkeys(QUANTITIES, grams)))
def test_a_rate_is_exact_and_between_0_and_1(formula_id: str, amounts: Mapping[str, Fraction]) -> None:
    quotient = FORMULAS[formula_id].quotient(amounts)
    rate = rate_of(quotient)
    if rate is not None:
        assert 0 <= rate <= 1
        assert rate * quotient.denominator_grams == quotient.numerator_grams


@pytest.mark.parametrize("formula_id", FORMULAS)
@given(st.fixed_dictionaries(dict.fromkeys(QUANTITIES, grams)), st.integers(2, 1000))
def test_a_rate_does_not_depend_on_the_unit(formula_id: str, amounts: Mapping[str, Fraction], factor: int) -> None:
    formula = FORMULAS[formula_id]
    scaled = {name: amount * factor for name, amount in amounts.items()}
    assert rate_of(formula.quotient(scaled)) == rate_of(formula.quotient(amounts))


def test_rounding_is_half_to_even() -> None:
    assert [decimal_text(Fraction(n, 8), 2) for n in (1, 3, 5, 7)] == ["0.12", "0.38", "0.62", "0.88"]
    assert decimal_text(Fraction(1), 6) == "1.000000"
    assert decimal_text(Fraction(0), 2) == "0.00"


@given(st.fractions(0, 1), st.integers(1, 9))
def test_a_rounded_rate_is_off_by_half_a_digit_at_most(rate: Fraction, digits: int) -> None:
    assert abs(Fraction(decimal_text(rate, digits)) - rate) <= Fraction(1, 2 * 10**digits)


@given(st.integers(-(10**24), 10**24))
def test_exact_grams_are_read_back_the_same(micrograms: int) -> None:
    value = Fraction(micrograms, 10**6)
    text = exact_grams(value)
    assert Fraction(text) == value
    assert not text.endswith((".", "0")) or "." not in text


def test_exact_grams_are_never_rounded() -> None:
    assert [exact_grams(Fraction(each)) for each in ("12", "12.05", "-0.000001", "0")] == [
        "12",
        "12.05",
        "-0.000001",
        "0",
    ]
    with pytest.raises(ValueError, match="more than 6"):
        exact_grams(Fraction(1, 3))


def test_the_registry_is_whole() -> None:
    assert set(get_args(FormulaId)) == set(FORMULAS)
    assert all(formula.id == name for name, formula in FORMULAS.items())
    for formula in FORMULAS.values():
        assert set(formula.ways) <= set(WAYS_OF_COUNTING)
        for way in formula.ways:
            assert set(formula.needed(way)) | set(formula.stand_ins.values()) <= set(QUANTITIES)
    for quantity in QUANTITIES.values():
        assert (quantity.mass is None) == (quantity.id == "recovered")
        assert quantity.mass is None or KINDS[quantity.mass].unit == "grams"
        assert quantity.share is None or KINDS[quantity.share].unit == "ppm"
