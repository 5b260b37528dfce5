"""Scrap stations report what they bought, by material, each month, with a key of their own."""

import asyncio
import hashlib
import json
import uuid
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.stations import NewStation
from service.api_keys import create_api_key
from service.db import transaction
from service.errors import ValidationFailed
from service.indicator.reporting import Duty
from service.indicator.stations import add_station, close_station
from service.periods import Period
from service.tables.people import api_key
from service.tables.reference import material
from tests.indicator.calls import INPUTS, Caller, a_document, an_input
from tests.indicator.test_routes import problem, stored
from tests.world import World

Client = TestClient[Any, Any]
STATIONS = "/v1/stations"
WEIGHTS = f"{STATIONS}/me/weights"
WHEN = date(2026, 3, 31)


def a_station(**changes: str) -> NewStation:
    known = {"id": "NK-S-01", "area": "xuefu-1", "name": "学府废品站", "name_en": "Xuefu", "reports_from": "2025-01"}
    return NewStation.model_validate(known | changes)


@pytest.fixture
async def station(world: World, engine: AsyncEngine, client: Client) -> Caller:
    """NK-S-01 of xuefu-1, from January 2025 on."""
    async with transaction(engine) as connection:
        await add_station(connection, a_station())
        token = await create_api_key(connection, role="station", name="王老板", station_id="NK-S-01")
    return Caller(client, token)


def a_report(month: str, **grams: int) -> dict[str, Any]:
    return {"month": month, "weights": [{"material": name, "grams": each} for name, each in grams.items()]}


async def report(station: Caller, month: str, **grams: int) -> ClientResponse:
    return await send(station, a_report(month, **grams))


async def send(station: Caller, document: Any, *, key: str | None = None) -> ClientResponse:
    headers = {**station.headers, "Idempotency-Key": key or str(uuid.uuid4())}
    return await station.client.post(WEIGHTS, json=document, headers=headers)


async def reported(station: Caller, month: str, **grams: int) -> dict[str, tuple[str, int]]:
    """The effect and version of each material."""
    response = await report(station, month, **grams)
    assert response.status == 201, await response.text()
    return {each["material"]: (each["effect"], each["version"]) for each in (await response.json())["weights"]}


async def counting(station: Caller, month: str) -> dict[str, int]:
    response = await station.get(WEIGHTS, month=month)
    assert response.status == 200, await response.text()
    return {each["material"]: each["grams"] for each in (await response.json())["weights"]}


async def test_a_station_reports_a_month_by_material(station: Caller, operator: Caller) -> None:
    assert await reported(station, "2025-03", paper=1_250_000, metal=84_500) == {
        "paper": ("new", 1),
        "metal": ("new", 1),
    }
    assert await counting(station, "2025-03") == {"paper": 1_250_000, "metal": 84_500}
    found = (await (await operator.get(INPUTS, kind="scrap_station_recyclables")).json())["inputs"]
    assert {(each["area"], each["period"], each["source"], each["recorded_by"]) for each in found} == {
        ("xuefu-1", "2025-03", "NK-S-01", "王老板")
    }
    assert {each["material"]: (each["grams"], each["entered"]) for each in found} == {
        "paper": (1_250_000, "1250000 g"),
        "metal": (84_500, "84500 g"),
    }
    # It counts in the areas around it.
    await operator.record(period="2025-03")
    await operator.record(period="2025-03", kind="kitchen_treated", grams=0)
    rate = await operator.rate(period="2025-03")
    assert rate["quantities"][0]["grams"] == "1334500"


async def test_without_a_document_the_report_is_its_own(station: Caller) -> None:
    answer = await (await report(station, "2025-03", plastic=7, metal=5)).json()
    text = answer["report_text"]
    assert answer["document"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert answer["document"]["name"] == "学府废品站 2025-03 月报"
    assert json.loads(text) == {
        "format": "tanbi.station-report.v1",
        "station": "NK-S-01",
        "month": "2025-03",
        "weights": [{"material": "metal", "grams": 5}, {"material": "plastic", "grams": 7}],
    }
    book = a_document(name="收购台账")
    document = {"month": "2025-04", "weights": [{"material": "paper", "grams": 1}], "document": book}
    assert (await (await send(station, document)).json())["document"] == book


async def test_the_month_again_corrects_what_it_says_and_leaves_the_rest(station: Caller) -> None:
    await reported(station, "2025-03", paper=10, metal=20, plastic=30)
    again = await reported(station, "2025-03", paper=11, metal=20)
    assert again == {"paper": ("correction", 2), "metal": ("unchanged", 1)}
    assert await reported(station, "2025-03", plastic=0) == {"plastic": ("correction", 2)}
    assert await counting(station, "2025-03") == {"paper": 11, "metal": 20, "plastic": 0}


@pytest.mark.parametrize(
    ("month", "grams", "expected"),
    [
        ("2024-12", {"paper": 1}, (409, "month_not_due")),
        ("2099-01", {"paper": 1}, (409, "month_not_due")),
        ("2025-03", {"paper": 1, "gold": 1}, (404, "material_unknown")),
        ("2025-03", {"paper": -1}, (422, "validation_failed")),
        ("2025-03", {}, (422, "validation_failed")),
        ("2025-13", {"paper": 1}, (422, "validation_failed")),
        ("2025-Q1", {"paper": 1}, (422, "validation_failed")),
    ],
)
async def test_what_cannot_be_reported_is_refused_and_nothing_recorded(
    month: str, grams: dict[str, int], expected: tuple[int, str], engine: AsyncEngine, station: Caller
) -> None:
    response = await report(station, month, **grams)
    assert (await problem(response))[:2] == expected
    assert await stored(engine) == 0


async def test_a_material_twice_is_refused(engine: AsyncEngine, station: Caller) -> None:
    twice = [{"material": "paper", "grams": 1}, {"material": "paper", "grams": 2}]
    response = await send(station, {"month": "2025-03", "weights": twice})
    assert await problem(response) == (422, "validation_failed", ["/weights"])
    assert (await response.json())["errors"][0]["detail"] == "give each material once"
    assert await stored(engine) == 0


async def test_a_report_of_nothing_is_refused_in_plain_words(station: Caller) -> None:
    response = await send(station, {"month": "2025-03", "weights": []})
    assert await problem(response) == (422, "validation_failed", ["/weights"])
    assert (await response.json())["errors"][0]["detail"] == "Must have 1 item at least"


async def test_a_book_of_the_future_is_refused(engine: AsyncEngine, station: Caller) -> None:
    document = a_report("2025-03", paper=5) | {"document": a_document(date="2099-01-01")}
    assert await problem(await send(station, document)) == (422, "validation_failed", ["/document/date"])
    assert await stored(engine) == 0


async def test_what_an_operator_recorded_for_the_year_is_not_reported_again(station: Caller, operator: Caller) -> None:
    await operator.record(area="xuefu-1", period="2025", kind="scrap_station_recyclables", source="NK-S-01")
    assert (await problem(await report(station, "2025-03", paper=1)))[:2] == (409, "input_overlaps")
    own = await (await station.get(f"{STATIONS}/me")).json()
    states = {each["month"]: each["state"] for each in own["months"]}
    assert {state for month, state in states.items() if month.startswith("2025")} == {"reported"}


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(engine: AsyncEngine, station: Caller) -> None:
    march = a_report("2025-03", paper=5)
    first, again = [await send(station, march, key="march") for _ in range(2)]
    assert await first.read() == await again.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await send(station, a_report("2025-03", paper=6), key="march")
    assert (await problem(other))[:2] == (422, "idempotency_key_reused")
    bare = await station.client.post(WEIGHTS, json=march, headers=station.headers)
    assert (await problem(bare))[:2] == (400, "idempotency_key_missing")
    assert await stored(engine) == 1


async def test_many_reports_at_once_leave_whole_ones(station: Caller) -> None:
    """The last one counts, with all of its materials."""
    responses = await asyncio.gather(
        *(report(station, "2025-03", paper=number, metal=number, plastic=number) for number in range(1, 9))
    )
    assert {each.status for each in responses} == {201}
    assert len(set((await counting(station, "2025-03")).values())) == 1


async def test_a_station_sees_which_months_are_missing(station: Caller, engine: AsyncEngine) -> None:
    await reported(station, "2025-02", paper=0)
    async with transaction(engine) as connection:
        await close_station(connection, "NK-S-01", "2025-04")
    own = await (await station.get(f"{STATIONS}/me")).json()
    assert [(each["month"], each["state"]) for each in own["months"]] == [
        ("2025-04", "missing"),
        ("2025-03", "missing"),
        ("2025-02", "reported"),
        ("2025-01", "missing"),
    ]
    assert (own["name"], own["area"], own["area_name"], own["reports_from"], own["reports_until"]) == (
        "学府废品站",
        "xuefu-1",
        "一社区",
        "2025-01",
        "2025-04",
    )
    response = await report(station, "2025-05", paper=1)
    assert (await problem(response))[:2] == (409, "month_not_due")
    assert "2025-04" in (await response.json())["detail"]
    # What it still owes it may report.
    assert await reported(station, "2025-04", paper=1) == {"paper": ("new", 1)}


async def test_a_station_is_not_closed_before_what_it_has_reported(station: Caller, engine: AsyncEngine) -> None:
    await reported(station, "2025-06", paper=1)
    async with transaction(engine) as connection:
        with pytest.raises(ValidationFailed, match="has reported up to 2025-06"):
            await close_station(connection, "NK-S-01", "2025-05")
        await close_station(connection, "NK-S-01", "2025-06")


async def test_a_withdrawn_report_is_missing(station: Caller, operator: Caller) -> None:
    await reported(station, "2025-01", paper=5)
    document = an_input(
        area="xuefu-1",
        period="2025-01",
        kind="scrap_station_recyclables",
        source="NK-S-01",
        material="paper",
        withdraw=True,
    )
    del document["grams"]
    assert (await operator.post(document)).status == 201
    own = await (await station.get(f"{STATIONS}/me")).json()
    assert own["months"][-1] == {"month": "2025-01", "state": "missing"}
    assert await counting(station, "2025-01") == {}


async def test_what_somebody_recorded_elsewhere_in_its_name_is_no_report_of_it(
    station: Caller, operator: Caller
) -> None:
    document = an_input(
        area="gulou-1", period="2025-01", kind="scrap_station_recyclables", source="NK-S-01", material="paper"
    )
    assert (await operator.post(document)).status == 201
    own = await (await station.get(f"{STATIONS}/me")).json()
    assert own["months"][-1] == {"month": "2025-01", "state": "missing"}
    assert await counting(station, "2025-01") == {}


async def test_operators_see_all_stations(station: Caller, operator: Caller, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        for number in (3, 2):
            await add_station(connection, a_station(id=f"NK-S-0{number}", area="gulou"))
    await reported(station, "2025-03", paper=1)
    page = await (await operator.get(STATIONS, limit="2")).json()
    assert [each["id"] for each in page["stations"]] == ["NK-S-01", "NK-S-02"]
    states = [{month["month"]: month["state"] for month in each["months"]}["2025-03"] for each in page["stations"]]
    assert states == ["reported", "missing"]
    rest = await (await operator.get(STATIONS, cursor=page["next_cursor"])).json()
    assert ([each["id"] for each in rest["stations"]], rest["next_cursor"]) == (["NK-S-03"], None)


async def test_a_stations_key_is_good_for_the_station_alone(station: Caller, operator: Caller) -> None:
    """And nobody else's key for it."""
    for path in (STATIONS, INPUTS, "/v1/bins", "/v1/merchants/me/statements", "/v1/redemptions"):
        response = await station.get(path)
        assert (await problem(response))[:2] == (403, "forbidden"), path
    assert "scrap station's key; a merchant's" in (await (await station.get("/v1/redemptions")).json())["detail"]
    assert (await station.post(an_input())).status == 403
    assert (await station.get("/v1/me")).status == 401
    response = await operator.get(f"{STATIONS}/me")
    assert (await problem(response))[:2] == (403, "forbidden")
    assert "This is an operator's key; a scrap station's is needed." in await response.text()
    assert (await report(operator, "2025-03", paper=1)).status == 403
    assert (await station.client.get(f"{STATIONS}/me")).status == 401


async def test_a_revoked_key_reports_nothing(station: Caller, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            sa.update(api_key).where(api_key.c.station_id == "NK-S-01").values(revoked_at=sa.func.now())
        )
    assert (await report(station, "2025-03", paper=1)).status == 401


async def test_a_station_sees_its_own_weights_only(station: Caller, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(material).values(id="glass", name="玻璃", name_en="glass"))
        await add_station(connection, a_station(id="NK-S-02"))
        token = await create_api_key(connection, role="station", name="李老板", station_id="NK-S-02")
    neighbour = Caller(station.client, token)
    await reported(station, "2025-03", paper=1)
    # Two stations of one area add up.
    await reported(neighbour, "2025-03", paper=2, glass=3)
    assert await counting(station, "2025-03") == {"paper": 1}
    assert await counting(neighbour, "2025-03") == {"paper": 2, "glass": 3}


@pytest.mark.parametrize(
    ("month", "is_due"),
    [("2025-12", False), ("2026-01", True), ("2026-02", True), ("2026-03", False), ("2026-04", False)],
)
def test_a_month_is_due_from_the_day_after_it_on(month: str, is_due: bool) -> None:
    duty = Duty(date(2026, 1, 1), None)
    assert (duty.refusal(Period.parse(month), WHEN) is None) == is_due
    assert [str(each) for each in duty.months(WHEN)] == ["2026-02", "2026-01"]
    assert [str(each) for each in duty.months(date(2026, 4, 1))] == ["2026-03", "2026-02", "2026-01"]
    assert [str(each) for each in Duty(date(2026, 1, 1), date(2026, 1, 31)).months(WHEN)] == ["2026-01"]
