"""What events would earn, asked over HTTP: as they would be decided, and nothing kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.app import build_app
from service.db import transaction
from service.settings import Settings
from service.tables.bins import bin_
from service.tables.columns import metadata
from service.tables.reference import plausibility_rule
from tests.world import EPOCH, World, post, weigh_event

Client = TestClient[Any, Any]
PRICE = "/v1/weigh-events:price"


@pytest.fixture
async def ruled(world: World, engine: AsyncEngine, settings: Settings) -> Any:
    """A service with a few rules."""
    async with transaction(engine) as connection:
        for code, action, parameters in (
            ("below_smallest_load", "reject", {"intervals_min": 20}),
            ("heavy_drop", "hold", {"grams_max": 15_000}),
            ("day_drops", "hold", {"resident": 2, "trader": 2}),
            ("box_mass_short", "credit", {"tolerance_grams": 0}),
        ):
            await connection.execute(
                sa.insert(plausibility_rule).values(
                    code=code, effective_from=EPOCH, action=action, parameters=parameters
                )
            )
    async with TestClient(TestServer(build_app(settings))) as client:
        yield client


async def counts(engine: AsyncEngine) -> dict[str, Any]:
    """Every row of what a drop could touch."""
    names = ("weigh_event", "transfer", "wallet", "resident_day", "bin_memory", "held_event", "sequence_gap")
    async with engine.connect() as connection:
        return {
            name: (await connection.execute(sa.select(metadata.tables[name]).order_by(sa.literal_column("1")))).all()
            for name in names
        }


def batch() -> list[dict[str, Any]]:
    start = datetime.now(UTC) - timedelta(minutes=9)
    drops: list[dict[str, Any]] = [
        {"id": "light", "weight_grams": 190},
        {"id": "first", "box_weight_grams": 10_000},
        {"id": "leaning", "weight_grams": 2000, "box_weight_grams": 10_500},
        {"id": "third", "weight_grams": 1000, "box_weight_grams": 11_500},
        {"id": "anonymous", "credential": None},
        {"id": "heavy", "weight_grams": 16_000, "credential": None},
        {"id": "gold", "material": "gold"},
    ]
    return [
        weigh_event("NK-0002", time=(start + timedelta(seconds=number)).isoformat(), **changes)
        for number, changes in enumerate(drops)
    ]


async def test_the_price_is_what_posting_then_comes_to_and_asking_changes_nothing(
    world: World, ruled: Client, engine: AsyncEngine
) -> None:
    events = batch()
    before = await counts(engine)
    response = await post(ruled, world.hmac, events, path=PRICE)
    assert response.status == 200, await response.text()
    priced = (await response.json())["priced"]
    assert await counts(engine) == before
    posted = (await (await post(ruled, world.hmac, events)).json())["outcomes"]
    assert [(each["id"], each["outcome"], each["code"]) for each in priced] == [
        (each["id"], each["outcome"], each.get("code")) for each in posted
    ]
    assert [(each["id"], each["outcome"], each["coins"]) for each in priced] == [
        ("light", "rejected", 0),
        ("first", "credited", 125),
        ("leaning", "credited", 200),
        ("third", "held", 100),
        ("anonymous", "unclaimed", 125),
        ("heavy", "held", 1600),
        ("gold", "rejected", 0),
    ]
    # What is noted and what decides are both told, each in both languages and with its figures.
    [noted] = priced[2]["findings"]
    assert (noted["code"], noted["action"], noted["figures"]["difference_grams"]) == ("box_mass_short", "credit", 1500)
    [decided] = priced[3]["findings"]
    assert (decided["code"], decided["action"]) == ("day_drops", "hold")
    assert decided["sentence"] != decided["sentence_en"]
    # What the account brought elsewhere is not the bin's to know.
    assert decided["figures"] == {}
    # Those that are there by now are told as they would be.
    again = (await (await post(ruled, world.hmac, events, path=PRICE)).json())["priced"]
    assert [(each["outcome"], each["findings"]) for each in again[:2]] == [("rejected", []), ("duplicate", [])]


async def test_a_bin_asks_about_its_own_and_an_operator_about_any(
    world: World, ruled: Client, engine: AsyncEngine
) -> None:
    response = await post(ruled, world.ed25519, weigh_event("NK-0002"), path=PRICE)
    assert (response.status, (await response.json())["code"]) == (403, "source_mismatch")
    async with transaction(engine) as connection:
        viewer = await create_api_key(connection, role="viewer", name="viewer")
    both = [weigh_event("NK-0001"), weigh_event("NK-0002", weight_grams=16_000, credential=None)]
    headers = {"Authorization": f"Bearer {viewer}"}
    response = await ruled.post(PRICE, json=both, headers=headers)
    assert [each["outcome"] for each in (await response.json())["priced"]] == ["credited", "held"]
    response = await ruled.post(PRICE, json=both, headers={"Authorization": "Bearer nobody"})
    assert (response.status, (await response.json())["code"]) == (401, "token_invalid")
    response = await ruled.post(PRICE, json={**both[0], "id": ""}, headers=headers)
    [priced] = (await response.json())["priced"]
    assert (priced["outcome"], priced["code"], priced["errors"][0]["pointer"]) == ("rejected", "invalid_event", "/id")


async def test_of_a_bin_that_is_not_active_nothing_is_told(
    world: World, ruled: Client, admin_engine: AsyncEngine
) -> None:
    async with transaction(admin_engine) as connection:
        viewer = await create_api_key(connection, role="viewer", name="viewer")
        await connection.execute(sa.update(bin_).values(state="suspended"))
    response = await ruled.post(PRICE, json=weigh_event("NK-0001"), headers={"Authorization": f"Bearer {viewer}"})
    assert (response.status, (await response.json())["code"]) == (403, "bin_suspended")
