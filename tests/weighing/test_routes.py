from typing import Any

from aiohttp.test_utils import TestClient

from tests.world import World, post, weigh_event

Client = TestClient[Any, Any]


async def test_an_event_of_a_known_card_is_credited(world: World, client: Client) -> None:
    event = weigh_event("NK-0001")
    response = await post(client, world.ed25519, event)
    assert response.status == 200, await response.text()
    assert await response.json() == {
        "outcomes": [{"id": event["id"], "outcome": "credited", "coins": 125, "balance_coins": 125}]
    }


async def test_a_retry_of_the_same_bytes_is_a_duplicate(world: World, client: Client) -> None:
    event = weigh_event("NK-0002")
    await post(client, world.hmac, event)
    again = await post(client, world.hmac, event)
    assert await again.json() == {
        "outcomes": [{"id": event["id"], "outcome": "duplicate", "coins": 125, "balance_coins": 125}]
    }
