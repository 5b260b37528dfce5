"""How far the target is, over HTTP."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.targets import NewTarget
from service.db import transaction
from service.indicator.setting_targets import set_target
from tests.indicator.calls import Caller
from tests.indicator.test_routes import problem

OUTLOOK = "/v1/indicator/outlook"


async def outlook(operator: Caller, **parameters: str) -> dict[str, Any]:
    response = await operator.get(OUTLOOK, **parameters)
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


async def test_a_year_that_is_over_is_compared_with_its_target(operator: Caller) -> None:
    """60 ÷ 200 = 30 % of 35 %: 10 t are missing."""
    await operator.record(grams=170_000_000)
    await operator.record(kind="kitchen_treated", grams=30_000_000)
    await operator.record(kind="pickup_recyclables", grams=30_000_000)
    found = await outlook(operator, area="nankai", year="2025")
    assert found["so_far"]["period"] == "2025"
    assert (found["so_far"]["rate_percent"], found["projection"]["rate_percent"]) == ("30.00", "30.00")
    assert found["projection"]["past_years"] == []
    assert found["needed"] == {"needed_grams": 10_000_000, "expected_grams": 0, "gap_grams": 10_000_000}
    assert found["target"]["rate_percent"] == "35.00"
    path = {each["year"]: each["rate_percent"] for each in found["target_path"]}
    assert list(path) == list(range(2025, 2036))
    assert (path[2026], path[2027], path[2035]) == ("36.75", "38.50", "50.00")


async def test_the_year_that_runs_is_projected_from_the_same_months_of_the_last(operator: Caller) -> None:
    year = datetime.now(ZoneInfo("Asia/Shanghai")).year
    for month in range(1, 13):
        for kind, grams in (("cleared", 1000), ("kitchen_treated", 10 * month)):
            await operator.record(period=f"{year - 1}-{month:02}", kind=kind, grams=grams)
    for kind, grams in (("cleared", 1000), ("kitchen_treated", 11)):
        await operator.record(period=f"{year}-01", kind=kind, grams=grams)
    found = await outlook(operator, area="nankai", year=str(year))
    assert found["so_far"]["period"] == f"{year}-01"
    projection = found["projection"]
    # K = 11 × 780 ÷ 10, C = 1000 × 12000 ÷ 1000.
    assert (projection["numerator_grams"], projection["denominator_grams"]) == (858, 12_000)
    assert (projection["rate_percent"], projection["past_years"]) == ("7.15", [year - 1])
    assert f"{year - 1}" in projection["how_zh"]


async def test_without_a_past_year_there_is_no_projection_and_a_reason(operator: Caller) -> None:
    await operator.record(period="2025-01")
    await operator.record(period="2025-01", kind="kitchen_treated", grams=1)
    found = await outlook(operator, area="nankai", year="2025")
    assert (found["projection"], found["needed"]) == (None, None)
    assert found["so_far"]["rate"] is not None
    assert "往年" in found["reason_zh"]
    assert "no past year" in found["reason_en"]


async def test_without_inputs_the_reason_says_what_is_missing(operator: Caller) -> None:
    found = await outlook(operator, area="nankai", year="2025")
    assert (found["so_far"]["rate"], found["projection"]) == (None, None)
    assert "waste cleared (C) is not recorded" in found["reason_en"]
    community = await outlook(operator, area="gulou-1", year="2024")
    assert community["target"] is None
    assert [each["area"] for each in community["target_path"]] == ["nankai"] * 11
    city = await outlook(operator, area="tianjin", year="2025")
    assert (city["target"], city["target_path"]) == (None, [])


async def test_an_area_with_a_target_of_its_own_for_another_year_is_held_against_its_districts(
    operator: Caller, engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        await set_target(connection, NewTarget(area="xuefu", year=2030, rate_per_mille=900), set_by=uuid.uuid4())
    await operator.record(area="xuefu", grams=170_000_000)
    await operator.record(area="xuefu", kind="kitchen_treated", grams=30_000_000)
    found = await outlook(operator, area="xuefu", year="2025")
    assert (found["target"]["area"], found["target"]["rate_percent"]) == ("nankai", "35.00")
    assert found["needed"]["gap_grams"] == 29_500_000
    assert {each["area"] for each in found["target_path"]} == {"nankai"}
    own = await outlook(operator, area="xuefu", year="2030")
    assert own["target"]["rate_percent"] == "90.00"


async def test_who_has_not_reported_is_named_beside_the_year_so_far(operator: Caller) -> None:
    await operator.record()
    await operator.record(kind="kitchen_treated", grams=1)
    await operator.record(kind="scrap_station_recyclables", source="ST-1", period="2025-03", grams=1)
    found = await outlook(operator, area="nankai", year="2025")
    [stations] = [each for each in found["coverage"]["kinds"] if each["kind"] == "scrap_station_recyclables"]
    assert [(line["source"], len(line["months"])) for line in stations["missing"]] == [("ST-1", 11)]


async def test_what_is_asked_wrongly_is_pointed_at(operator: Caller) -> None:
    for parameters, expected in (
        ({"area": "nankai", "year": "1999"}, (422, "validation_failed", ["/year"])),
        ({"area": "nankai"}, (422, "validation_failed", ["/year"])),
        ({"area": "nankai", "year": "2025", "formula": "x"}, (422, "validation_failed", ["/formula"])),
        ({"area": "atlantis", "year": "2025"}, (404, "area_unknown", [])),
    ):
        assert await problem(await operator.get(OUTLOOK, **parameters)) == expected
