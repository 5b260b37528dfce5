"""Webhooks as a merchant's engineer and an operator meet them, over HTTP."""

import uuid
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from service.api_keys import Role, create_api_key
from service.db import transaction
from service.settings import Settings
from tests.blocking import wait_until
from tests.redemption.calls import Caller, code_of
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import MERCHANT, World
from tests.world import add_shop

WEBHOOKS = "/v1/merchants/me/webhooks"
MESSAGES = "/v1/merchants/me/webhook-messages"
# Nobody listens there.
URL = "http://127.0.0.1:9/tanbi"


@pytest.fixture
async def shop(engine: AsyncEngine, client: TestClient[Any, Any]) -> Caller:
    return Caller(client, await add_shop(engine))


@pytest.fixture
def world(engine: AsyncEngine, settings: Settings, shop: Caller) -> World:
    return World(engine, settings)


async def operator(engine: AsyncEngine, client: TestClient[Any, Any], role: Role) -> Caller:
    async with transaction(engine) as connection:
        return Caller(client, await create_api_key(connection, role=role, name=role))


async def register(caller: Caller, url: str = URL) -> dict[str, Any]:
    response = await caller.post(WEBHOOKS, {"url": url})
    assert response.status == 201, await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    answer: dict[str, Any] = await response.json()
    return answer


async def listed(caller: Caller) -> list[dict[str, Any]]:
    answer: dict[str, Any] = await (await caller.get(WEBHOOKS)).json()
    webhooks: list[dict[str, Any]] = answer["webhooks"]
    return webhooks


async def disable(caller: Caller, webhook_id: str) -> int:
    response = await caller.client.delete(
        f"{WEBHOOKS}/{webhook_id}", headers={"Authorization": f"Bearer {caller.token}"}
    )
    return response.status


async def test_a_merchant_registers_and_is_told_by_messages_it_can_verify(
    world: World, shop: Caller, receiver: Receiver
) -> None:
    registered = await register(shop, receiver.base_url + "/tanbi")
    await world.write()
    # By the worker of the service itself.
    await receiver.has(lambda received: len(received) == 1)
    [received] = receiver.received
    assert Webhook(registered["secret"]).verify(received.body, received.headers)["type"] == "redemption.captured"

    async def delivered() -> Any:
        [message] = (await (await shop.get(MESSAGES)).json())["messages"]
        return message if message["deliveries"][0]["state"] == "delivered" else None

    message = await wait_until(delivered)
    assert message["id"] == received.id
    [delivery] = message["deliveries"]
    assert (delivery["webhook_id"], delivery["url"]) == (registered["id"], registered["url"])
    assert [attempt["status"] for attempt in delivery["attempts"]] == [200]


async def test_a_secret_is_shown_once_and_the_same_url_again_gets_another(shop: Caller) -> None:
    first = await register(shop)
    second = await register(shop)
    assert second["id"] == first["id"]
    assert second["secret"] != first["secret"]
    [webhook] = await listed(shop)
    assert webhook == {
        "id": first["id"],
        "url": URL,
        "created_at": first["created_at"],
        "disabled_at": None,
        "disabled_because": None,
    }


async def test_a_disabled_endpoint_stays_in_the_list_and_its_url_may_be_registered_again(shop: Caller) -> None:
    first = await register(shop)
    # A repetition is no mistake.
    assert [await disable(shop, first["id"]) for _ in range(2)] == [204, 204]
    second = await register(shop)
    assert second["id"] != first["id"]
    assert [(each["id"], each["disabled_because"]) for each in await listed(shop)] == [
        (first["id"], "by its merchant"),
        (second["id"], None),
    ]


async def test_a_merchant_has_so_many_endpoints_and_no_more(shop: Caller, settings: Settings) -> None:
    most = settings.webhook_endpoints_max
    webhooks = [await register(shop, f"{URL}/{number}") for number in range(most)]
    refused = await shop.post(WEBHOOKS, {"url": URL})
    assert (refused.status, await code_of(refused)) == (409, "webhook_limit_reached")
    # One that is there already is no more.
    await register(shop, webhooks[0]["url"])
    await disable(shop, webhooks[0]["id"])
    await register(shop)


async def test_another_merchants_endpoint_and_what_is_none_are_404(
    shop: Caller, engine: AsyncEngine, client: TestClient[Any, Any], world: World
) -> None:
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    registered = await register(shop)
    await world.write()
    for webhook_id in (registered["id"], str(uuid.uuid4()), "none", f"{{{registered['id']}}}"):
        assert await disable(other, webhook_id) == 404
    assert await listed(other) == []
    assert (await (await other.get(MESSAGES)).json())["messages"] == []
    assert (await listed(shop))[0]["disabled_at"] is None


async def test_a_malformed_registration_is_422(shop: Caller) -> None:
    for document in ({}, {"url": 1}, {"url": ""}, {"url": "x" * 501}, {"url": URL, "more": 1}, {"url": "shop"}):
        response = await shop.post(WEBHOOKS, document)
        assert (response.status, await code_of(response)) == (422, "validation_failed"), document
    assert await listed(shop) == []


async def test_messages_come_newest_first_in_pages(shop: Caller, world: World) -> None:
    await register(shop)
    await world.write(5)
    newest_first = [str(each) for each in reversed(await world.messages())]
    found, path = [], f"{MESSAGES}?limit=2"
    for _ in range(3):
        page = await (await shop.get(path)).json()
        found += [message["id"] for message in page["messages"]]
        path = f"{MESSAGES}?limit=2&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert found == newest_first
    for wrong in ("limit=0", "limit=101", "cursor=x", "state=failed"):
        assert (await shop.get(f"{MESSAGES}?{wrong}")).status == 422


async def test_an_operator_replays_a_message_once_for_one_key(
    shop: Caller, world: World, receiver: Receiver, engine: AsyncEngine, client: TestClient[Any, Any]
) -> None:
    registered = await register(shop, receiver.base_url)
    await world.write()
    await receiver.has(lambda received: len(received) == 1)
    [message_id] = await world.messages()
    path = f"/v1/webhook-messages/{message_id}/replay"
    replaying = await operator(engine, client, "operator")
    for _ in range(2):
        response = await replaying.post(path, {}, key="once")
        assert response.status == 200, await response.text()
        assert await response.json() == {"message_id": str(message_id), "webhook_ids": [registered["id"]]}
    await receiver.has(lambda received: len(received) == 2)
    assert {received.id for received in receiver.received} == {str(message_id)}


async def test_who_may_do_what(shop: Caller, engine: AsyncEngine, client: TestClient[Any, Any], world: World) -> None:
    await register(shop)
    await world.write()
    path = f"/v1/webhook-messages/{(await world.messages())[0]}/replay"
    admin = await operator(engine, client, "admin")
    auditor = await operator(engine, client, "auditor")
    assert (await auditor.post(path, {})).status == 403
    assert (await shop.post(path, {})).status == 403
    assert (await admin.get(WEBHOOKS)).status == 403
    assert (await admin.post(WEBHOOKS, {"url": URL})).status == 403
    assert (await Caller(client, "nobody").post(WEBHOOKS, {"url": URL})).status == 401
    for unknown in (uuid.uuid4(), MERCHANT):
        refused = await admin.post(f"/v1/webhook-messages/{unknown}/replay", {})
        assert (refused.status, await code_of(refused)) == (404, "webhook_unknown")
