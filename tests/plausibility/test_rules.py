"""Each rule by example: what it lets pass, what it finds, and by how much."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.plausibility.drop import AccountDay, BinFacts, Drop, Figures
from service.plausibility.parameters import HeavyDrop, HourlyRate, MostByKind, NoParameters, SmallestLoad, Tolerance
from service.plausibility.permissible import permissible_error
from service.plausibility.rules import (
    RULES,
    Case,
    Emptying,
    above_capacity,
    below_smallest_load,
    box_mass_over,
    box_mass_short,
    certificate_expired,
    day_coins,
    day_drops,
    day_grams,
    emptied_mass_over,
    emptied_mass_short,
    heavy_drop,
    improbable_rate,
)
from service.plausibility.standard import STANDARD_RULES
from service.plausibility.words import WORDS, named_figures

DAY = 86_400
ENDS = 1_800_000_000.0
FACTS = BinFacts(10, 60_000, 30_000, ENDS, float("-inf"))
NONE = NoParameters()
EXACTLY = Tolerance()


def case(day: AccountDay | None = None, before: int | None = None, hour: list[int] | None = None, **drop: Any) -> Case:
    usual = Drop(1, "paper", 1250, None, ENDS - 1000, 0, 125, True)
    return Case(usual._replace(**drop), FACTS, day, before, hour or [0, 0])


def told(code: str, figures: Figures | None) -> Figures | None:
    """The figures, if their sentence can be told."""
    if figures is not None:
        assert any(named_figures(sentence) <= figures.keys() for sentence in WORDS[code]["en"].operators)
    return figures


@pytest.mark.parametrize(
    ("load", "error"),
    [(0, 10), (5_000, 10), (5_001, 20), (20_000, 20), (20_001, 30), (100_000, 30), (1_000_000, 30)],
)
def test_a_scale_may_err_by_more_the_more_it_carries(load: int, error: int) -> None:
    assert permissible_error(load, 10) == error


def test_less_than_twenty_intervals_is_no_weighing() -> None:
    assert below_smallest_load(case(weight_grams=200), SmallestLoad()) is None
    figures = told("below_smallest_load", below_smallest_load(case(weight_grams=199), SmallestLoad()))
    assert figures == {"weight_grams": 199, "least_grams": 200}
    assert below_smallest_load(case(weight_grams=199), SmallestLoad(intervals_min=10)) is None


def test_a_scale_weighs_no_more_than_it_can_and_a_box_holds_no_more_than_it_can() -> None:
    assert above_capacity(case(weight_grams=60_000, box_weight_grams=30_000), NONE) is None
    scale = told("above_capacity", above_capacity(case(weight_grams=60_001), NONE))
    assert scale == {"weight_grams": 60_001, "capacity_grams": 60_000}
    box = told("above_capacity", above_capacity(case(box_weight_grams=30_001), NONE))
    assert box == {"box_weight_grams": 30_001, "box_capacity_grams": 30_000}


def test_a_certificate_holds_until_its_last_day_is_over() -> None:
    assert certificate_expired(case(occurred_at=ENDS - 0.001), NONE) is None
    assert certificate_expired(case(occurred_at=ENDS), NONE) == {"days_over": 1}
    figures = certificate_expired(case(occurred_at=ENDS + DAY), NONE)
    assert told("certificate_expired", figures) == {"days_over": 2}
    # Of a drop whose time nobody knows.
    assert certificate_expired(case(occurred_at=ENDS)._replace(hour=None), NONE) is None


def test_a_heavy_drop_is_told_by_how_much_and_materials_have_their_own_limit() -> None:
    parameters = HeavyDrop(grams_max=15_000, material_grams_max={"glass": 20_000})
    assert heavy_drop(case(weight_grams=15_000), parameters) is None
    figures = told("heavy_drop", heavy_drop(case(weight_grams=15_400), parameters))
    assert figures == {"weight_grams": 15_400, "grams_max": 15_000, "grams_over": 400}
    assert heavy_drop(case(weight_grams=20_000, material_id="glass"), parameters) is None
    assert heavy_drop(case(weight_grams=20_001, material_id="glass"), parameters) is not None


def test_a_day_has_so_many_drops_grams_and_coins_and_traders_have_more() -> None:
    drops, grams, coins = (
        MostByKind(resident=resident, trader=trader) for resident, trader in ((3, 9), (5_000, 9_000), (500, 900))
    )
    within = AccountDay("resident", 2, 3_750, 375)
    assert day_drops(case(within), drops) is None
    assert day_grams(case(within), grams) is None
    assert day_coins(case(within), coins) is None
    over = AccountDay("resident", 3, 3_751, 376)
    assert told("day_drops", day_drops(case(over), drops)) == {"drops": 4, "drops_max": 3}
    assert told("day_grams", day_grams(case(over), grams)) == {"grams": 5_001, "grams_max": 5_000, "grams_over": 1}
    assert told("day_coins", day_coins(case(over), coins)) == {"coins": 501, "coins_max": 500, "coins_over": 1}
    trader = AccountDay("trader", 3, 3_751, 376)
    assert day_drops(case(trader), drops) is None
    assert day_grams(case(trader), grams) is None
    assert day_coins(case(trader), coins) is None


@pytest.mark.parametrize("rule", [day_drops, day_grams, day_coins])
def test_nobodys_drop_has_no_day_and_a_kind_may_be_without_a_limit(rule: Any) -> None:
    parameters = MostByKind(resident=1, trader=None)
    assert rule(case(None), parameters) is None
    assert rule(case(AccountDay("trader", 10**6, 10**9, 10**9)), parameters) is None
    assert rule(case(AccountDay("resident", 10**6, 10**9, 10**9)), parameters) is not None


def test_a_bin_takes_so_many_drops_and_grams_in_an_hour() -> None:
    parameters = HourlyRate(drops_max=3, grams_max=5_000)
    assert improbable_rate(case(hour=[2, 3_750]), parameters) is None
    assert improbable_rate(case(hour=[3, 3]), parameters) is not None
    figures = told("improbable_rate", improbable_rate(case(hour=[2, 3_751]), parameters))
    assert figures == {"drops": 3, "drops_max": 3, "grams": 5_001, "grams_max": 5_000}
    assert improbable_rate(case()._replace(hour=None), parameters) is None


@pytest.mark.parametrize(
    ("after", "found"), [(11_199, "box_mass_short"), (11_200, None), (11_300, None), (11_301, "box_mass_over")]
)
def test_a_box_gains_what_is_dropped_but_for_what_the_scale_may_err(after: int, found: str | None) -> None:
    """10 kg, 1 250 g and what they make together, with e = 10 g: 20, 10 and 20 g may be wrong, 50 g together."""
    judged = case(before=10_000, box_weight_grams=after)
    assert (box_mass_short(judged, EXACTLY) is not None) == (found == "box_mass_short")
    assert (box_mass_over(judged, EXACTLY) is not None) == (found == "box_mass_over")


def test_a_box_that_gained_too_little_or_too_much_tells_all_figures() -> None:
    for after, rule in ((11_199, box_mass_short), (11_301, box_mass_over)):
        judged = case(before=10_000, box_weight_grams=after)
        assert told(rule.__name__, rule(judged, EXACTLY)) == {
            "box_grams_before": 10_000,
            "weight_grams": 1250,
            "box_grams_after": after,
            "expected_grams": 11_250,
            "difference_grams": 51,
            "permissible_grams": 50,
        }
        assert rule(judged, Tolerance(tolerance_grams=1)) is None
        # A box that is not weighed, or of which the mass before is not known.
        assert rule(case(before=10_000), EXACTLY) is None
        assert rule(case(box_weight_grams=after), EXACTLY) is None
        assert rule(case(), EXACTLY) is None
    assert box_mass_over(case(before=10_000, box_weight_grams=11_199), EXACTLY) is None
    assert box_mass_short(case(before=10_000, box_weight_grams=11_301), EXACTLY) is None


@pytest.mark.parametrize(("after", "found"), [(1_229, True), (1_230, False), (30_000, False)])
def test_whatever_was_in_a_box_before_the_drop_is_in_it_now(after: int, found: bool) -> None:
    """Where the mass before is not known, because an event is missing in between."""
    judged = case(box_weight_grams=after)
    figures = told("box_mass_short", box_mass_short(judged, EXACTLY))
    least = {"weight_grams": 1250, "box_grams_at_most": 1229, "difference_grams": 21, "permissible_grams": 20}
    assert figures == (least if found else None)
    assert box_mass_short(judged, Tolerance(tolerance_grams=1)) is None
    assert box_mass_over(judged, EXACTLY) is None


@given(st.data(), st.integers(0, 60_000), st.integers(200, 15_000), st.sampled_from([5, 10, 20]))
def test_a_scale_within_its_permissible_errors_is_never_doubted(
    data: st.DataObject, before: int, weight: int, interval: int
) -> None:
    """Each reading errs by as much as it may at its own load, in either direction."""

    def reading(true: int) -> int:
        # What is read stays within the step of the true load, as it does with a scale that is right.
        error = permissible_error(true, interval)
        read = true + data.draw(st.integers(-error, error))
        return read if permissible_error(read, interval) >= error else true

    facts = FACTS._replace(interval_grams=interval)
    drop = case().drop._replace(weight_grams=reading(weight), box_weight_grams=reading(before + weight))
    judged = Case(drop, facts, None, reading(before), [0, 0])
    assert box_mass_short(judged, EXACTLY) is None
    assert box_mass_over(judged, EXACTLY) is None


def test_what_is_emptied_is_what_was_dropped_but_for_what_the_readings_may_err() -> None:
    """25 000 g on the scale may be 30 g wrong, its drops 250 g."""
    for mass, rule in ((24_719, emptied_mass_short), (25_281, emptied_mass_over)):
        emptying = Emptying(FACTS, mass, 25_000, 250)
        assert told(rule.__name__, rule(emptying, EXACTLY)) == {
            "mass_before_grams": mass,
            "expected_grams": 25_000,
            "difference_grams": 281,
            "permissible_grams": 280,
        }
        assert rule(emptying, Tolerance(tolerance_grams=1)) is None
    assert emptied_mass_over(Emptying(FACTS, 24_719, 25_000, 250), EXACTLY) is None
    assert emptied_mass_short(Emptying(FACTS, 25_281, 25_000, 250), EXACTLY) is None


def test_the_shipped_set_has_every_rule_with_parameters_that_it_takes() -> None:
    assert [code for code, _, _ in STANDARD_RULES] == list(RULES)
    for code, _, parameters in STANDARD_RULES:
        assert RULES[code].parameters.model_validate(parameters).model_dump(exclude_unset=True) == parameters
