"""What merchants and residents see of offers, over HTTP."""

from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.examples import EXAMPLES
from service.db import transaction
from service.tables.people import merchant
from service.weighing.places import Position, place_site
from tests.redemption.calls import Caller, code_of
from tests.world import World, add_shop

Client = TestClient[Any, Any]

CATALOGUE = "/v1/merchants/me/offers"
SOAP = {**EXAMPLES["NewOffer"], "id": "soap", "machine_kind": None, "stock": 5}


async def patch(shop: Caller, offer_id: str, changes: dict[str, Any], *, key: str) -> Any:
    headers = {"Authorization": f"Bearer {shop.token}", "Idempotency-Key": key}
    return await shop.client.patch(f"{CATALOGUE}/{offer_id}", json=changes, headers=headers)


async def test_a_merchants_offer_is_found_by_residents_nearby_until_it_is_withdrawn(
    world: World, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    async with transaction(engine) as connection:
        await place_site(connection, "site-1", Position(39.104, 117.1618))
        await connection.execute(sa.update(merchant).values(site_id="site-1"))
    made = await shop.post(CATALOGUE, SOAP)
    assert made.status == 201, await made.text()
    (own,) = (await (await shop.get(CATALOGUE)).json())["offers"]
    assert own == await made.json()
    near = "/v1/offers?latitude=39.1&longitude=117.162&radius_m=1000"
    found = await resident.get(near)
    assert found.status == 200, await found.text()
    assert found.headers["Cache-Control"] == "no-store"
    (offer,) = (await found.json())["offers"]
    assert (offer["id"], offer["coins"], offer["stock_left"], offer["site_count"]) == ("soap", 50, 5, 1)
    assert offer["sites"] == [
        {
            "id": "site-1",
            "name": "一号点",
            "name_en": "Site 1",
            "latitude": 39.104,
            "longitude": 117.1618,
            "distance_m": 445,
        }
    ]
    withdrawn = await patch(shop, "soap", {"valid_until": "2001-01-01T00:00:00Z"}, key="1")
    assert withdrawn.status == 200, await withdrawn.text()
    assert (await (await resident.get(near)).json())["offers"] == []


async def test_pieces_are_put_in_stock_once_however_often_the_request_is_sent(resident: Caller, shop: Caller) -> None:
    await shop.post(CATALOGUE, SOAP)
    first, again = [await patch(shop, "soap", {"add_stock": 10}, key="1") for _ in range(2)]
    assert (await first.json())["stock_left"] == 15
    assert await again.read() == await first.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    refused = await patch(shop, "soap", {"add_stock": -16}, key="2")
    assert (refused.status, await code_of(refused)) == (409, "stock_too_small")
    (own,) = (await (await shop.get(CATALOGUE)).json())["offers"]
    assert own["stock_left"] == 15


async def test_another_merchant_cannot_take_the_id_nor_see_nor_change_the_offer(
    client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await shop.post(CATALOGUE, SOAP)
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    taken = await other.post(CATALOGUE, SOAP)
    assert (taken.status, await code_of(taken)) == (409, "offer_exists")
    assert "NK-M-01" not in await taken.text()
    unknown = [await patch(other, offer_id, {"coins": 1}, key=offer_id) for offer_id in ("soap", "none")]
    assert [each.status for each in unknown] == [404, 404]
    assert await unknown[0].read() == await unknown[1].read()
    assert (await (await other.get(CATALOGUE)).json())["offers"] == []


async def test_where_a_resident_is_is_not_taken_more_exactly_than_a_hundred_metres(
    resident: Caller, shop: Caller
) -> None:
    refused = await resident.get("/v1/offers?latitude=39.10412&longitude=117.162")
    assert refused.status == 422
    problem = await refused.json()
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [("/latitude", "too_precise")]
    assert "100 m" in problem["errors"][0]["detail"]
    assert "39.10412" not in await refused.text()


@pytest.mark.parametrize("offer_id", ["a%00b", "%20", "a%2Fb", "店"])
async def test_what_is_no_id_of_an_offer_is_not_found(shop: Caller, resident: Caller, offer_id: str) -> None:
    answer = await patch(shop, offer_id, {"coins": 1}, key="1")
    assert (answer.status, await code_of(answer)) == (404, "offer_unknown")


async def test_each_path_is_for_its_own_callers(resident: Caller, shop: Caller) -> None:
    assert (await shop.get("/v1/offers")).status == 401
    assert (await resident.get(CATALOGUE)).status == 401
    assert (await resident.post(CATALOGUE, SOAP)).status == 401
