"""What operators see of bins: states, filters, pages, alarms and histories."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.bin_states import Alarms, BinDetail, BinStates, TelemetryHistory
from schemas.common import Answer
from schemas.signatures import Algorithm, SigningKey
from service.api_keys import create_api_key
from service.db import transaction
from service.fleet.bins import Scale, add_bin
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_, bin_status
from service.tables.weighing import bin_memory
from service.weighing.places import add_area, add_site
from tests.fleet.telling import Client, telemetry, tell
from tests.world import World, add_shop, weigh_event
from tests.world import post as weigh


class Office:
    """An operator who asks; every answer has exactly the form of its model."""

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    async def status(self, path: str) -> tuple[int, str | None]:
        """Of an answer, and the code of its problem."""
        response = await self._client.get(path, headers=self._headers)
        return response.status, (await response.json()).get("code")

    async def get(self, path: str, model: type[Answer]) -> dict[str, Any]:
        response = await self._client.get(path, headers=self._headers)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        assert set(answer) == set(model.model_fields)
        model.model_validate_json(await response.read())
        return answer

    async def ids(self, query: str = "") -> list[str]:
        """Of the bins that are listed."""
        return [each["id"] for each in (await self.get(f"/v1/bins?{query}", BinStates))["bins"]]

    async def pages(self, path: str, model: type[Answer], name: str) -> list[list[Any]]:
        """All pages, following their cursors."""
        pages, cursor = [], ""
        while True:
            page = await self.get(f"{path}{cursor}", model)
            pages.append(page[name])
            if page["next_cursor"] is None:
                return pages
            cursor = f"&cursor={page['next_cursor']}"


@pytest.fixture
async def office(client: Client, engine: AsyncEngine) -> Office:
    async with transaction(engine) as connection:
        return Office(client, await create_api_key(connection, role="viewer", name="screen"))


@pytest.fixture
async def far_bin(world: World, engine: AsyncEngine, settings: Settings) -> SigningKey:
    """A third bin, XQ-0001 of model B, in another subdistrict; it is registered and not in the field."""
    async with transaction(engine) as connection:
        await add_area(connection, area_id="wd", parent_id="nankai", kind="subdistrict", name="王顶堤", name_en="Wang")
        await add_area(connection, area_id="wd-1", parent_id="wd", kind="community", name="一", name_en="One")
        await add_site(connection, site_id="site-9", area_id="wd-1", kind="scenic", name="二号点", name_en="Site 2")
        key = await add_bin(
            connection,
            Keyring.of(settings),
            bin_id="XQ-0001",
            site_id="site-9",
            algorithm=Algorithm.HMAC_SHA256,
            scale=Scale(),
        )
        await connection.execute(sa.update(bin_).where(bin_.c.id == "XQ-0001").values(state="registered", model="B"))
    return key


async def age(engine: AsyncEngine, table: sa.Table, bin_id: str, minutes: float) -> None:
    """As if it had been heard so long ago."""
    heard_at = datetime.now(UTC) - timedelta(minutes=minutes)
    async with transaction(engine) as connection:
        await connection.execute(sa.update(table).where(table.c.bin_id == bin_id).values(heard_at=heard_at))


async def test_a_bin_that_was_never_heard_is_offline_and_nothing_is_known_of_it(world: World, office: Office) -> None:
    [state, _] = (await office.get("/v1/bins", BinStates))["bins"]
    assert (state["id"], state["site_id"], state["area_id"], state["state"]) == (
        "NK-0001",
        "site-1",
        "xuefu-1",
        "active",
    )
    assert (state["offline"], state["wants_emptying"], state["alarms"], state["gaps_open"]) == (True, False, [], 0)
    for name in ("heard_at", "told_at", "boxes", "fill_percent", "mass_grams", "smoke", "door", "firmware"):
        assert state[name] is None, name


async def test_a_bin_is_seen_as_it_told(world: World, client: Client, office: Office) -> None:
    data = {
        "firmware": "2.4.1",
        "boxes": [
            {"material": "paper", "fill_percent": 85, "mass_grams": 20_310},
            {"material": "metal", "mass_grams": 90},
        ],
        "temperature_celsius": 61.3,
        "smoke": True,
        "door": "open",
        "scale_zero_grams": -2,
        "battery_percent": 91,
    }
    await tell(client, world.hmac, telemetry("NK-0002", data))
    state = await office.get("/v1/bins/NK-0002", BinDetail)
    assert {name: state[name] for name in data if name != "boxes"} == {
        name: value for name, value in data.items() if name != "boxes"
    }
    assert state["boxes"] == data["boxes"]
    assert (state["offline"], state["wants_emptying"], state["alarms"]) == (False, True, ["heat", "smoke"])
    assert (state["fill_percent"], state["mass_grams"]) == (85, 20_400)
    assert state["clock_skew_seconds"] in range(30)
    assert [(alarm["kind"], alarm["measured"]) for alarm in state["open_alarms"]] == [("heat", 61.3), ("smoke", None)]


async def test_a_bin_not_heard_of_for_15_minutes_is_offline(
    world: World, client: Client, engine: AsyncEngine, office: Office
) -> None:
    await tell(client, world.ed25519, telemetry("NK-0001"))
    await tell(client, world.hmac, telemetry("NK-0002"))
    assert await office.ids("offline=true") == []
    await age(engine, bin_status, "NK-0001", 15.1)
    await age(engine, bin_status, "NK-0002", 14.9)
    assert (await office.ids("offline=true"), await office.ids("offline=false")) == (["NK-0001"], ["NK-0002"])
    assert (await weigh(client, world.ed25519, weigh_event("NK-0001"))).status == 200
    assert await office.ids("offline=true") == []
    await age(engine, bin_memory, "NK-0001", 15.1)
    assert await office.ids("offline=true") == ["NK-0001"]


FILTERED = {
    "": ["NK-0001", "NK-0002", "XQ-0001"],
    "state=active": ["NK-0001", "NK-0002"],
    "state=registered": ["XQ-0001"],
    "state=retired": [],
    "offline=true": ["NK-0001"],
    "offline=false": ["NK-0002", "XQ-0001"],
    "wants_emptying=true": ["NK-0002"],
    "wants_emptying=false": ["NK-0001", "XQ-0001"],
    "alarm=any": ["NK-0002"],
    "alarm=smoke": ["NK-0002"],
    "alarm=heat": [],
    "site=site-9": ["XQ-0001"],
    "site=nowhere": [],
    "area=nankai": ["NK-0001", "NK-0002", "XQ-0001"],
    "area=xuefu": ["NK-0001", "NK-0002"],
    "area=wd-1&state=registered": ["XQ-0001"],
    "area=wd&state=active": [],
    "model=B": ["XQ-0001"],
}


async def test_filters_hold_together(world: World, far_bin: SigningKey, client: Client, office: Office) -> None:
    boxes = [{"material": "paper", "fill_percent": 80}]
    await tell(client, world.hmac, telemetry("NK-0002", {"smoke": True, "boxes": boxes}))
    assert {query: await office.ids(query) for query in FILTERED} == FILTERED


async def test_what_no_filter_can_be_is_refused(world: World, office: Office) -> None:
    for query in (
        *("state=broken", "offline=perhaps", "alarm=flood", "limit=0", "limit=1001", "cursor=NK-0001", "colour=green"),
        *("site=%00", "offline=true&offline=true"),
    ):
        assert await office.status(f"/v1/bins?{query}") == (422, "validation_failed"), query


async def test_pages_go_on_where_they_stopped_whatever_changed_meanwhile(
    world: World, far_bin: SigningKey, client: Client, engine: AsyncEngine, office: Office
) -> None:
    first = await office.get("/v1/bins?limit=2", BinStates)
    await tell(client, world.ed25519, telemetry("NK-0001", {"smoke": True}))
    async with transaction(engine) as connection:
        await connection.execute(sa.update(bin_).where(bin_.c.id == "NK-0002").values(state="suspended"))
    second = await office.get(f"/v1/bins?limit=2&cursor={first['next_cursor']}", BinStates)
    assert [[each["id"] for each in page["bins"]] for page in (first, second)] == [["NK-0001", "NK-0002"], ["XQ-0001"]]
    assert second["next_cursor"] is None
    assert [len(page) for page in await office.pages("/v1/bins?limit=1", BinStates, "bins")] == [1, 1, 1]


async def test_the_history_of_a_bin_is_told_newest_first_page_by_page(
    world: World, client: Client, office: Office
) -> None:
    now = datetime.now(UTC)
    times = [(now - timedelta(hours=hours, microseconds=hours)).isoformat() for hours in range(5)]
    events = [telemetry("NK-0001", {"battery_percent": 90 - n}, time=time) for n, time in enumerate(times)]
    await tell(client, world.ed25519, events)
    pages = await office.pages("/v1/bins/NK-0001/telemetry?limit=2", TelemetryHistory, "telemetry")
    assert [[row["battery_percent"] for row in page] for page in pages] == [[90, 89], [88, 87], [86]]
    assert await office.pages("/v1/bins/NK-0002/telemetry?", TelemetryHistory, "telemetry") == [[]]


async def test_alarms_are_told_newest_first_by_whether_they_are_open(
    world: World, client: Client, office: Office
) -> None:
    for data in ({"smoke": True}, {"smoke": False}, {"temperature_celsius": 90.0}, {"smoke": True}):
        await tell(client, world.ed25519, telemetry("NK-0001", data))
    await tell(client, world.hmac, telemetry("NK-0002", {"battery_percent": 3}))

    async def kinds(query: str) -> list[str]:
        pages = await office.pages(f"/v1/alarms?limit=2&{query}", Alarms, "alarms")
        assert all(len(page) <= 2 for page in pages)
        return [alarm["kind"] for page in pages for alarm in page]

    assert await kinds("") == ["battery", "smoke", "heat", "smoke"]
    assert await kinds("open=true") == ["battery", "smoke", "heat"]
    assert await kinds("open=false") == ["smoke"]
    assert await kinds("bin=NK-0001&open=true&kind=heat") == ["heat"]
    assert (await kinds("area=nankai&kind=battery"), await kinds("area=wd")) == (["battery"], [])


async def test_only_operators_see_bins_and_only_those_there_are(
    world: World, client: Client, engine: AsyncEngine, office: Office
) -> None:
    till = Office(client, await add_shop(engine))
    for path in ("/v1/bins", "/v1/bins/NK-0001", "/v1/bins/NK-0001/telemetry", "/v1/alarms"):
        assert await till.status(path) == (403, "forbidden")
        assert (await client.get(path)).status == 401
    for bin_id in ("NK-9999", "%00", "%E7%AE%B1"):
        assert await office.status(f"/v1/bins/{bin_id}") == (404, "bin_unknown")
        assert await office.status(f"/v1/bins/{bin_id}/telemetry") == (404, "bin_unknown")
