"""Which events are missing, as operators see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.db import transaction
from service.plausibility.sequences import OPEN_GAPS_MAX
from service.tables.weighing import sequence_gap
from tests.weighing.emptying import TellingBin
from tests.world import World, post, weigh_event

Client = TestClient[Any, Any]


async def listed(client: Client, key: str, path: str = "/v1/gaps", **query: str) -> dict[str, Any]:
    response = await client.get(path, params=query, headers={"Authorization": f"Bearer {key}"})
    assert response.status == 200, await response.text()
    found: dict[str, Any] = await response.json()
    return found


async def test_what_is_missing_is_listed_since_when_until_it_comes(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        viewer = await create_api_key(connection, role="viewer", name="viewer")
    late = weigh_event("NK-0002", sequence=12)
    for sequence in (10, 14):
        await post(client, world.hmac, weigh_event("NK-0002", sequence=sequence))
    [gap] = (await listed(client, viewer, open="true"))["gaps"]
    assert (gap["bin_id"], gap["site_id"], gap["epoch"]) == ("NK-0002", "site-1", 0)
    assert (gap["first_sequence"], gap["last_sequence"], gap["missing"]) == (11, 13, 3)
    assert gap["missing_since"] is not None
    await post(client, world.hmac, late)
    page = await listed(client, viewer, bin="NK-0002", open="true", limit="1")
    rest = await listed(client, viewer, bin="NK-0002", open="true", limit="1", cursor=page["next_cursor"])
    both = [*page["gaps"], *rest["gaps"]]
    assert sorted((each["first_sequence"], each["last_sequence"]) for each in both) == [(11, 11), (13, 13)]
    assert rest["next_cursor"] is None
    assert (await listed(client, viewer, bin="NK-0001"))["gaps"] == []
    assert (await listed(client, viewer, open="false"))["gaps"] == []
    # Of the upper part, and then of all.
    await post(client, world.hmac, weigh_event("NK-0002", sequence=13))
    [of_bin] = (await listed(client, viewer, "/v1/bins/NK-0002/gaps", open="false"))["gaps"]
    assert (of_bin["id"], of_bin["missing"], of_bin["given_up"]) == (gap["id"], 0, False)
    assert of_bin["closed_at"] > of_bin["missing_since"]
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(sequence_gap))).scalar_one() == 2


async def test_what_was_given_up_is_listed_as_that_and_a_bin_that_there_is_not_is_no_empty_list(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        viewer = await create_api_key(connection, role="viewer", name="viewer")
    telling = TellingBin(client, world.ed25519, datetime.now(UTC) - timedelta(days=1))
    await telling.tell(*(telling.drop(sequence) for sequence in range(1, 2 * OPEN_GAPS_MAX + 6, 2)))
    over = (await listed(client, viewer, "/v1/bins/NK-0001/gaps", open="false"))["gaps"]
    assert [(gap["first_sequence"], gap["missing"], gap["given_up"]) for gap in over] == [(4, 1, True), (2, 1, True)]
    bins = await (await client.get("/v1/bins", headers={"Authorization": f"Bearer {viewer}"})).json()
    assert {each["id"]: each["gaps_open"] for each in bins["bins"]} == {"NK-0001": OPEN_GAPS_MAX, "NK-0002": 0}
    for path in ("/v1/gaps?bin=NK-9999", "/v1/bins/NK-9999/gaps", "/v1/bins/%00/gaps"):
        response = await client.get(path, headers={"Authorization": f"Bearer {viewer}"})
        assert (response.status, (await response.json())["code"]) == (404, "bin_unknown")
