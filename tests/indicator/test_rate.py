"""The rate as the database and the rules make it, on a given day."""

from datetime import date
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.indicator import KindCoverage, RateQuantity, RecyclingRate
from schemas.indicator_inputs import IndicatorInput
from service.errors import AreaUnknown, ValidationFailed
from service.indicator.inputs import record_input
from service.indicator.kinds import CountedAt
from service.indicator.rate import district_rates, gather_districts, gather_rate, make_rate
from service.periods import Period
from service.tables.indicator import scrap_station
from tests.indicator.calls import TONNE, a_document, an_input, weigh

TODAY = date(2026, 11, 20)
DEFAULT = "cn.cleared_plus_recovered"
QUANTITIES = ("recovered", "kitchen_treated", "cleared")


async def record(connection: AsyncConnection, **changes: Any) -> None:
    # Each from a document of its own: a correction, and not the same once more.
    document = a_document(sha256=uuid4().hex * 2)
    wanted = IndicatorInput.model_validate(an_input(**{"document": document} | changes))
    await record_input(connection, wanted, recorded_by=uuid4(), today=TODAY)


async def rate(
    connection: AsyncConnection,
    area: str = "nankai",
    period: str = "2025",
    today: date = TODAY,
    formula: str = DEFAULT,
    counted_at: CountedAt | None = None,
) -> RecyclingRate:
    gathered = await gather_rate(
        connection, area_id=area, asked=period, formula_id=formula, counted_at=counted_at, today=today
    )
    return make_rate(gathered)


def quantity(found: RecyclingRate, quantity_id: str) -> RateQuantity:
    return next(each for each in found.quantities if each.id == quantity_id)


def grams(found: RecyclingRate, quantity_id: str) -> int:
    return int(quantity(found, quantity_id).recorded_grams)


def covered(found: RecyclingRate, kind: str) -> KindCoverage:
    return next(each for each in found.coverage.kinds if each.kind == kind)


async def test_a_year_by_hand(connection: AsyncConnection) -> None:
    """R = 2 t from bins + 58 t picked up + 100 t from stations = 160 t, K = 90 t, C = 490 t:
    (160 + 90) ÷ (490 + 160) = 250 ÷ 650 = 0.384615…, 38.46 %."""
    await weigh(connection, date(2025, 3, 1), 2 * TONNE)
    await weigh(connection, date(2024, 12, 31), 1)
    await weigh(connection, date(2026, 1, 1), 1)
    await record(connection, kind="pickup_recyclables", source="pickup", grams=58 * TONNE)
    await record(connection, kind="scrap_station_recyclables", source="stations", grams=100 * TONNE)
    await record(connection, kind="kitchen_treated", grams=90 * TONNE)
    await record(connection, grams=490 * TONNE, document=a_document())
    found = await rate(connection)
    assert (found.rate, found.rate_percent) == ("0.384615", "38.46")
    assert (found.numerator_grams, found.denominator_grams) == (str(250 * TONNE), str(650 * TONNE))
    assert (found.missing, found.reason_code, found.reason_zh, found.reason_en) == ([], None, None, None)
    assert [(each.id, each.symbol, each.grams) for each in found.quantities] == [
        ("recovered", "R", str(160 * TONNE)),
        ("kitchen_treated", "K", str(90 * TONNE)),
        ("cleared", "C", str(490 * TONNE)),
    ]
    assert [
        (each.kind, each.counting_point, each.source, each.period, each.grams)
        for each in quantity(found, "recovered").inputs
    ] == [
        ("bin_recyclables", "bin", "bins", "2025-03", 2 * TONNE),
        ("pickup_recyclables", "door", "pickup", "2025", 58 * TONNE),
        ("scrap_station_recyclables", "station", "stations", "2025", 100 * TONNE),
    ]
    [source] = quantity(found, "cleared").inputs
    assert (source.area, source.period, source.version) == ("nankai", "2025", 1)
    assert source.document is not None
    assert source.document.model_dump(mode="json") == a_document()
    assert (found.formula.id, found.formula.version, found.counted_at) == (DEFAULT, 1, "origin")
    assert found.target is not None
    assert (found.target.rate, found.target.rate_percent, found.target.interpolated) == ("0.350000", "35.00", False)
    assert (found.first_day, found.last_day) == (date(2025, 1, 1), date(2025, 12, 31))
    bins = found.coverage.bins
    assert (bins.sites, bins.sites_with_volume, bins.months_with_volume, bins.held_grams) == (3, 1, ["2025-03"], 0)
    assert found.coverage.share == "1.000000"


async def test_the_same_material_at_bin_station_and_yard_is_counted_once(connection: AsyncConnection) -> None:
    await weigh(connection, date(2025, 3, 1), 60)
    for kind, mass in (
        ("pickup_recyclables", 15),
        ("scrap_station_recyclables", 20),
        ("station_recyclables", 74),
        ("yard_recyclables", 93),
        ("plant_recyclables", 90),
        ("generated", 400),
        ("cleared", 305),
        ("kitchen_treated", 5),
    ):
        await record(connection, kind=kind, grams=mass)
    found = await rate(connection)
    assert (found.numerator_grams, found.denominator_grams) == ("100", "400")
    assert [(each.kind, each.counting_point, each.grams) for each in found.not_counted] == [
        ("station_recyclables", "station", 74),
        ("yard_recyclables", "yard", 93),
        ("plant_recyclables", "plant", 90),
    ]
    assert found.not_counted[0].same_as == ["bin_recyclables", "pickup_recyclables"]
    at_yard = await rate(connection, counted_at="yard")
    assert (at_yard.numerator_grams, at_yard.counted_at) == ("98", "yard")
    assert [each.kind for each in at_yard.not_counted] == [
        "bin_recyclables",
        "pickup_recyclables",
        "scrap_station_recyclables",
        "station_recyclables",
        "plant_recyclables",
    ]
    european = await rate(connection, formula="eu.2019_1004")
    assert (european.numerator_grams, european.denominator_grams) == ("90", "400")
    # At the yard, only with what was rejected later.
    unknown = await rate(connection, formula="eu.2019_1004", counted_at="yard")
    assert (unknown.rate, unknown.missing) == (None, ["yard_rejects"])
    await record(connection, kind="yard_rejects", grams=3)
    assert (await rate(connection, formula="eu.2019_1004", counted_at="yard")).numerator_grams == "90"
    with pytest.raises(ValidationFailed, match="plant or yard, not at origin"):
        await rate(connection, formula="eu.2019_1004", counted_at="origin")


async def test_residue_is_deducted_to_the_last_digit(connection: AsyncConnection) -> None:
    await record(connection, grams=1000)
    await record(connection, kind="kitchen_treated", area="xuefu", grams=101)
    await record(connection, kind="kitchen_treated", area="gulou", grams=103)
    await record(connection, kind="residue_share", grams=None, ppm=123_456)
    await record(connection, kind="residue_share", area="gulou", grams=None, ppm=500_000)
    found = await rate(connection, formula="cn.net_residue")
    assert quantity(found, "kitchen_residue").grams == "63.969056"
    assert (found.numerator_grams, found.denominator_grams) == ("140.030944", "1000")
    assert found.rate == "0.140031"
    shares = [each.share for each in quantity(found, "kitchen_residue").inputs]
    assert [(each.area, each.ppm) for each in shares if each is not None] == [("gulou", 500_000), ("nankai", 123_456)]


async def test_what_is_held_is_among_no_mass_and_told_beside_them(connection: AsyncConnection) -> None:
    await weigh(connection, date(2025, 3, 1), 7)
    await weigh(connection, date(2025, 4, 2), 0, "site-2", held_grams=5, drops=0)
    found = await rate(connection)
    assert (grams(found, "recovered"), found.coverage.bins.held_grams) == (7, 5)
    assert (found.coverage.bins.months_with_volume, found.coverage.bins.sites_with_volume) == (["2025-03"], 1)
    assert (await rate(connection, period="2025-Q1")).coverage.bins.held_grams == 0


async def test_with_no_c_the_rate_is_null_and_says_why(connection: AsyncConnection) -> None:
    await weigh(connection, date(2025, 3, 1), 7)
    await record(connection, kind="kitchen_treated")
    found = await rate(connection)
    assert (found.rate, found.rate_percent, found.numerator_grams, found.denominator_grams) == (None,) * 4
    assert (found.missing, found.reason_code) == (["cleared"], "input_missing")
    assert (quantity(found, "cleared").grams, quantity(found, "cleared").inputs) == (None, [])
    assert grams(found, "recovered") == 7
    assert found.reason_zh is not None
    assert found.reason_en is not None
    assert "生活垃圾清运量 C缺 南开区" in found.reason_zh
    assert "waste cleared (C) is not recorded for Nankai" in found.reason_en


async def test_with_no_k_the_rate_is_null_and_0_must_be_recorded(connection: AsyncConnection) -> None:
    await record(connection, grams=100)
    found = await rate(connection)
    assert (found.rate, found.missing) == (None, ["kitchen_treated"])
    await record(connection, kind="kitchen_treated", grams=0)
    found = await rate(connection)
    assert (found.rate, found.missing) == ("0.000000", [])


async def test_more_kitchen_waste_than_was_cleared_is_contradictory(connection: AsyncConnection) -> None:
    await record(connection, grams=10)
    await record(connection, kind="kitchen_treated", grams=11)
    found = await rate(connection)
    assert (found.rate, found.reason_code, found.missing) == (None, "contradictory", [])
    assert (found.numerator_grams, found.denominator_grams) == ("11", "10")


async def test_a_rate_of_nothing_is_null(connection: AsyncConnection) -> None:
    await record(connection, grams=0)
    await record(connection, kind="kitchen_treated", grams=0)
    assert (await rate(connection)).reason_code == "nothing_arose"


async def test_twelve_months_and_four_quarters_add_up_to_the_year_exactly(connection: AsyncConnection) -> None:
    for month in range(1, 13):
        period = f"2025-{month:02}"
        await record(connection, period=period, grams=1000 + month)
        await record(connection, period=period, kind="kitchen_treated", grams=100 + month)
        await record(connection, period=period, kind="pickup_recyclables", grams=10 + month)
        await weigh(connection, Period.parse(period).first_day, month)
        await weigh(connection, Period.parse(period).last_day, 1)
    year = await rate(connection)
    for parts in (
        [await rate(connection, period=f"2025-{month:02}") for month in range(1, 13)],
        [await rate(connection, period=f"2025-Q{quarter}") for quarter in range(1, 5)],
    ):
        for name in QUANTITIES:
            assert grams(year, name) == sum(grams(part, name) for part in parts)
        assert year.numerator_grams == str(sum(int(part.numerator_grams or 0) for part in parts))
        assert year.denominator_grams == str(sum(int(part.denominator_grams or 0) for part in parts))
    assert grams(year, "recovered") == 78 + 12 + 120 + 78
    assert all(entry.missing == [] for entry in year.coverage.kinds)


async def test_missing_months_are_named(connection: AsyncConnection) -> None:
    for month in (1, 2, 4):
        await record(connection, period=f"2025-{month:02}")
    await record(connection, kind="kitchen_treated")
    found = await rate(connection)
    cleared = covered(found, "cleared")
    assert cleared.months_present == ["2025-01", "2025-02", "2025-04"]
    [line] = cleared.missing
    assert (line.area, line.source) == ("nankai", "sanitation department")
    assert line.months == ["2025-03", *(f"2025-{month:02}" for month in range(5, 13))]
    assert (cleared.share, covered(found, "kitchen_treated").share) == ("0.250000", "1.000000")
    assert found.coverage.share == "0.625000"
    assert found.reason_en is not None
    assert "in 2025-03, 2025-05" in found.reason_en


async def test_a_month_of_which_only_the_year_is_known_has_no_rate(connection: AsyncConnection) -> None:
    await record(connection)
    await record(connection, kind="kitchen_treated", grams=1)
    found = await rate(connection, period="2025-03")
    assert found.missing == ["kitchen_treated", "cleared"]
    assert [line.months for line in covered(found, "cleared").missing] == [["2025-03"]]
    assert found.reason_en is not None
    assert "but for 2025 as a whole" in found.reason_en


async def test_of_the_year_to_date_all_masses_are_of_the_same_months(connection: AsyncConnection) -> None:
    for month in range(1, 11):
        await record(connection, period=f"2026-{month:02}", grams=100)
        await record(connection, period=f"2026-{month:02}", kind="kitchen_treated", grams=10)
    await record(connection, period="2026-11", kind="pickup_recyclables", grams=1_000_000)
    await weigh(connection, date(2026, 10, 31), 20)
    await weigh(connection, date(2026, 11, 1), 1_000_000)
    found = await rate(connection, period="2026-ytd")
    assert (found.numerator_grams, found.denominator_grams) == ("120", "1020")
    assert (found.period, found.first_day, found.last_day) == (
        "2026-01/2026-10",
        date(2026, 1, 1),
        date(2026, 10, 31),
    )
    assert found.target is not None
    assert (found.target.rate, found.target.interpolated) == ("0.367500", True)
    # The year as a whole is not known before it is over.
    whole = await rate(connection, period="2026")
    assert (whole.rate, whole.missing) == (None, ["kitchen_treated", "cleared"])
    # Of months that have not begun nothing is missed.
    assert [line.months for line in covered(whole, "cleared").missing] == [["2026-11"]]
    # November, recorded before it is over, is the last month that counts.
    await record(connection, period="2026-11", grams=100)
    await record(connection, period="2026-11", kind="kitchen_treated", grams=10)
    found = await rate(connection, period="2026-ytd")
    assert (grams(found, "recovered"), found.last_day) == (2_000_020, date(2026, 11, 30))


async def test_the_tree_adds_up(connection: AsyncConnection) -> None:
    for area, number in (("xuefu", 1), ("gulou", 2)):
        await record(connection, area=area, grams=1000 * number)
        await record(connection, area=area, kind="kitchen_treated", grams=100 * number)
        await record(connection, area=area, kind="pickup_recyclables", source="pickup", grams=10 * number)
    await weigh(connection, date(2025, 6, 1), 1, "site-1")
    await weigh(connection, date(2025, 6, 1), 20, "site-2")
    await weigh(connection, date(2025, 6, 2), 300, "site-3")
    whole, *parts = [await rate(connection, area=area) for area in ("nankai", "xuefu", "gulou")]
    for name in QUANTITIES:
        assert grams(whole, name) == sum(grams(part, name) for part in parts)
    assert (whole.numerator_grams, whole.denominator_grams) == ("651", "3351")
    assert [each.area for each in quantity(whole, "cleared").inputs] == ["nankai", "gulou", "xuefu"][1:]
    assert whole.coverage.bins.sites_with_volume == 3
    city = await rate(connection, area="tianjin")
    assert (city.rate, city.target) == (whole.rate, None)
    community = await rate(connection, area="gulou-2")
    assert (community.rate, grams(community, "recovered")) == (None, 300)
    assert community.target is not None
    assert community.target.area == "nankai"


async def test_where_c_is_known_only_for_the_district_a_subdistrict_has_volumes_and_no_rate(
    connection: AsyncConnection,
) -> None:
    await record(connection, grams=1000)
    await record(connection, kind="kitchen_treated", grams=100)
    await record(connection, area="xuefu", kind="pickup_recyclables", grams=10)
    await weigh(connection, date(2025, 6, 1), 5, "site-1")
    assert (await rate(connection)).rate is not None
    found = await rate(connection, area="xuefu")
    assert (found.rate, found.missing) == (None, ["kitchen_treated", "cleared"])
    assert quantity(found, "recovered").grams == "15"


async def test_a_child_that_reported_nothing_makes_the_sum_unknown(connection: AsyncConnection) -> None:
    await record(connection, area="xuefu")
    await record(connection, kind="kitchen_treated", grams=1)
    found = await rate(connection)
    assert found.missing == ["cleared"]
    assert [(line.area, line.source) for line in covered(found, "cleared").missing] == [("gulou", None)]
    assert quantity(found, "cleared").recorded_grams == str(600 * TONNE)
    assert found.reason_en is not None
    assert "is not recorded for Gulou" in found.reason_en


async def test_only_the_latest_version_counts(connection: AsyncConnection) -> None:
    await record(connection, kind="kitchen_treated", grams=1)
    for mass in (50, 40, 10):
        await record(connection, grams=mass)
    found = await rate(connection)
    assert (found.rate, quantity(found, "cleared").inputs[0].version) == ("0.100000", 3)


async def test_a_scrap_station_that_does_not_report_is_missed_and_named(connection: AsyncConnection) -> None:
    await connection.execute(
        sa.insert(scrap_station).values(
            id="ST-1", area_id="xuefu-1", name="站", name_en="Station", reports_from=date(2025, 11, 1)
        )
    )
    await record(connection, area="xuefu-1", period="2025-11", kind="scrap_station_recyclables", source="ST-1", grams=1)
    found = covered(await rate(connection), "scrap_station_recyclables")
    assert (found.needed, found.share) == (False, "0.500000")
    assert [(line.area, line.source, line.months) for line in found.missing] == [("xuefu-1", "ST-1", ["2025-12"])]


async def test_a_share_that_is_missing_is_in_the_coverage(connection: AsyncConnection) -> None:
    await record(connection)
    await record(connection, kind="kitchen_treated", grams=1)
    found = await rate(connection, formula="cn.net_residue")
    assert (found.rate, found.missing) == (None, ["residue_share"])
    share = covered(found, "residue_share")
    assert (share.needed, share.share) == (True, "0.000000")
    assert [(line.area, line.months) for line in share.missing] == [("nankai", [])]
    # 12 months of C, 12 of K, and the share of K.
    assert found.coverage.share == "0.960000"
    await record(connection, kind="residue_share", grams=None, ppm=1)
    assert (await rate(connection, formula="cn.net_residue")).coverage.share == "1.000000"


async def test_a_figure_of_a_period_that_runs_is_provisional(connection: AsyncConnection) -> None:
    for kind in ("cleared", "kitchen_treated"):
        for month in ("2026-10", "2026-11"):
            await record(connection, kind=kind, period=month, grams=TONNE)
    over = {period: (await rate(connection, period=period)).is_over for period in ("2026-10", "2026-11", "2026-Q4")}
    assert over == {"2026-10": True, "2026-11": False, "2026-Q4": False}
    assert (await rate(connection, period="2026-11", today=date(2026, 11, 30))).is_over is False
    assert (await rate(connection, period="2026-11", today=date(2026, 12, 1))).is_over is True
    running = await rate(connection, period="2026-Q4")
    assert running.reason_code == "input_missing"
    assert str(running.reason_zh).endswith("2026-Q4 尚未结束，未到的月份届时才能录入。")
    assert str(running.reason_en).endswith("2026-Q4 is not over: a month to come is recorded when it has begun.")
    # Of what begun the last month runs, and no month is to come.
    begun = await rate(connection, period="2026-Q4", today=date(2026, 12, 1))
    assert str(begun.reason_zh).endswith("录入 0。2026-Q4 尚未结束。")
    assert str(begun.reason_en).endswith("there was none. 2026-Q4 is not over.")
    later = await rate(connection, period="2026-Q4", today=date(2027, 1, 1))
    assert "尚未结束" not in str(later.reason_zh)


async def test_a_year_before_its_formula_and_one_that_has_not_begun_have_no_rate_and_say_so(
    connection: AsyncConnection,
) -> None:
    early = await rate(connection, period="2019", formula="eu.2019_1004")
    assert (early.rate, early.reason_code) == (None, "not_valid")
    for period in ("2027", "2027-03", "2026-12"):
        coming = await rate(connection, period=period)
        assert (coming.rate, coming.reason_code) == (None, "not_begun")
        assert coming.reason_zh is not None
        assert "尚未开始" in coming.reason_zh


async def test_an_unknown_area_has_no_rate(connection: AsyncConnection) -> None:
    with pytest.raises(AreaUnknown, match="atlantis"):
        await rate(connection, area="atlantis")


async def test_districts_with_a_rate_are_those_of_their_answers(connection: AsyncConnection) -> None:
    assert district_rates(await gather_districts(connection, DEFAULT, TODAY)) == []
    for month in range(1, 11):
        await record(connection, area="xuefu", period=f"2026-{month:02}", grams=100)
        await record(connection, area="gulou", period=f"2026-{month:02}", grams=200)
        await record(connection, period=f"2026-{month:02}", kind="kitchen_treated", grams=10)
    await record(connection, area="gulou", period="2026-05", kind="pickup_recyclables", grams=5)
    await weigh(connection, date(2026, 10, 31), 20, "site-2")
    await weigh(connection, date(2026, 11, 1), 999)
    found = await rate(connection, period="2026-ytd")
    assert (found.numerator_grams, found.denominator_grams) == ("125", "3025")
    assert district_rates(await gather_districts(connection, DEFAULT, TODAY)) == [("nankai", Fraction(125, 3025))]


async def test_an_input_is_never_changed(connection: AsyncConnection, engine: AsyncEngine) -> None:
    await record(connection)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        await connection.execute(sa.text("UPDATE indicator_input SET grams = 0"))
