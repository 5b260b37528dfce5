from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from service.residents.rules import AvoidedCo2e, MaterialVolume, avoided_co2e

volumes = st.lists(
    st.builds(
        MaterialVolume,
        material_id=st.sampled_from(["paper", "plastic", "metal", "glass"]),
        weight_grams=st.integers(min_value=0, max_value=10**15),
        grams_co2e_per_kg=st.none() | st.integers(min_value=0, max_value=2**31 - 1),
    ),
    max_size=8,
)


def test_grams_times_the_factor_of_a_kilogram() -> None:
    assert avoided_co2e([MaterialVolume("paper", 1250, 220)]) == AvoidedCo2e(275, ())


def test_it_is_rounded_down_once_after_the_sum() -> None:
    assert avoided_co2e([MaterialVolume("paper", 1, 999)]).grams == 0
    assert avoided_co2e([MaterialVolume("paper", 1, 999), MaterialVolume("glass", 1, 1)]).grams == 1


def test_a_material_without_a_factor_is_named_and_not_counted() -> None:
    brought = [MaterialVolume("electronics", 10**9, None), MaterialVolume("glass", 1000, 580)]
    assert avoided_co2e(brought) == AvoidedCo2e(580, ("electronics",))


def test_who_brought_nothing_avoided_nothing() -> None:
    assert avoided_co2e([]) == AvoidedCo2e(0, ())


@given(volumes)
def test_it_is_the_exact_sum_rounded_down(brought: list[MaterialVolume]) -> None:
    exact = sum(
        Fraction(volume.weight_grams * volume.grams_co2e_per_kg, 1000)
        for volume in brought
        if volume.grams_co2e_per_kg is not None
    )
    assert 0 <= exact - avoided_co2e(brought).grams < 1
