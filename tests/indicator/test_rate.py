"""The rate as the database and the rules make it, on a given day."""

from datetime import date
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.indicator import IndicatorInput, RecyclingRate
from service.errors import AreaUnknown
from service.indicator.inputs import record_input
from service.indicator.rate import district_rates, recycling_rate
from service.periods import Period
from service.tables import volume
from tests.indicator.calls import TONNE, an_input

TODAY = date(2026, 11, 20)


async def record(connection: AsyncConnection, **changes: Any) -> None:
    wanted = IndicatorInput.model_validate(an_input(**changes))
    await record_input(connection, wanted, recorded_by=uuid4(), today=TODAY)


async def weigh(connection: AsyncConnection, day: date, grams: int, site: str = "site-1") -> None:
    await connection.execute(
        sa.insert(volume).values(day=day, site_id=site, material_id="paper", source="bin", grams=grams, drops=1)
    )


async def rate(
    connection: AsyncConnection, area: str = "nankai", period: str = "2025", today: date = TODAY
) -> RecyclingRate:
    return await recycling_rate(
        connection,
        area_id=area,
        period=Period.parse(period),
        formula_id="cn.cleared_plus_recovered",
        today=today,
    )


async def test_a_year_by_hand(connection: AsyncConnection) -> None:
    """R = 2 t from bins + 58 t picked up + 100 t from stations = 160 t, K = 90 t, C = 490 t:
    (160 + 90) ÷ (490 + 160) = 250 ÷ 650 = 0.384615…, 38.46 %."""
    await weigh(connection, date(2025, 3, 1), 2 * TONNE)
    await weigh(connection, date(2024, 12, 31), 1)
    await weigh(connection, date(2026, 1, 1), 1)
    await record(connection, kind="recyclables", source="pickup", grams=58 * TONNE)
    await record(connection, kind="recyclables", source="stations", grams=100 * TONNE)
    await record(connection, kind="kitchen_treated", grams=90 * TONNE)
    await record(connection, grams=490 * TONNE)
    found = await rate(connection)
    assert (found.rate, found.rate_percent) == ("0.384615", "38.46")
    assert (found.numerator_grams, found.denominator_grams) == (250 * TONNE, 650 * TONNE)
    assert (found.missing, found.reason_code, found.reason_zh, found.reason_en) == ([], None, None, None)
    inputs = found.inputs
    assert inputs.recovered_grams == 160 * TONNE
    assert [(each.kind, each.source, each.grams) for each in inputs.recovered_sources] == [
        ("bins", "bins", 2 * TONNE),
        ("recyclables", "pickup", 58 * TONNE),
        ("recyclables", "stations", 100 * TONNE),
    ]
    assert (inputs.kitchen_treated_grams, inputs.cleared_grams) == (90 * TONNE, 490 * TONNE)
    [source] = inputs.cleared_sources
    assert (source.area, source.period, source.version, source.document) == ("nankai", "2025", 1, "清运量统计表 2025")
    assert found.formula.id == "cn.cleared_plus_recovered"
    assert found.target is not None
    assert (found.target.rate, found.target.rate_percent, found.target.interpolated) == ("0.350000", "35.00", False)
    assert (found.coverage.first_day, found.coverage.last_day) == (date(2025, 1, 1), date(2025, 12, 31))
    assert (found.coverage.days, found.coverage.days_with_bin_volume) == (365, 1)
    assert (found.coverage.sites, found.coverage.sites_with_bin_volume) == (3, 1)
    assert found.coverage.bin_held_grams == 0


async def test_what_is_held_is_among_no_mass_and_told_beside_them(connection: AsyncConnection) -> None:
    await weigh(connection, date(2025, 3, 1), 7)
    held = {"grams": 0, "drops": 0, "held_grams": 5, "held_drops": 1}
    day = {"day": date(2025, 3, 2), "site_id": "site-2", "material_id": "paper", "source": "bin"}
    await connection.execute(sa.insert(volume).values(**day, **held))
    found = await rate(connection)
    assert (found.inputs.recovered_grams, found.coverage.bin_held_grams) == (7, 5)
    assert (found.coverage.days_with_bin_volume, found.coverage.sites_with_bin_volume) == (1, 1)


async def test_with_no_c_the_rate_is_null_and_says_why(connection: AsyncConnection) -> None:
    await weigh(connection, date(2025, 3, 1), 7)
    await record(connection, kind="kitchen_treated")
    found = await rate(connection)
    assert (found.rate, found.rate_percent, found.numerator_grams, found.denominator_grams) == (None,) * 4
    assert (found.missing, found.reason_code) == (["cleared"], "input_missing")
    assert (found.inputs.cleared_grams, found.inputs.cleared_sources) == (None, [])
    assert found.inputs.recovered_grams == 7
    assert found.reason_zh is not None
    assert found.reason_en is not None
    assert "清运量 C" in found.reason_zh
    assert "no waste cleared (C) is recorded for nankai" in found.reason_en


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
    assert (found.numerator_grams, found.denominator_grams) == (11, 10)


async def test_a_rate_of_nothing_is_null(connection: AsyncConnection) -> None:
    await record(connection, grams=0)
    await record(connection, kind="kitchen_treated", grams=0)
    assert (await rate(connection)).reason_code == "nothing_arose"


async def test_twelve_months_add_up_to_the_year_exactly(connection: AsyncConnection) -> None:
    for month in range(1, 13):
        period = f"2025-{month:02}"
        await record(connection, period=period, grams=1000 + month)
        await record(connection, period=period, kind="kitchen_treated", grams=100 + month)
        await record(connection, period=period, kind="recyclables", grams=10 + month)
        await weigh(connection, Period.parse(period).first_day, month)
        await weigh(connection, Period.parse(period).last_day, 1)
    year = await rate(connection)
    months = [await rate(connection, period=f"2025-{month:02}") for month in range(1, 13)]
    for name in ("recovered_grams", "kitchen_treated_grams", "cleared_grams"):
        assert getattr(year.inputs, name) == sum(getattr(month.inputs, name) for month in months)
    assert year.numerator_grams == sum(month.numerator_grams or 0 for month in months)
    assert year.denominator_grams == sum(month.denominator_grams or 0 for month in months)
    assert year.inputs.recovered_grams == 78 + 12 + 120 + 78
    assert all(entry.months_missing == [] for entry in year.coverage.inputs)


async def test_missing_months_are_named(connection: AsyncConnection) -> None:
    for month in (1, 2, 4):
        await record(connection, period=f"2025-{month:02}")
    await record(connection, kind="kitchen_treated")
    found = await rate(connection)
    cleared = next(entry for entry in found.coverage.inputs if entry.kind == "cleared")
    assert cleared.months_present == ["2025-01", "2025-02", "2025-04"]
    assert cleared.months_missing == ["2025-03", *(f"2025-{month:02}" for month in range(5, 13))]
    assert found.reason_en is not None
    assert "missing for 2025-03, 2025-05" in found.reason_en


async def test_a_month_of_which_only_the_year_is_known_has_no_rate(connection: AsyncConnection) -> None:
    await record(connection)
    await record(connection, kind="kitchen_treated", grams=1)
    found = await rate(connection, period="2025-03")
    assert found.missing == ["cleared", "kitchen_treated"]
    assert found.coverage.inputs[0].months_missing == ["2025-03"]


async def test_of_the_current_year_all_masses_are_of_the_same_months(connection: AsyncConnection) -> None:
    for month in range(1, 11):
        await record(connection, period=f"2026-{month:02}", grams=100)
        await record(connection, period=f"2026-{month:02}", kind="kitchen_treated", grams=10)
    await record(connection, period="2026-11", kind="recyclables", grams=1_000_000)
    await weigh(connection, date(2026, 10, 31), 20)
    await weigh(connection, date(2026, 11, 1), 1_000_000)
    found = await rate(connection, period="2026")
    assert (found.numerator_grams, found.denominator_grams) == (120, 1020)
    assert (found.coverage.first_day, found.coverage.last_day) == (date(2026, 1, 1), date(2026, 10, 31))
    assert found.inputs.recovered_sources[0].period == "2026-01-01/2026-10-31"
    assert found.coverage.inputs[0].months_missing == ["2026-11"]
    assert found.target is not None
    assert (found.target.rate, found.target.interpolated) == ("0.367500", True)
    # November, recorded before it is over, makes the year go up to today.
    await record(connection, period="2026-11", grams=100)
    await record(connection, period="2026-11", kind="kitchen_treated", grams=10)
    found = await rate(connection, period="2026")
    assert found.inputs.recovered_grams == 2_000_020
    assert (found.coverage.last_day, found.coverage.days) == (date(2026, 11, 30), 324)


async def test_the_tree_adds_up(connection: AsyncConnection) -> None:
    for area, number in (("xuefu", 1), ("gulou", 2)):
        await record(connection, area=area, grams=1000 * number)
        await record(connection, area=area, kind="kitchen_treated", grams=100 * number)
        await record(connection, area=area, kind="recyclables", source="pickup", grams=10 * number)
    await weigh(connection, date(2025, 6, 1), 1, "site-1")
    await weigh(connection, date(2025, 6, 1), 20, "site-2")
    await weigh(connection, date(2025, 6, 2), 300, "site-3")
    whole, *parts = [await rate(connection, area=area) for area in ("nankai", "xuefu", "gulou")]
    for name in ("recovered_grams", "kitchen_treated_grams", "cleared_grams"):
        assert getattr(whole.inputs, name) == sum(getattr(part.inputs, name) for part in parts)
    assert (whole.numerator_grams, whole.denominator_grams) == (651, 3351)
    assert [each.area for each in whole.inputs.cleared_sources] == ["gulou", "xuefu"]
    assert (whole.coverage.days_with_bin_volume, whole.coverage.sites_with_bin_volume) == (2, 3)
    city = await rate(connection, area="tianjin")
    assert (city.rate, city.target) == (whole.rate, None)
    community = await rate(connection, area="gulou-2")
    assert (community.rate, community.inputs.recovered_grams) == (None, 300)
    assert community.target is not None
    assert community.target.area == "nankai"


async def test_a_child_that_reported_nothing_makes_the_sum_unknown(connection: AsyncConnection) -> None:
    await record(connection, area="xuefu")
    await record(connection, kind="kitchen_treated", grams=1)
    found = await rate(connection)
    assert found.missing == ["cleared"]
    assert found.coverage.inputs[0].areas_missing == ["gulou"]
    assert found.reason_en is not None
    assert "is not recorded for gulou, parts of nankai" in found.reason_en


async def test_only_the_latest_version_counts(connection: AsyncConnection) -> None:
    await record(connection, kind="kitchen_treated", grams=1)
    for grams in (50, 40, 10):
        await record(connection, grams=grams)
    found = await rate(connection)
    assert (found.rate, found.inputs.cleared_sources[0].version) == ("0.100000", 3)


async def test_an_unknown_area_has_no_rate(connection: AsyncConnection) -> None:
    with pytest.raises(AreaUnknown, match="atlantis"):
        await rate(connection, area="atlantis")


async def test_districts_with_a_rate_are_those_of_their_answers(connection: AsyncConnection) -> None:
    assert await district_rates(connection, TODAY) == []
    for month in range(1, 11):
        await record(connection, area="xuefu", period=f"2026-{month:02}", grams=100)
        await record(connection, area="gulou", period=f"2026-{month:02}", grams=200)
        await record(connection, period=f"2026-{month:02}", kind="kitchen_treated", grams=10)
    await record(connection, area="gulou", period="2026-05", kind="recyclables", grams=5)
    await weigh(connection, date(2026, 10, 31), 20, "site-2")
    await weigh(connection, date(2026, 11, 1), 999)
    found = await rate(connection, period="2026")
    assert (found.numerator_grams, found.denominator_grams) == (125, 3025)
    assert await district_rates(connection, TODAY) == [("nankai", Fraction(125, 3025))]


async def test_an_input_is_never_changed(connection: AsyncConnection, engine: AsyncEngine) -> None:
    await record(connection)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        await connection.execute(sa.text("UPDATE indicator_input SET grams = 0"))
