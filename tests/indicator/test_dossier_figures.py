"""The dossier's figures: rows that add up exactly, and what became of each input."""

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given

from schemas.indicator import BinCoverage, Coverage
from service.indicator.dossier_figures import OWN, Dossier, Facts, InputVersion, PartFacts, Place, dossier_of
from service.indicator.dossier_words import percent, period_zh, points, row_zh, short_tonnes, summary, tonnes
from service.indicator.dossier_workbook import mass_cells, rate_cell
from service.indicator.evidence import Evidence, Recorded
from service.indicator.figure import figure_of
from service.indicator.formulas import FORMULAS
from service.indicator.kinds import CountedAt
from service.periods import Period
from tests.indicator.test_evidence import CHILDREN, DOCUMENT, MONTHS, TREE, YEAR, inputs, monthly, recorded

BINS = BinCoverage(sites=0, sites_with_volume=0, months_with_volume=[], held_grams=0)
NOW = datetime(2026, 3, 10, 1, tzinfo=UTC)


def facts(
    records: list[Recorded],
    *,
    formula_id: str = "cn.cleared_plus_recovered",
    counted_at: CountedAt = "origin",
    today: date = date(2026, 3, 10),
) -> Facts:
    """Of the district `d`, with each record as a version of its own."""
    numbered = [replace(each, id=number) for number, each in enumerate(records, start=1)]
    evidence, formula = Evidence(TREE, numbered), FORMULAS[formula_id]
    return Facts(
        place=Place("d", "区", "D"),
        year=2025,
        today=today,
        made_at=NOW,
        formula=formula,
        counted_at=counted_at,
        code_version="0",
        evidence=evidence,
        figure=figure_of(evidence, formula, "d", YEAR, counted_at),
        coverage=Coverage(share=None, kinds=[], bins=BINS),
        not_counted=[],
        sites=3,
        sites_with_volume=2,
        parts=[
            PartFacts(Place(each, each, each), figure_of(evidence, formula, each, YEAR, counted_at), None, 1, 1)
            for each in CHILDREN["d"]
        ],
        names={},
        versions=[version(each) for each in numbered],
        targets=[("d", {2025: 350}), ("city", {2024: 100, 2026: 300})],
        latest=None,
        waiting=None,
        published=[],
        stored={},
    )


def version(each: Recorded, number: int = 1, *, withdraws: bool = False) -> InputVersion:
    return InputVersion(
        id=each.id or 0,
        area_id=each.area_id,
        period=each.period,
        kind=each.kind,
        source=each.source,
        material=each.material,
        version=number,
        amount=None if withdraws else each.amount,
        entered=None,
        document=DOCUMENT,
        recorded_by="李工",
        recorded_at=NOW,
    )


def column(dossier: Dossier, place: int, *kinds: str) -> Fraction:
    """What the rows of these kinds come to."""
    return sum((row.amounts[place].grams or Fraction(0) for row in dossier.rows if row.kind in kinds), Fraction(0))


@given(inputs())
def test_months_and_what_is_known_for_longer_only_are_the_year(found: list[Recorded]) -> None:
    dossier = dossier_of(facts(found))
    for place in range(3):
        assert column(dossier, place, "month", "longer") == column(dossier, place, "year")


@given(inputs())
def test_the_parts_and_what_the_area_reported_itself_are_the_area(found: list[Recorded]) -> None:
    dossier = dossier_of(facts(found))
    for place in range(3):
        parts = [row.amounts[place].grams or Fraction(0) for row in dossier.areas]
        assert sum(parts) == column(dossier, place, "year")


def test_there_are_twelve_months_four_quarters_and_the_year_also_where_nothing_is_recorded() -> None:
    dossier = dossier_of(facts([]))
    kinds = [row.kind for row in dossier.rows]
    assert [kinds.count(kind) for kind in ("month", "quarter", "longer", "year")] == [12, 4, 0, 1]
    # Recyclables that nobody reported are none; of what was cleared nothing is known.
    assert [each.grams for each in dossier.rows[-1].amounts] == [0, None, None]
    assert dossier.goal is not None
    assert (dossier.goal.is_met, dossier.goal.grams) == (None, None)


def test_what_is_known_for_a_quarter_is_not_spread_and_its_months_are_marked() -> None:
    quarter = Period.of_quarter(2025, 1)
    whole = [*monthly(), *monthly(kind="kitchen_treated")]
    station = recorded(90, period=quarter, kind="scrap_station_recyclables")
    dossier = dossier_of(facts([*whole, station]))
    [longer] = [row for row in dossier.rows if row.kind == "longer"]
    assert [each.grams for each in longer.amounts] == [90, None, None]
    january, *_ = dossier.months
    assert (january.amounts[0].grams, january.amounts[0].is_whole) == (Fraction(0), False)
    assert all(row.amounts[0].is_whole for row in dossier.months[3:])
    assert [row.amounts[0].is_whole for row in dossier.rows if row.kind == "quarter"] == [True] * 4


def test_a_year_that_is_not_over_has_a_row_to_date_and_months_that_have_not_begun() -> None:
    months = range(1, 4)
    known = [*monthly(months=months), *monthly(months=months, kind="kitchen_treated")]
    dossier = dossier_of(facts(known, today=date(2025, 5, 2)))
    assert not dossier.is_over
    [to_date] = [row for row in dossier.rows if row.kind == "to_date"]
    assert (str(to_date.period), to_date.rate) == ("2025-Q1", Fraction(1))
    assert [row.why_zh == "尚未开始" for row in dossier.months] == [False] * 5 + [True] * 7
    assert [row_zh(row) for row in dossier.months[3:6]] == ["4 月", "5 月（未结束）", "6 月"]
    # Recyclables that nobody reported are none, but not of a month to come.
    assert [row.amounts[0].grams for row in dossier.months] == [Fraction(0)] * 5 + [None] * 7
    [told] = [each for each in summary(dossier, "Asia/Shanghai") if each.zh == "本年累计"]
    assert told.value == "100.00%（一季度）"


def test_the_goal_is_the_nearest_areas_and_tells_how_far_it_is() -> None:
    goal = dossier_of(facts([recorded(600), recorded(200, kind="kitchen_treated")])).goal
    assert goal is not None
    assert (goal.area_id, goal.rate, goal.interpolated, goal.is_met) == ("d", Fraction(35, 100), False, False)
    assert goal.points == Fraction(100, 3) - 35
    assert (goal.grams, goal.whole_grams) == (Fraction(10), 10)
    met = dossier_of(facts([recorded(600), recorded(210, kind="kitchen_treated")])).goal
    assert met is not None
    assert (met.is_met, met.points, met.grams) == (True, Fraction(0), Fraction(0))


def test_without_a_target_of_its_own_the_area_above_sets_it_and_without_any_there_is_none() -> None:
    found = facts([recorded(600), recorded(200, kind="kitchen_treated")])
    goal = dossier_of(replace(found, targets=found.targets[1:])).goal
    assert goal is not None
    assert (goal.area_id, goal.rate, goal.interpolated) == ("city", Fraction(1, 5), True)
    assert dossier_of(replace(found, targets=[("d", {2030: 400})])).goal is None


def test_each_version_says_what_became_of_it() -> None:
    first = replace(recorded(600), id=1)
    kitchen = replace(recorded(100, kind="kitchen_treated"), id=2)
    yard = replace(recorded(70, kind="yard_recyclables"), id=3)
    burned = replace(recorded(50, kind="burned"), id=4)
    gone = replace(recorded(9, kind="pickup_recyclables"), id=6)
    found = facts([])
    evidence = Evidence(TREE, [first, kitchen, yard, burned])
    versions = [
        version(replace(first, id=9, amount=1)),
        version(first, 2),
        *map(version, (kitchen, yard, burned)),
        version(replace(gone, id=5)),
        version(gone, 2, withdraws=True),
    ]
    figure = figure_of(evidence, found.formula, "d", YEAR, "origin")
    dossier = dossier_of(replace(found, evidence=evidence, figure=figure, versions=versions))
    assert [(each.stored and each.stored.id, each.status) for each in dossier.inputs] == [
        (9, "superseded"),
        (1, "counted"),
        (2, "counted"),
        (3, "not_counted"),
        (4, "not_counted"),
        (5, "superseded"),
        (6, "withdrawn"),
    ]
    told = {each.kind: each.why_zh for each in dossier.inputs if each.status == "not_counted"}
    assert "同一物流已计入智能回收箱回收量" in told["yard_recyclables"]
    assert told["burned"] == "本公式不用此项"


@pytest.mark.parametrize(
    ("records", "kind", "why"),
    [
        ([recorded(600_000, kind="residue_share")], "residue_share", "没有与之相乘的量"),
        ([recorded(600, kind="burned")], "burned", "缺少与之相乘的比例或系数"),
    ],
)
def test_a_mass_without_its_factor_and_a_factor_without_its_mass_are_told(
    records: list[Recorded], kind: str, why: str
) -> None:
    formula = "cn.net_residue" if kind == "residue_share" else "cn.resource_utilisation"
    [row] = dossier_of(facts(records, formula_id=formula)).inputs
    assert (row.kind, row.status, row.why_zh) == (kind, "not_counted", why)


def test_of_an_area_above_only_the_share_that_is_used_is_listed() -> None:
    share = recorded(250_000, "city", kind="residue_share")
    elsewhere = recorded(5, "city", kind="cleared", source="river")
    kitchen = recorded(100, kind="kitchen_treated")
    dossier = dossier_of(facts([share, elsewhere, kitchen], formula_id="cn.net_residue"))
    assert [(each.kind, each.area_id, each.status) for each in dossier.inputs] == [
        ("residue_share", "city", "counted"),
        ("kitchen_treated", "d", "counted"),
    ]


def test_what_the_area_reported_itself_is_a_row_beside_its_parts() -> None:
    dossier = dossier_of(facts([recorded(600), recorded(5, "s1", kind="pickup_recyclables")]))
    assert [(row.place.id, [each.grams for each in row.amounts]) for row in dossier.areas] == [
        ("s1", [5, None, None]),
        ("s2", [0, None, None]),
        (OWN, [None, None, 600]),
    ]
    assert [(row.sites, row.sites_with_volume) for row in dossier.areas] == [(1, 1), (1, 1), (1, 0)]


@pytest.mark.parametrize(
    ("grams", "cells"),
    [
        (Fraction(0), (0, 0)),
        (Fraction(1), (0.000001, 1)),
        (Fraction(10**15 - 1), (999999999.999999, 10**15 - 1)),
        # More than the fifteen digits of a spreadsheet, or parts of a gram, are text with all digits.
        (Fraction(10**15), ("1000000000.000000", "1000000000000000")),
        (Fraction(1, 4), ("0.00000025", "0.25")),
        (None, ("", "")),
    ],
)
def test_a_mass_is_a_number_where_a_spreadsheet_holds_all_its_digits(
    grams: Fraction | None, cells: tuple[object, object]
) -> None:
    assert mass_cells(grams) == cells


def test_figures_in_words() -> None:
    assert tonnes(Fraction(1_234_567_890_123)) == "1,234,567.890123"
    assert short_tonnes(Fraction(1_234_567_500)) == "1,234.568"
    # Half to even, as everywhere.
    assert short_tonnes(Fraction(2500)) == "0.002"
    assert short_tonnes(None) == "–"
    assert (percent(Fraction(5, 13)), percent(None)) == ("38.46%", "–")
    assert (points(Fraction(1, 3)), points(Fraction(-1, 3))) == (("高 0.3333", "above"), ("低 0.3333", "below"))
    assert rate_cell(Fraction(5, 13)) == 0.3846
    spans = [YEAR, Period.of_quarter(2025, 3), Period(2025, 1, 6), MONTHS[2]]
    assert [period_zh(each) for each in spans] == ["全年", "三季度", "1–6 月", "3 月"]
