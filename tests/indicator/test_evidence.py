"""What recorded inputs add up to: additive along the tree and along time, each stream counted at one point."""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.indicator.evidence import (
    BINS,
    Document,
    Evidence,
    Line,
    Recorded,
    Tree,
    missing_of,
    sum_of,
    sums_of,
    year_to_date,
)
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import FORMULAS, QUANTITIES
from service.indicator.kinds import KINDS, STREAMS, WAYS_OF_COUNTING, CountedAt
from service.periods import Period

PARENTS = {"city": None, "d": "city", "s1": "d", "s2": "d", "c1": "s1", "c2": "s1", "c3": "s2"}
CHILDREN = {"d": ["s1", "s2"], "s1": ["c1", "c2"], "s2": ["c3"]}
TREE = Tree(PARENTS)
YEAR = Period(2025)
MONTHS = YEAR.months
FORMULA = FORMULAS["cn.cleared_plus_recovered"]
DOCUMENT = Document("report", date(2026, 1, 31), "0" * 64)


def recorded(
    amount: int,
    area: str = "d",
    period: Period = YEAR,
    kind: str = "cleared",
    source: str = "office",
    material: str | None = None,
) -> Recorded:
    return Recorded(1, area, period, kind, source, material, 1, amount, DOCUMENT)


def monthly(
    area: str = "d", source: str = "office", months: Iterable[int] = range(1, 13), kind: str = "cleared"
) -> list[Recorded]:
    return [recorded(month, area, Period.of_month(2025, month), kind, source) for month in months]


def quantity(
    quantity_id: str,
    *records: Recorded,
    area: str = "d",
    period: Period = YEAR,
    counted_at: CountedAt = "origin",
) -> Fraction | None:
    """Its grams; None where something is missing."""
    found = sum_of(Evidence(TREE, records), QUANTITIES[quantity_id], area, period, counted_at)
    return found.grams if found.is_whole else None


def cleared(*records: Recorded, area: str = "d", period: Period = YEAR) -> Fraction | None:
    return quantity("cleared", *records, area=area, period=period)


def figure(*records: Recorded, formula: str = FORMULA.id, area: str = "d", counted_at: CountedAt = "origin") -> Figure:
    return figure_of(Evidence(TREE, records), FORMULAS[formula], area, YEAR, counted_at)


def test_nothing_recorded_is_missing_and_not_0() -> None:
    assert cleared() is None
    assert cleared(recorded(0)) == 0


def test_a_year_is_its_own_record_its_quarters_or_its_twelve_months() -> None:
    assert cleared(recorded(500)) == 500
    assert cleared(*monthly()) == 78
    assert cleared(*(recorded(quarter, period=Period.of_quarter(2025, quarter)) for quarter in (1, 2, 3, 4))) == 10
    assert cleared(recorded(100, period=Period.of_quarter(2025, 1)), *monthly(months=range(4, 13))) == 172
    assert cleared(*monthly(months=range(1, 12))) is None


def test_a_month_is_not_known_from_its_year() -> None:
    march = Period.of_month(2025, 3)
    assert cleared(recorded(500), period=march) is None
    assert cleared(*monthly(months=[3]), period=march) == 3
    [line] = missing_of(Evidence(TREE, [recorded(500)]), QUANTITIES["cleared"], "d", march, "origin")
    assert line.coarser == (YEAR,)


def test_sources_add_up_and_each_must_report_all_months() -> None:
    assert cleared(recorded(500), recorded(11, source="river")) == 511
    assert cleared(recorded(500), *monthly(source="river")) == 578
    lacking = [*monthly(), *monthly(source="river", months=range(1, 12))]
    assert cleared(*lacking) is None
    assert cleared(*lacking, period=Period.of_month(2025, 3)) == 6
    assert cleared(*lacking, period=Period.of_month(2025, 12)) is None


def test_an_area_is_all_that_is_recorded_of_it_and_of_all_below() -> None:
    children = [recorded(30, "s1"), recorded(4, "s2")]
    assert cleared(*children) == 34
    assert cleared(recorded(500, source="river"), *children) == 534
    assert cleared(children[0]) is None
    assert cleared(children[0], recorded(4, "c3")) == 34
    assert cleared(recorded(1, "c1"), children[1]) is None
    assert cleared(recorded(1, "c1"), recorded(2, "c2"), children[1]) == 7


def test_an_area_does_not_get_what_is_recorded_above_it() -> None:
    assert cleared(recorded(500), area="s1") is None


def test_what_is_missing_is_named_where_it_stops_the_sum() -> None:
    def missing(*records: Recorded) -> list[tuple[str, str | None]]:
        lines = missing_of(Evidence(TREE, records), QUANTITIES["cleared"], "d", YEAR, "origin")
        return [(line.area_id, line.source) for line in lines]

    assert missing() == [("d", None)]
    assert missing(recorded(30, "s1")) == [("s2", None)]
    assert missing(recorded(1, "c1"), recorded(4, "s2")) == [("c2", None)]
    assert missing(recorded(1, "c1")) == [("c2", None), ("s2", None)]
    assert missing(recorded(1)) == []
    assert missing(recorded(1), *monthly("s1", "river", [1])) == []
    assert missing(*monthly(months=[1]), recorded(1, "s1", source="river")) == [("d", "office")]


def test_of_a_month_a_part_that_reports_beside_its_district_by_the_year_alone_is_missing() -> None:
    found = [*monthly(), recorded(5, area="s1", source="river")]
    march = Period.of_month(2025, 3)
    (line,) = Evidence(TREE, found).lines(KINDS["cleared"], "d", march)[1:]
    assert (line.area_id, line.source, line.coarser) == ("s1", "river", (YEAR,))
    assert cleared(*found, period=march) is None
    assert cleared(*found, area="s2", period=march) is None
    assert cleared(*found) == sum(range(1, 13)) + 5
    # Who reports the month itself, or lies elsewhere, takes nothing from it.
    assert cleared(*monthly(), *monthly("s1", "river"), period=march) == 6
    assert cleared(*monthly(), *monthly("s1"), recorded(5, area="s2", source="river"), area="s1", period=march) == 3


def test_a_part_that_reports_beside_its_district_asks_nothing_of_the_others() -> None:
    """One subdistrict's small entry takes nobody's rate down, whatever year it is of; it counts, and is covered."""
    part = monthly("s1", "street", [3])
    assert cleared(recorded(500), *part) == 503
    before = recorded(7, "s1", Period.of_month(2024, 3), source="street")
    assert cleared(recorded(500), before) == 500
    lines = Evidence(TREE, [recorded(500), before]).reported_lines(KINDS["cleared"], "d", YEAR)
    assert [(line.area_id, line.source) for line in lines] == [("d", "office"), ("s1", "street")]


def test_who_reported_the_year_before_and_falls_silent_is_missed_and_not_taken_for_0() -> None:
    before = [recorded(5, period=Period(2024)), recorded(3, period=Period(2024), source="river")]
    assert cleared(*before, recorded(6)) is None
    assert cleared(*before, recorded(6), recorded(0, source="river")) == 6
    # What the same source reports at another level of the tree now is the same mass.
    assert cleared(before[0], recorded(4, "s1"), recorded(2, "s2")) == 6
    # Two years ago is long ago.
    assert cleared(recorded(3, period=Period(2023), source="river"), recorded(6)) == 6


def test_a_material_that_is_no_longer_reported_is_missed() -> None:
    yard = [
        recorded(6, kind="yard_recyclables", material="paper"),
        recorded(3, period=Period(2025, 1, 6), kind="yard_recyclables", material="plastic"),
    ]
    assert quantity("recovered", *yard, counted_at="yard") is None
    rest = recorded(0, period=Period(2025, 7, 12), kind="yard_recyclables", material="plastic")
    assert quantity("recovered", *yard, rest, counted_at="yard") == 9
    # What was reported as a sum and is by material now, or the other way round, is the same line.
    whole = recorded(9, period=Period(2024), kind="yard_recyclables")
    assert quantity("recovered", whole, yard[0], counted_at="yard") == 6


def test_recyclables_at_their_origin_count_as_far_as_they_were_reported() -> None:
    some = monthly(kind="pickup_recyclables", months=[1, 2])
    assert quantity("recovered") == 0
    assert quantity("recovered", *some) == 3
    assert quantity("recovered", *some, period=Period.of_month(2025, 2)) == 2
    below = recorded(10, "s1", kind="scrap_station_recyclables")
    assert quantity("recovered", *some, below) == 13
    assert quantity("recovered", below, period=Period.of_month(2025, 2)) == 0


# One year's 100 t through the whole chain: 60 dropped into bins, 15 picked up, 20 bought by scrap stations, 5 found
# otherwise; a little is lost on each step of the way.
CHAIN = [
    *(Recorded(None, "d", month, BINS, "bins", None, 0, 5) for month in MONTHS),
    recorded(15, kind="pickup_recyclables"),
    recorded(20, kind="scrap_station_recyclables"),
    recorded(5, kind="other_recyclables"),
    recorded(74, kind="station_recyclables"),
    recorded(97, kind="yard_recyclables"),
    recorded(93, kind="plant_recyclables"),
]


@pytest.mark.parametrize(("counted_at", "grams"), [("origin", 100), ("station", 99), ("yard", 97), ("plant", 93)])
def test_along_the_whole_chain_each_mass_is_counted_at_one_point(counted_at: CountedAt, grams: int) -> None:
    evidence = Evidence(TREE, CHAIN)
    found = sum_of(evidence, QUANTITIES["recovered"], "d", YEAR, counted_at)
    assert found.is_whole
    assert found.grams == grams
    assert {each.input.kind for each in found.used} == set(WAYS_OF_COUNTING[counted_at])
    streams = [stream for kind in {each.input.kind for each in found.used} for stream in KINDS[kind].streams]
    assert sorted(streams) == sorted(STREAMS)


def test_counted_further_along_recyclables_must_be_reported() -> None:
    assert quantity("recovered", recorded(7, kind="pickup_recyclables"), counted_at="yard") is None
    assert quantity("recovered", recorded(0, kind="yard_recyclables"), counted_at="yard") == 0
    # Scrap stations' own purchases count there as at their origin, as far as they were reported.
    assert quantity("recovered", recorded(9, kind="station_recyclables"), counted_at="station") == 9


def test_a_share_is_that_of_the_nearest_area_for_a_period_around_the_mass() -> None:
    masses = [recorded(1000, "s1", kind="kitchen_treated"), *monthly("s2", kind="kitchen_treated")]
    district = recorded(250_000, "d", kind="residue_share")
    nearer = recorded(500_000, "s1", kind="residue_share")
    assert quantity("kitchen_residue", *masses, district) == 250 + Fraction(78, 4)
    assert quantity("kitchen_residue", *masses, district, nearer) == 500 + Fraction(78, 4)
    assert quantity("kitchen_residue", *masses, nearer) is None
    # A year's mass has no month's share, a month's mass has its year's.
    by_month = [recorded(500_000, "d", month, kind="residue_share") for month in MONTHS]
    assert quantity("kitchen_residue", *masses, *by_month) is None
    assert quantity("kitchen_residue", *masses[1:], *by_month, area="s2") == 39
    # Also of an area above the one that is asked for.
    assert quantity("kitchen_residue", *masses, recorded(1, "city", kind="residue_share"), area="s1") == Fraction(
        1, 1000
    )


def test_a_share_that_is_missing_is_named_at_the_area_of_its_mass() -> None:
    evidence = Evidence(TREE, [recorded(5, "s1", kind="kitchen_treated"), recorded(5, "s2", kind="kitchen_treated")])
    lines = missing_of(evidence, QUANTITIES["kitchen_residue"], "d", YEAR, "origin")
    assert lines == [Line("residue_share", "s1"), Line("residue_share", "s2")]


def test_cleared_stands_in_for_generated_only_where_that_is_not_known() -> None:
    inputs = [recorded(10, kind="kitchen_treated"), recorded(40)]
    stands_in = figure(*inputs, formula="cn.generated")
    assert (stands_in.rate, stands_in.sums[-1].stands_in_for) == (Fraction(1, 4), "generated")
    known = figure(*inputs, recorded(50, kind="generated"), formula="cn.generated")
    assert (known.rate, known.sums[-1].stands_in_for) == (Fraction(1, 5), None)
    neither = figure(inputs[0], formula="cn.generated")
    assert [line.kind for line in neither.missing] == ["generated"]


def test_a_formula_has_no_rate_for_a_year_before_it() -> None:
    evidence = Evidence(TREE, [])
    reasons = [
        figure_of(evidence, FORMULAS["eu.2019_1004"], "d", Period(year), "plant").reason for year in (2019, 2020)
    ]
    assert [each.code for each in reasons if each is not None] == ["not_valid", "input_missing"]


def test_more_treated_than_arose_is_contradictory_and_nothing_at_all_is_no_rate() -> None:
    contradictory = figure(recorded(11, kind="kitchen_treated"), recorded(10)).reason
    assert contradictory is not None
    assert contradictory.code == "contradictory"
    assert "分子 11 克" in contradictory.zh
    nothing = figure(recorded(0, kind="kitchen_treated"), recorded(0)).reason
    assert nothing is not None
    assert nothing.code == "nothing_arose"


def test_the_year_to_date_goes_to_the_last_month_for_which_all_is_recorded() -> None:
    def to_date(*records: Recorded, today: date = date(2025, 5, 20)) -> str:
        return str(year_to_date(Evidence(TREE, records), FORMULA, "d", 2025, "origin", today))

    four = [*monthly(months=range(1, 5)), *monthly(months=range(1, 4), kind="kitchen_treated")]
    april = Period.of_month(2025, 4)
    assert to_date(*four) == "2025-Q1"
    assert to_date(*four, recorded(4, "d", april, "kitchen_treated")) == "2025-01/2025-04"
    # With nothing of one kind, up to the month that has begun: what is missing is told of all of it.
    assert to_date(*monthly(months=[1, 2])) == "2025-01/2025-05"
    assert to_date() == "2025-01/2025-05"
    assert to_date(*monthly(), *monthly(kind="kitchen_treated")) == "2025"
    assert to_date(recorded(500), recorded(50, kind="kitchen_treated")) == "2025"
    assert to_date(*four, today=date(2026, 5, 20)) == "2025-Q1"
    assert to_date(today=date(2024, 5, 20)) == "2025-01"
    # What was recorded ahead of its month does not make the year longer than it is.
    ahead = [*monthly(months=range(1, 8)), *monthly(months=range(1, 8), kind="kitchen_treated")]
    assert to_date(*ahead) == "2025-01/2025-05"


def test_who_reported_the_year_before_or_has_to_report_is_missed() -> None:
    station = ("scrap_station_recyclables", "s1", "ST-1")
    march = frozenset({Period.of_month(2025, 3)})
    evidence = Evidence(
        TREE,
        [
            recorded(5, "c1", Period.of_month(2024, 12), "scrap_station_recyclables", "old"),
            recorded(5, "s2", Period.of_month(2025, 1), "scrap_station_recyclables", "new"),
        ],
        {station: march},
    )
    lines = evidence.reported_lines(KINDS["scrap_station_recyclables"], "d", YEAR)
    assert [(line.area_id, line.source, len(line.months_present)) for line in lines] == [
        ("c1", "old", 0),
        ("s1", "ST-1", 0),
        ("s2", "new", 1),
    ]
    assert [len(evidence.due(line, MONTHS)) for line in lines] == [12, 1, 12]
    assert [len(evidence.due(line, MONTHS[:2])) for line in lines] == [2, 0, 2]
    assert evidence.reported_lines(KINDS["scrap_station_recyclables"], "c2", YEAR) == []


# Of each area, source and material at most: the year, its quarters, or some months; so as recording allows it.
spans = st.one_of(
    st.just([YEAR]),
    st.lists(st.integers(1, 4), unique=True, min_size=1).map(lambda found: [Period.of_quarter(2025, q) for q in found]),
    st.just(list(MONTHS)),
    st.lists(st.sampled_from(MONTHS), unique=True, min_size=1),
)
kinds = st.sampled_from(["cleared", "kitchen_treated", "pickup_recyclables", "scrap_station_recyclables"])


@st.composite
def inputs(draw: st.DrawFn) -> list[Recorded]:
    """Records of which none is another a second time: of a source, only one area of each line reports."""
    found: list[Recorded] = []
    for kind in draw(st.lists(kinds, unique=True)):
        for source in draw(st.lists(st.sampled_from(["office", "river"]), unique=True)):
            areas: list[str] = []
            for area in draw(st.permutations(sorted(PARENTS))):
                if draw(st.booleans()) and not any(TREE.on_one_line(area, other) for other in areas):
                    areas.append(area)
            found += [
                recorded(draw(st.integers(0, 10**15)), area, period, kind, source)
                for area in areas
                for period in draw(spans)
            ]
    return found


def recorded_grams(evidence: Evidence, quantity_id: str, area: str, period: Period) -> Fraction:
    return sum_of(evidence, QUANTITIES[quantity_id], area, period, "origin").grams


@given(inputs(), st.sampled_from(["recovered", "cleared", "kitchen_treated"]))
def test_the_tree_adds_up(found: list[Recorded], quantity_id: str) -> None:
    """An area is what was recorded of itself, and what its child areas come to."""
    evidence = Evidence(TREE, found)
    own = {area: Evidence(Tree({area: None}), [each for each in found if each.area_id == area]) for area in PARENTS}
    for area, children in CHILDREN.items():
        parts = [recorded_grams(evidence, quantity_id, child, YEAR) for child in children]
        assert recorded_grams(evidence, quantity_id, area, YEAR) == sum(parts) + recorded_grams(
            own[area], quantity_id, area, YEAR
        )


@given(inputs(), st.sampled_from(["recovered", "cleared", "kitchen_treated"]))
def test_time_adds_up(found: list[Recorded], quantity_id: str) -> None:
    """A year is its quarters and what is known of the year only, a quarter its months and what is known of it only."""
    evidence = Evidence(TREE, found)

    def grams(period: Period) -> Fraction:
        return recorded_grams(evidence, quantity_id, "d", period)

    def of_just(period: Period) -> Fraction:
        just = Evidence(TREE, [each for each in found if each.period == period])
        return recorded_grams(just, quantity_id, "d", period)

    for quarter in (1, 2, 3, 4):
        period = Period.of_quarter(2025, quarter)
        assert grams(period) == sum(grams(month) for month in period.months) + of_just(period)
    assert grams(YEAR) == sum(grams(Period.of_quarter(2025, quarter)) for quarter in (1, 2, 3, 4)) + of_just(YEAR)


@given(inputs())
def test_where_all_months_are_known_the_year_is_and_is_their_sum(found: list[Recorded]) -> None:
    for area in PARENTS:
        months = [cleared(*found, area=area, period=month) for month in MONTHS]
        if None not in months:
            assert cleared(*found, area=area) == sum(each or 0 for each in months)


@given(inputs())
def test_where_all_children_are_known_and_the_area_has_none_of_its_own_it_is_their_sum(found: list[Recorded]) -> None:
    for area, children in CHILDREN.items():
        if any(each.area_id == area and each.kind == "cleared" for each in found):
            continue
        parts = [cleared(*found, area=child) for child in children]
        expected = None if None in parts else sum(each or 0 for each in parts)
        assert cleared(*found, area=area) == expected


def test_materials_of_one_source_come_in_their_order_whatever_came_first() -> None:
    materials = [recorded(1, kind="yard_recyclables", material=each) for each in ("plastic", "glass", "paper")]
    found = [Evidence(TREE, each).within("yard_recyclables", "d", YEAR) for each in (materials, materials[::-1])]
    assert [each.material for each in found[0]] == ["glass", "paper", "plastic"]
    assert found[0] == found[1]


@given(inputs(), st.integers(0, 2**32))
def test_the_order_of_inputs_changes_nothing(found: list[Recorded], seed: int) -> None:
    shuffled = Random(seed).sample(found, len(found))  # noqa: S311  # an order, and no secret
    for area in PARENTS:
        one, other = (
            sums_of(Evidence(TREE, each), FORMULAS["cn.net_residue"], area, YEAR, "origin")
            for each in (found, shuffled)
        )
        assert one == other


@given(inputs(), st.sampled_from(["cleared", "kitchen_treated"]), st.sampled_from(MONTHS), st.sampled_from([*PARENTS]))
def test_of_a_month_each_part_that_reports_by_longer_periods_is_named(
    found: list[Recorded], kind: str, month: Period, area: str
) -> None:
    evidence = Evidence(TREE, found)
    named = [line for line in evidence.lines(KINDS[kind], area, month) if line.coarser]
    reporting = [line for line in evidence.reported_lines(KINDS[kind], area, month) if line.coarser]
    assert sorted(named, key=str) == sorted(reporting, key=str)
    assert not any(line.coarser for line in evidence.lines(KINDS[kind], area, YEAR))
