from collections.abc import Iterable
from datetime import UTC, date, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from service.indicator import rules
from service.indicator.rules import WHOLE_YEAR, Evidence, Kind, Recorded
from service.periods import Period

TREE = {"d": None, "s1": "d", "s2": "d", "c1": "s1", "c2": "s1", "c3": "s2"}
NEEDS = ("cleared", "kitchen_treated")
NEXT_YEAR = date(2026, 5, 20)
YEAR = Period(2025)


def recorded(
    grams: int, area: str = "d", month: int | None = None, kind: Kind = "cleared", source: str = "office"
) -> Recorded:
    return Recorded(area, Period(2025, month), kind, source, 1, grams, "doc", datetime(2026, 1, 1, tzinfo=UTC))


def evidence(*inputs: Recorded) -> Evidence:
    return Evidence.of(2025, TREE, inputs)


def mass(records: Iterable[Recorded] | None) -> int | None:
    return None if records is None else sum(each.grams for each in records)


def cleared(given: Evidence, area: str = "d", months: tuple[int, ...] = WHOLE_YEAR) -> int | None:
    return mass(rules.counted(given, area, "cleared", months))


def monthly(
    area: str = "d", source: str = "office", months: Iterable[int] = WHOLE_YEAR, kind: Kind = "cleared"
) -> list[Recorded]:
    return [recorded(month, area, month, kind, source) for month in months]


def test_nothing_recorded_is_missing_and_not_0() -> None:
    assert cleared(evidence()) is None
    assert cleared(evidence(recorded(0))) == 0


def test_a_year_is_its_own_record_or_its_twelve_months() -> None:
    assert cleared(evidence(recorded(500))) == 500
    assert cleared(evidence(*monthly())) == 78
    assert cleared(evidence(*monthly(months=range(1, 12)))) is None


def test_a_month_is_not_known_from_its_year() -> None:
    assert cleared(evidence(recorded(500)), months=(3,)) is None
    assert cleared(evidence(*monthly(months=[3])), months=(3,)) == 3


def test_sources_add_up_and_each_must_report_all_months() -> None:
    assert cleared(evidence(recorded(500), recorded(11, source="river"))) == 511
    assert cleared(evidence(recorded(500), *monthly(source="river"))) == 578
    lacking = evidence(*monthly(), *monthly(source="river", months=range(1, 12)))
    assert cleared(lacking) is None
    assert cleared(lacking, months=(3,)) == 6
    assert cleared(lacking, months=(12,)) is None


def test_an_area_is_its_own_record_or_all_of_its_children() -> None:
    children = [recorded(30, "s1"), recorded(4, "s2")]
    assert cleared(evidence(*children)) == 34
    assert cleared(evidence(recorded(500), *children)) == 500
    assert cleared(evidence(children[0])) is None
    assert cleared(evidence(children[0], recorded(4, "c3"))) == 34
    assert cleared(evidence(recorded(1, "c1"), children[1])) is None
    assert cleared(evidence(recorded(1, "c1"), recorded(2, "c2"), children[1])) == 7


def test_an_area_does_not_get_what_is_recorded_above_it() -> None:
    assert cleared(evidence(recorded(500)), area="s1") is None


def test_an_incomplete_record_of_its_own_is_not_filled_from_below() -> None:
    given = evidence(*monthly(months=[1]), recorded(30, "s1"), recorded(4, "s2"))
    assert cleared(given) is None
    assert rules.areas_missing(given, "d", "cleared", WHOLE_YEAR) == ["d"]


def test_what_is_missing_is_named_where_it_stops_the_sum() -> None:
    def missing(*inputs: Recorded) -> list[str]:
        return rules.areas_missing(evidence(*inputs), "d", "cleared", WHOLE_YEAR)

    assert missing() == ["d"]
    assert missing(recorded(30, "s1")) == ["s2"]
    assert missing(recorded(1, "c1"), recorded(4, "s2")) == ["c2"]
    assert missing(recorded(1, "c1")) == ["c2", "s2"]
    assert missing(recorded(1)) == []


def test_recyclables_count_as_far_as_they_were_reported() -> None:
    def recovered(*inputs: Recorded, area: str = "d", months: tuple[int, ...] = WHOLE_YEAR) -> int | None:
        return mass(rules.recovered(evidence(*inputs), area, months))

    some = monthly(kind="recyclables", months=[1, 2])
    assert recovered() == 0
    assert recovered(*some) == 3
    assert recovered(*some, months=(2,)) == 2
    assert recovered(*some, recorded(10, "s1", None, "recyclables", "pickup")) == 13
    assert recovered(recorded(10, "s1", None, "recyclables", "pickup"), months=(2,)) == 0


def test_a_source_reported_above_is_not_counted_again_below() -> None:
    given = evidence(
        recorded(100, "d", None, "recyclables", "stations"),
        recorded(30, "s1", None, "recyclables", "stations"),
        recorded(2, "c1", 5, "recyclables", "stations"),
        recorded(7, "c1", None, "recyclables", "pickup"),
    )
    assert mass(rules.recovered(given, "d", WHOLE_YEAR)) == 107
    assert mass(rules.recovered(given, "s1", WHOLE_YEAR)) == 37
    assert mass(rules.recovered(given, "c1", WHOLE_YEAR)) == 9


def test_of_the_current_year_the_months_count_for_which_all_is_recorded() -> None:
    def months(*inputs: Recorded, today: date = date(2025, 5, 20)) -> tuple[int, ...]:
        return rules.months_counted(evidence(*inputs), "d", YEAR, today, NEEDS)

    four = [*monthly(months=range(1, 5)), *monthly(months=range(1, 4), kind="kitchen_treated")]
    assert months(*four) == (1, 2, 3)
    assert months(*four, recorded(4, "d", 4, "kitchen_treated"), recorded(5, "d", 5)) == (1, 2, 3, 4)
    # With nothing of one kind, as far as the other goes; a gap ends it.
    assert months(*monthly(months=[1, 2, 4])) == (1, 2)
    assert months() == WHOLE_YEAR
    # A figure for the whole year needs the other for the whole year too.
    assert months(recorded(500), recorded(50, kind="kitchen_treated")) == WHOLE_YEAR
    assert months(recorded(500), *monthly(months=[1], kind="kitchen_treated")) == WHOLE_YEAR
    # A year that is over is asked for as a whole.
    assert months(*four, today=NEXT_YEAR) == WHOLE_YEAR


def test_months_present_are_those_that_every_source_and_area_reported() -> None:
    def present(*inputs: Recorded, period: Period = YEAR) -> list[int]:
        return sorted(rules.months_present(evidence(*inputs), "d", "cleared", period))

    assert present() == []
    assert present(*monthly(months=[1, 2]), *monthly(months=[2, 3], source="river")) == [2]
    assert present(*monthly("s1", months=[1, 2]), *monthly("s2", months=[2, 3])) == [2]
    assert present(*monthly("s1", months=[1, 2])) == []
    assert present(recorded(500)) == list(WHOLE_YEAR)
    assert present(recorded(500), period=Period(2025, 3)) == []
    assert present(*monthly(months=[2, 3]), period=Period(2025, 3)) == [3]


def test_targets_between_two_years_lie_on_the_line() -> None:
    plan = {2025: 350, 2027: 385, 2035: 500}
    assert rules.target_rate(plan, 2025) == Fraction(35, 100)
    assert rules.target_rate(plan, 2026) == Fraction(3675, 10000)
    assert rules.target_rate(plan, 2031) == Fraction(385 + 500, 2000)
    assert rules.target_rate(plan, 2028) == Fraction(385, 1000) + Fraction(115, 8000)
    assert rules.target_rate(plan, 2024) is None
    assert rules.target_rate(plan, 2036) is None
    assert rules.target_rate({}, 2025) is None


# Of each area at most: the year, or some months; so as recording allows it.
reports = st.dictionaries(
    st.tuples(st.sampled_from(sorted(TREE)), st.sampled_from(["office", "river"])),
    st.one_of(
        st.integers(0, 999).map(lambda grams: {None: grams}),
        st.just({month: month * month for month in WHOLE_YEAR}),
        st.dictionaries(st.integers(1, 12), st.integers(0, 999), min_size=1),
    ),
)


def inputs_of(kind: Kind, found: dict[tuple[str, str], dict[int | None, int]]) -> list[Recorded]:
    return [
        recorded(grams, area, month, kind, source)
        for (area, source), by_month in found.items()
        for month, grams in by_month.items()
    ]


@given(reports)
def test_what_is_known_for_all_months_adds_up_to_the_year(found: dict[tuple[str, str], dict[int | None, int]]) -> None:
    given = evidence(*inputs_of("cleared", found))
    for area in TREE:
        parts = [cleared(given, area, (month,)) for month in WHOLE_YEAR]
        if None not in parts:
            assert cleared(given, area) == sum(part or 0 for part in parts)


@given(reports)
def test_the_tree_adds_up_where_an_area_has_no_record_of_its_own(
    found: dict[tuple[str, str], dict[int | None, int]],
) -> None:
    given = evidence(*inputs_of("cleared", found))
    for area, children in (("d", ["s1", "s2"]), ("s1", ["c1", "c2"]), ("s2", ["c3"])):
        parts = [cleared(given, child) for child in children]
        if not given.own(area, "cleared"):
            expected = None if None in parts else sum(part or 0 for part in parts)
            assert cleared(given, area) == expected


@given(reports, st.randoms())
def test_the_order_of_inputs_does_not_matter(
    found: dict[tuple[str, str], dict[int | None, int]], random: st.DataObject
) -> None:
    inputs = inputs_of("recyclables", found)
    shuffled = list(inputs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for area in TREE:
        one, other = (rules.recovered(evidence(*each), area, WHOLE_YEAR) for each in (inputs, shuffled))
        assert one == other


@given(reports)
def test_no_mass_of_recyclables_is_counted_twice(found: dict[tuple[str, str], dict[int | None, int]]) -> None:
    given = evidence(*inputs_of("recyclables", found))
    counted = rules.recovered(given, "d", WHOLE_YEAR)
    above = {"s1": {"d"}, "s2": {"d"}, "c1": {"s1", "d"}, "c2": {"s1", "d"}, "c3": {"s2", "d"}, "d": set[str]()}
    places = {(each.area_id, each.source) for each in counted}
    assert len({(each.area_id, each.source, each.period) for each in counted}) == len(counted)
    assert not any((higher, source) in places for area, source in places for higher in above[area])
