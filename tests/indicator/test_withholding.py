"""What is shown of a community gives away nothing of fewer than ten drops, even to who keeps and subtracts it all."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import combinations
from math import gcd
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.indicator.withholding import DROPS_MIN, Amount, ShownVolumes, last_settled_month, shown_volumes

# A district of two subdistricts; one has a single community.
PARENTS = {"D": None, "S": "D", "T": "D", "a": "S", "b": "S", "c": "S", "d": "T"}
COMMUNITIES = ("a", "b", "c", "d")
MONTHS = ("2026-01", "2026-02")
MATERIALS = ("glass", "paper")
Key = tuple[str, str, str]


def amount(area_id: str, drops: int, material: str = "paper", month: str = "2026-01") -> Amount:
    return Amount(area_id, material, month, drops, drops * 1000)


def shown(amounts: Iterable[Amount]) -> ShownVolumes:
    return shown_volumes(amounts, PARENTS)


def figures(volumes: ShownVolumes, material: str | None = "paper") -> dict[str, int]:
    """By area, in kilograms, of January."""
    each = {area_id: volumes.grams(area_id, material, MONTHS[:1]) for area_id in PARENTS}
    return {area_id: grams // 1000 for area_id, grams in each.items() if grams is not None}


def test_ten_drops_are_shown_and_nine_are_not() -> None:
    volumes = shown([amount("a", 10), amount("b", 9), amount("c", 8)])
    assert figures(volumes) == {"D": 27, "S": 27, "a": 10}


def test_one_small_community_takes_the_smallest_other_with_it() -> None:
    """Else what is shown of the subdistrict, less of its communities, would be the small one."""
    assert figures(shown([amount("a", 3), amount("b", 80), amount("c", 50)])) == {"D": 133, "S": 133, "b": 80}


def test_a_small_community_alone_in_its_subdistrict_is_hidden_one_level_up() -> None:
    """The subdistrict would be the community, and the district less its other subdistrict would be it too."""
    volumes = shown([amount("d", 4), amount("a", 20), amount("b", 30)])
    assert figures(volumes) == {"D": 54, "S": 30, "b": 30}


def test_what_is_little_in_the_whole_district_is_pooled_over_materials() -> None:
    volumes = shown([amount("a", 2, "glass"), amount("a", 20), amount("b", 30), amount("d", 40)])
    assert figures(volumes, "glass") == {}
    assert figures(volumes, "paper") == {"D": 70, "S": 30, "T": 40, "b": 30, "d": 40}
    assert figures(volumes, None) == {"D": 92, "S": 30, "T": 40, "b": 30, "d": 40}


def test_a_month_with_next_to_nothing_is_not_shown() -> None:
    assert figures(shown([amount("a", 4), amount("d", 5)]), None) == {}


def test_nothing_weighed_looks_like_too_little() -> None:
    enough = [amount("a", 10), amount("b", 9), amount("c", 9)]
    assert figures(shown([*enough, amount("d", 0)])) == figures(shown(enough))
    assert shown([]).grams("D", None, MONTHS) is None


def test_a_small_month_is_left_out_of_its_year() -> None:
    """Else the year so far, of two months in a row, would give it by subtraction."""
    volumes = shown(
        [amount("a", 30), amount("b", 40), amount("a", 3, month="2026-02"), amount("b", 40, month="2026-02")]
    )
    assert volumes.grams("a", None, MONTHS) == 30_000
    assert volumes.grams("b", None, MONTHS) == 40_000
    assert volumes.grams("S", None, MONTHS) == 113_000


@pytest.mark.parametrize(
    "wrong",
    [
        [amount("a", 10), amount("a", 10)],
        [Amount("a", "paper", "2026-01", -1, 0)],
        [Amount("a", "paper", "2026-01", 10, -1)],
        [Amount("a", "paper", "2026-01", 0, 5)],
    ],
)
def test_what_cannot_be_counted_is_refused(wrong: list[Amount]) -> None:
    with pytest.raises(ValueError, match="not an amount of its own"):
        shown(wrong)


def test_months_are_settled_35_days_after_their_end() -> None:
    assert last_settled_month(date(2026, 11, 4)) == "2026-08"
    assert last_settled_month(date(2026, 11, 5)) == "2026-09"
    assert last_settled_month(date(2027, 2, 4)) == "2026-11"
    assert last_settled_month(date(2027, 2, 5)) == "2026-12"


drops_each = st.one_of(st.integers(0, 4), st.integers(0, 12), st.integers(9, 40))
tables = st.fixed_dictionaries(
    {
        (area, material, month): drops_each
        for area in (*COMMUNITIES, "S", "D")
        for material in MATERIALS
        for month in MONTHS
    }
).map(lambda table: [Amount(*key, drops, drops * 700 + len(str(key))) for key, drops in table.items() if drops])


def rank(rows: Iterable[Sequence[int]]) -> int:
    """Over the rationals, by elimination in whole numbers: each row may be multiplied and divided by what is not 0."""
    left = [list(row) for row in {tuple(row) for row in rows} if any(row)]
    found = 0
    while left:
        pivot = left.pop()
        found += 1
        column = next(place for place, number in enumerate(pivot) if number)
        rest = []
        for row in left:
            if row[column]:
                row = [pivot[column] * number - row[column] * other for number, other in zip(row, pivot, strict=True)]
                divisor = gcd(*row)
                row = [number // divisor for number in row] if divisor > 1 else row
            if any(row):
                rest.append(row)
        left = rest
    return found


def everything_shown(amounts: Sequence[Amount]) -> list[list[int]]:
    """Each figure as the amounts it is the sum of, found from outside: an amount is in a figure when one more gram of
    it makes the figure one gram more."""
    volumes = shown(amounts)
    asked = [
        (area_id, material, months)
        for area_id in PARENTS
        for material in (*MATERIALS, None)
        for months in (*((month,) for month in MONTHS), MONTHS)
    ]
    heavier = [
        shown([each._replace(grams=each.grams + (number == place)) for place, each in enumerate(amounts)])
        for number in range(len(amounts))
    ]
    rows = []
    for question in asked:
        grams = volumes.grams(*question)
        if grams is not None:
            row = [(other.grams(*question) or 0) - grams for other in heavier]
            # It is the sum of just these, to the gram.
            assert grams == sum(each.grams for each, counted in zip(amounts, row, strict=True) if counted)
            rows.append(row)
    return rows


@settings(deadline=None)
@given(tables)
def test_no_sum_of_figures_gives_away_fewer_than_ten_drops_of_a_community(amounts: list[Amount]) -> None:
    """The adversary has every figure and knows which amounts are zero. Some combination of the figures touches no
    amount but those in a set, exactly when leaving out the set's columns lowers the rank."""
    rows = everything_shown(amounts)
    whole = rank(rows)
    for community in COMMUNITIES:
        own = [number for number, each in enumerate(amounts) if each.area_id == community]
        for size in range(1, len(own) + 1):
            for hidden in combinations(own, size):
                if sum(amounts[number].drops for number in hidden) < DROPS_MIN:
                    rest = [[row[n] for n in range(len(amounts)) if n not in hidden] for row in rows]
                    assert rank(rest) == whole, [amounts[number] for number in hidden]


@settings(deadline=None)
@given(tables)
def test_every_small_amount_could_be_another(amounts: list[Amount]) -> None:
    """Another year, in which an amount of fewer than ten drops weighs more, looks the same from outside."""
    rows = everything_shown(amounts)
    whole = rank(rows)
    for number, each in enumerate(amounts):
        if each.drops < DROPS_MIN:
            alone = [int(place == number) for place in range(len(amounts))]
            # Not a combination of the figures: so the figures leave it free, a little up and a little down.
            assert rank([*rows, alone]) == whole + 1


@settings(deadline=None)
@given(tables)
def test_who_has_the_exact_sum_of_the_year_too_finds_only_what_of_all_of_it_is_not_shown(
    amounts: list[Amount],
) -> None:
    """The public record has what bins weighed in the district in the year, exactly. So what is in none of its months is
    known, as one figure; every other set of fewer than ten drops stays as hidden as before."""
    rows = everything_shown(amounts)
    district = [shown(amounts).grams("D", None, [month]) for month in MONTHS]
    not_shown = {number for number, each in enumerate(amounts) if district[MONTHS.index(each.month)] is None}
    rows.append([1] * len(amounts))
    whole = rank(rows)
    sets = [
        {number for number, each in enumerate(amounts) if each.area_id == community} for community in COMMUNITIES
    ] + [{number} for number in range(len(amounts))]
    for hidden in sets:
        if sum(amounts[number].drops for number in hidden) < DROPS_MIN:
            rest = [[row[number] for number in range(len(amounts)) if number not in hidden] for row in rows]
            is_all_not_shown = bool(not_shown) and not_shown <= hidden
            assert rank(rest) >= whole - is_all_not_shown, [amounts[number] for number in hidden]


@settings(deadline=None)
@given(tables)
def test_what_is_shown_adds_up_to_at_most_what_is_above(amounts: list[Amount]) -> None:
    volumes = shown(amounts)
    for material in (*MATERIALS, None):
        for month in MONTHS:
            for above in ("D", "S", "T"):
                below = [area_id for area_id, parent in PARENTS.items() if parent == above]
                parts = sum(volumes.grams(area_id, material, [month]) or 0 for area_id in below)
                assert parts <= (volumes.grams(above, material, [month]) or 0)


@settings(deadline=None)
@given(tables)
def test_the_district_is_shown_whole_unless_its_month_is_too_small(amounts: list[Amount]) -> None:
    for month in MONTHS:
        of_month = [each for each in amounts if each.month == month]
        total = sum(each.grams for each in of_month)
        shown_total = shown(amounts).grams("D", None, [month])
        assert shown_total == (total if sum(each.drops for each in of_month) >= DROPS_MIN else None)


@settings(deadline=None)
@given(tables)
def test_a_subdistrict_is_exact_where_each_has_ten_drops(amounts: list[Amount]) -> None:
    """Nothing is hidden one level up that need not be. (With one material: another can need a pool of this one.)"""
    paper = [each for each in amounts if each.material == "paper"]
    for month in MONTHS:
        within = {
            area: [each for each in paper if each.month == month and area in (each.area_id, PARENTS[each.area_id])]
            for area in ("S", "T")
        }
        own = sum(each.drops for each in paper if each.month == month and each.area_id == "D")
        if not 0 < own < DROPS_MIN and all(sum(each.drops for each in of) >= DROPS_MIN for of in within.values()):
            for area, of_area in within.items():
                assert shown(paper).grams(area, "paper", [month]) == sum(each.grams for each in of_area)


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_the_amounts_does_not_matter(amounts: list[Amount], random: Random) -> None:
    mixed = [*amounts]
    random.shuffle(mixed)
    assert shown(mixed) == shown(amounts)
