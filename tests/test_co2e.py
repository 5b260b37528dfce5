from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from service.co2e import Avoided, Weighed, avoided, exact_kg, shown_kg

SETS = st.none() | st.sampled_from(["a", "b"])
FACTORS = st.none() | st.integers(min_value=0, max_value=10**9)
MATERIALS = st.sampled_from(["paper", "metal", "glass"])
weighed = st.lists(
    st.builds(Weighed, SETS, MATERIALS, st.integers(min_value=0, max_value=10**12), FACTORS).map(
        lambda each: each if each.set_id else each._replace(milligrams_co2e_per_kg=None)
    ),
    max_size=8,
)


def test_a_kilogram_of_mixed_paper_avoids_what_the_set_says() -> None:
    total = avoided([Weighed("uk.desnz.2025", "paper", 1250, 220_000)])
    assert total == Avoided(275_000_000, {"uk.desnz.2025": 275_000_000}, ())
    assert exact_kg(total.micrograms) == "0.275000000"
    assert shown_kg(total.micrograms) == "0.275"


def test_nothing_is_rounded_until_it_is_shown() -> None:
    tiny = [Weighed("a", "paper", 1, 999_999), Weighed("a", "glass", 1, 1)]
    assert [shown_kg(avoided([each]).micrograms) for each in tiny] == ["0.000", "0.000"]
    assert shown_kg(avoided(tiny).micrograms) == "0.001"


def test_a_material_without_a_factor_is_named_and_not_guessed() -> None:
    total = avoided(
        [Weighed("a", "electronics", 900, None), Weighed("a", "glass", 1000, 580_000), Weighed(None, "paper", 5, None)]
    )
    assert total == Avoided(580_000_000, {"a": 580_000_000}, ("electronics", "paper"))


def test_a_set_by_which_nothing_could_be_counted_is_there_with_nothing() -> None:
    assert avoided([Weighed("a", "electronics", 900, None)]).by_set == {"a": 0}
    assert avoided([]) == Avoided(0, {}, ())


@given(weighed)
def test_the_sum_is_exact_and_the_sets_add_up_to_it(brought: list[Weighed]) -> None:
    total = avoided(brought)
    kilograms = sum(
        Fraction(each.grams * each.milligrams_co2e_per_kg, 10**9)
        for each in brought
        if each.milligrams_co2e_per_kg is not None
    )
    assert Fraction(Decimal(exact_kg(total.micrograms))) == kilograms
    assert sum(total.by_set.values()) == total.micrograms
    assert 0 <= kilograms - Fraction(shown_kg(total.micrograms)) < Fraction(1, 1000)


@given(weighed, weighed)
def test_two_parts_add_up_to_the_whole(one: list[Weighed], other: list[Weighed]) -> None:
    assert avoided(one).micrograms + avoided(other).micrograms == avoided([*one, *other]).micrograms
