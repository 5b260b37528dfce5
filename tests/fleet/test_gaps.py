"""Which events are missing, as operators see it."""

from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.db import transaction
from service.tables import sequence_gap
from tests.world import World, post, weigh_event

Client = TestClient[Any, Any]


async def listed(client: Client, key: str, **query: str) -> dict[str, Any]:
    response = await client.get("/v1/gaps", params=query, headers={"Authorization": f"Bearer {key}"})
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
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(sequence_gap))).scalar_one() == 2
