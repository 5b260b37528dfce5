"""What a year will come to, and what its target still needs, by hand and by property."""

from collections.abc import Mapping
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from service.indicator.evidence import Evidence, Recorded
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import FORMULAS, Quotient
from service.indicator.projection import Needed, needed_for, project
from service.periods import Period
from tests.indicator.test_evidence import DOCUMENT, TREE

FORMULA = FORMULAS["cn.cleared_plus_recovered"]
FIRST_HALF = Period(2026, 1, 6)
KINDS = ("pickup_recyclables", "kitchen_treated", "cleared")


def half_years(halves: Mapping[tuple[int, int], tuple[int, int, int]]) -> Evidence:
    """R, K and C by year and half; each half's in its two quarters."""
    return Evidence(
        TREE,
        [
            Recorded(1, "d", Period.of_quarter(year, 2 * half + quarter), kind, "a", None, 1, amount, DOCUMENT)
            for (year, half), amounts in halves.items()
            for kind, both in zip(KINDS, amounts, strict=True)
            for quarter, amount in ((-1, both // 2), (0, both - both // 2))
        ],
    )


def figure(evidence: Evidence, period: Period = FIRST_HALF, formula: str = FORMULA.id) -> Figure:
    return figure_of(evidence, FORMULAS[formula], "d", period, "origin")


# In 2025 R doubled in the second half, K stayed, and C grew by a half.
PAST = {(2025, 1): (100, 40, 400), (2025, 2): (200, 40, 600)}


def test_a_year_by_hand() -> None:
    """R = 120 × 300/100 = 360, K = 50 × 80/40 = 100, C = 380 × 1000/400 = 950: 460 ÷ (950 + 360)."""
    evidence = half_years({**PAST, (2026, 1): (120, 50, 380)})
    so_far = figure(evidence)
    projection = project(evidence, so_far)
    assert projection is not None
    assert projection.quotient == Quotient(Fraction(460), Fraction(1310))
    assert (projection.rate, projection.past_years) == (Fraction(460, 1310), [2025])
    # 38.5 % of 1310 is 504.35: 505 g are needed, of which 170 are there, and 290 are expected.
    assert needed_for(Fraction(385, 1000), so_far, projection) == Needed(335, 290, 45)
    assert needed_for(Fraction(1, 10), so_far, projection) == Needed(0, 290, 0)


def test_a_past_year_of_which_the_same_months_are_not_known_is_none_to_project_from() -> None:
    """K of 2025 was recorded for the year."""
    halves = half_years({**PAST, (2026, 1): (120, 50, 380)})
    by_quarter = [each for kind in KINDS for each in halves.within(kind, "d", Period(2025))]
    this_year = [each for kind in KINDS for each in halves.within(kind, "d", Period(2026))]
    kept = [each for each in by_quarter if each.kind != "kitchen_treated"]
    of_year = Recorded(1, "d", Period(2025), "kitchen_treated", "a", None, 1, 80, DOCUMENT)
    evidence = Evidence(TREE, [*kept, of_year, *this_year])
    assert figure(evidence, Period(2025)).rate is not None
    assert project(evidence, figure(evidence)) is None


def test_all_past_years_count_together_up_to_three() -> None:
    evidence = half_years(
        {
            **PAST,
            (2024, 1): (300, 40, 400),
            (2024, 2): (0, 40, 600),
            (2023, 1): (1, 1, 1),
            (2023, 2): (1, 1, 1),
            (2022, 1): (1, 1, 1),
            (2022, 2): (10**9, 1, 10**9),
            (2026, 1): (401, 81, 801),
        }
    )
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.past_years == [2025, 2024, 2023]
    # R = 401 × (300 + 300 + 2) ÷ (100 + 300 + 1), K = 81 × (80 + 80 + 2) ÷ 81
    assert projection.quotient.numerator_grams == 602 + 162


def test_a_year_with_a_gap_is_no_past_year() -> None:
    evidence = half_years({(2025, 1): (100, 40, 400), (2026, 1): (120, 50, 380)})
    assert project(evidence, figure(evidence)) is None


def test_a_figure_without_a_rate_is_not_projected() -> None:
    evidence = half_years({**PAST, (2026, 1): (0, 0, 0)})
    assert project(evidence, figure(evidence)) is None
    assert project(evidence, figure(evidence, Period(2026, 1, 9))) is None


def test_what_was_nothing_then_and_is_something_now_goes_on_by_months() -> None:
    evidence = half_years({(2025, 1): (0, 40, 400), (2025, 2): (200, 40, 600), (2026, 1): (1, 50, 380)})
    projection = project(evidence, figure(evidence))
    assert projection is not None
    # R = 1 × 12/6, K = 50 × 80/40.
    assert projection.quotient.numerator_grams == 102
    assert [line.kind for line in projection.by_months] == ["pickup_recyclables"]


def line_of(kind: str, source: str, grams_by_period: dict[str, int]) -> list[Recorded]:
    return [
        Recorded(1, "d", Period.parse(period), kind, source, None, 1, grams, DOCUMENT)
        for period, grams in grams_by_period.items()
    ]


def months_of(year: int, grams: int, first: int = 1, last: int = 12) -> dict[str, int]:
    return {f"{year}-{month:02}": grams for month in range(first, last + 1)}


def test_a_source_that_began_last_summer_multiplies_nothing() -> None:
    """Pickups of 10 a month always, a scrap station's 500 a month from last July on: R = 120 + 6000, and no more."""
    evidence = Evidence(
        TREE,
        [
            *line_of("cleared", "a", {**months_of(2025, 1000), **months_of(2026, 1000, last=6)}),
            *line_of("kitchen_treated", "a", {**months_of(2025, 100), **months_of(2026, 100, last=6)}),
            *line_of("pickup_recyclables", "a", {**months_of(2025, 10), **months_of(2026, 10, last=6)}),
            *line_of("scrap_station_recyclables", "ST", {**months_of(2025, 500, 7), **months_of(2026, 500, last=6)}),
        ],
    )
    so_far = figure(evidence)
    projection = project(evidence, so_far)
    assert projection is not None
    assert projection.quotient.numerator_grams == 120 + 6000 + 1200
    assert projection.rate == so_far.rate
    assert [line.source for line in projection.by_months] == ["ST"]


def test_a_year_that_was_recorded_as_a_whole_is_not_compared_with_months() -> None:
    evidence = Evidence(
        TREE,
        [
            *line_of("cleared", "a", {**months_of(2025, 1000), **months_of(2026, 1000, last=6)}),
            *line_of("kitchen_treated", "a", {**months_of(2025, 100), **months_of(2026, 100, last=6)}),
            *line_of("pickup_recyclables", "a", {"2025": 1200, **months_of(2026, 100, last=6)}),
        ],
    )
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.quotient.numerator_grams == 1200 + 1200


def test_a_past_year_that_contradicts_itself_is_no_past_year() -> None:
    evidence = half_years({(2025, 1): (1, 50, 10), (2025, 2): (1, 50, 10), (2026, 1): (1, 5, 50)})
    assert project(evidence, figure(evidence)) is None


def test_what_contradicts_itself_when_it_is_projected_has_no_rate() -> None:
    evidence = half_years({(2025, 1): (1, 1, 100), (2025, 2): (1, 99, 1), (2026, 1): (1, 50, 100)})
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.rate is None


def test_what_is_nothing_so_far_as_it_was_then_comes_as_it_came_then() -> None:
    evidence = half_years({(2025, 1): (0, 40, 400), (2025, 2): (200, 40, 600), (2026, 1): (0, 40, 400)})
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.rate == Fraction(280, 1200)


def test_what_is_nothing_so_far_comes_in_the_mean_of_past_years() -> None:
    halves = {(2024, 1): (0, 40, 400), (2024, 2): (100, 40, 600), (2025, 1): (0, 40, 400), (2025, 2): (300, 40, 600)}
    evidence = half_years({**halves, (2026, 1): (0, 40, 400)})
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.quotient.numerator_grams == 200 + 80


def test_a_past_year_without_the_same_months_is_not_compared() -> None:
    evidence = Evidence(
        TREE,
        [
            *line_of("cleared", "a", {**months_of(2025, 1000), **months_of(2026, 1000, last=5)}),
            *line_of("kitchen_treated", "a", {**months_of(2025, 100), **months_of(2026, 100, last=5)}),
            # By quarters last year and by months now: of April and May nothing can be compared.
            *line_of("pickup_recyclables", "a", {f"2025-Q{quarter}": 300 for quarter in (1, 2, 3, 4)}),
            *line_of("pickup_recyclables", "a", months_of(2026, 100, last=5)),
        ],
    )
    projection = project(evidence, figure(evidence, Period(2026, 1, 5)))
    assert projection is not None
    assert [line.kind for line in projection.by_months] == ["pickup_recyclables"]
    assert projection.quotient.numerator_grams == 1200 + 1200


def test_a_year_that_is_known_as_a_whole_is_its_own_projection() -> None:
    evidence = half_years({**PAST, (2026, 1): (120, 50, 380), (2026, 2): (1, 2, 3)})
    whole = figure(evidence, Period(2026))
    projection = project(evidence, whole)
    assert projection is not None
    assert (projection.rate, projection.past_years) == (whole.rate, ())


def test_a_stand_in_is_not_compared_with_what_it_stands_in_for() -> None:
    quarters = [Period.of_quarter(2025, quarter) for quarter in (1, 2, 3, 4)]
    generated = [Recorded(1, "d", quarter, "generated", "b", None, 1, 300, DOCUMENT) for quarter in quarters]
    halves = {**PAST, (2026, 1): (120, 50, 380)}
    assert project(half_years(halves), figure(half_years(halves), formula="cn.generated")) is not None
    with_g = Evidence(TREE, [*_records(half_years(halves)), *generated])
    assert project(with_g, figure(with_g, formula="cn.generated")) is None


def _records(evidence: Evidence) -> list[Recorded]:
    return [each for kind in KINDS for each in evidence.own(kind, "d")]


masses = st.tuples(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(10**9, 10**12))


@given(masses, masses)
def test_a_year_that_goes_as_the_last_one_comes_to_the_same_rate(
    first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    evidence = half_years({(2025, 1): first, (2025, 2): second, (2026, 1): first})
    projection = project(evidence, figure(evidence))
    assert projection is not None
    assert projection.rate == figure(evidence, Period(2025)).rate


@given(masses, masses, masses, st.fractions(0, 1, max_denominator=1000))
def test_with_what_is_missing_the_target_is_reached_and_with_a_gram_less_it_is_not(
    first: tuple[int, int, int], second: tuple[int, int, int], now: tuple[int, int, int], target: Fraction
) -> None:
    evidence = half_years({(2025, 1): first, (2025, 2): second, (2026, 1): now})
    so_far = figure(evidence)
    projection = project(evidence, so_far)
    assume(projection is not None)
    assert projection is not None
    needed = needed_for(target, so_far, projection)
    numerator, denominator = projection.quotient.numerator_grams, projection.quotient.denominator_grams
    assert (numerator + needed.gap_grams) / denominator >= target
    if needed.gap_grams:
        assert (numerator + needed.gap_grams - 1) / denominator < target
