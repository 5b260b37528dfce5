"""Posting weigh events over HTTP: what bins are answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT
from service.app import build_app
from service.db import transaction
from service.settings import Settings
from service.tables.ledger import transfer, wallet
from service.tables.weighing import weigh_event as stored_event
from service.tables.weighing import weigh_event_conflict
from tests.world import COINS_PER_KG, World, post, weigh_event

Client = TestClient[Any, Any]


async def outcomes(response: Any) -> list[dict[str, Any]]:
    assert response.status == 200, await response.text()
    assert response.headers["Content-Type"] == "application/json"
    answer = await response.json()
    assert set(answer) == {"outcomes"}
    return list(answer["outcomes"])


async def stored(engine: AsyncEngine) -> list[str]:
    """The ids of all events that are stored."""
    async with engine.connect() as connection:
        return list((await connection.execute(sa.select(stored_event.c.event_id).order_by("event_id"))).scalars())


# -- outcomes -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("content_type", [CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH, "application/json"])
@pytest.mark.parametrize("parameter", ["", "; charset=utf-8"])
async def test_an_event_may_come_alone_or_in_a_batch(
    world: World, client: Client, content_type: str, parameter: str
) -> None:
    event = weigh_event("NK-0001")
    document = [event] if content_type == CONTENT_TYPE_BATCH else event
    response = await post(client, world.ed25519, document, content_type=content_type + parameter)
    assert [outcome["outcome"] for outcome in await outcomes(response)] == ["credited"]


async def test_the_same_drop_in_other_words_is_a_duplicate(world: World, client: Client) -> None:
    event = weigh_event("NK-0001")
    await post(client, world.ed25519, event)
    moved = datetime.fromisoformat(event["time"]).astimezone(None).isoformat()
    rewritten = {**dict(reversed(event.items())), "time": moved, "datacontenttype": "application/json"}
    body = json.dumps(rewritten, indent=3).encode()
    assert (await outcomes(await post(client, world.ed25519, body)))[0]["outcome"] == "duplicate"


async def test_another_content_under_the_same_id_is_a_conflict(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    event = weigh_event("NK-0001")
    await post(client, world.ed25519, event)
    heavier = {**event, "data": {**event["data"], "weight_grams": 9000}}
    [outcome] = await outcomes(await post(client, world.ed25519, heavier))
    assert (outcome["outcome"], outcome["code"], outcome["coins"]) == ("conflict", "id_reused", 0)
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(weigh_event_conflict.c.weight_grams))).scalar_one() == 9000
        assert (await connection.execute(sa.select(wallet.c.posted))).scalar_one() == 125


async def test_everything_that_can_happen_happens_in_one_batch_in_order(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    """One bad event never fails its batch."""
    first = weigh_event("NK-0001", id="first")
    batch: list[Any] = [
        first,
        weigh_event("NK-0001", id="no card", weight_grams=1),
        weigh_event("NK-0001", id="anonymous", credential=None),
        weigh_event("NK-0001", id="unknown-card", credential={"kind": "card", "value": "FFFF"}),
        first,
        {**first, "data": {**first["data"], "sequence": 2}},
        weigh_event("NK-0001", id="negative", weight_grams=-1),
        weigh_event("NK-0001", id="gold", material="gold"),
        weigh_event("NK-0001", id="elephant", weight_grams=150_001),
        weigh_event("NK-0001", id="tomorrow", time=(datetime.now(UTC) + timedelta(days=1)).isoformat()),
        weigh_event("NK-0001", id="last-century", time="1999-12-31T23:59:59+08:00"),
        None,
        weigh_event("NK-0001", id="plastic", material="plastic", weight_grams=1000, box_weight_grams=20_310),
    ]
    response = await post(client, world.ed25519, batch, content_type=CONTENT_TYPE_BATCH)
    answered = await outcomes(response)
    assert [
        (outcome["id"], outcome["outcome"], outcome.get("coins"), outcome.get("balance_coins"), outcome.get("code"))
        for outcome in answered
    ] == [
        ("first", "credited", 125, 125, None),
        ("no card", "rejected", None, None, "invalid_event"),
        ("anonymous", "unclaimed", 0, None, None),
        ("unknown-card", "unclaimed", 0, None, None),
        ("first", "duplicate", 125, 245, None),
        ("first", "conflict", 0, None, "id_reused"),
        ("negative", "rejected", None, None, "invalid_event"),
        ("gold", "rejected", None, None, "unknown_material"),
        ("elephant", "rejected", None, None, "weight_out_of_range"),
        ("tomorrow", "held", 0, None, "time_in_future"),
        ("last-century", "held", 0, None, "time_too_old"),
        (None, "rejected", None, None, "invalid_event"),
        ("plastic", "credited", 120, 245, None),
    ]
    pointers = [error["pointer"] for outcome in answered for error in outcome.get("errors", [])]
    assert pointers == ["/id", "/data/weight_grams", "/data/material", "/data/weight_grams", ""]
    kept = ["anonymous", "elephant", "first", "gold", "last-century", "plastic", "tomorrow", "unknown-card"]
    assert await stored(engine) == kept


async def test_a_batch_of_events_without_their_form_is_answered_without_the_database(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    batch = [weigh_event("NK-0001", weight_grams=0), weigh_event("NK-0001", material="")]
    answered = await outcomes(await post(client, world.ed25519, batch))
    assert [outcome["code"] for outcome in answered] == ["invalid_event", "invalid_event"]
    assert await stored(engine) == []


async def test_a_rejected_event_is_kept_and_hears_the_same_again(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    event = weigh_event("NK-0002", id="gold", material="gold")
    first = await outcomes(await post(client, world.hmac, event))
    assert await outcomes(await post(client, world.hmac, event)) == first
    assert first[0]["errors"][0]["pointer"] == "/data/material"
    assert await stored(engine) == ["gold"]


async def test_five_hundred_events_are_credited_at_once(world: World, client: Client, engine: AsyncEngine) -> None:
    batch = [weigh_event("NK-0002", id=f"{number:03}", weight_grams=10) for number in range(500)]
    answered = await outcomes(await post(client, world.hmac, batch, content_type=CONTENT_TYPE_BATCH))
    assert [outcome["balance_coins"] for outcome in answered] == list(range(1, 501))
    assert len(await stored(engine)) == 500


async def test_a_drop_before_its_materials_first_tariff_is_held(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("UPDATE tariff SET effective_from = now() - interval '1 hour'"))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    async with TestClient(TestServer(build_app(settings))) as client:
        answered = await outcomes(
            await post(client, world.hmac, [weigh_event("NK-0002", time=yesterday), weigh_event("NK-0002")])
        )
    assert [(outcome["outcome"], outcome["coins"], outcome.get("code")) for outcome in answered] == [
        ("held", 0, "no_tariff"),
        ("credited", 125, None),
    ]


@pytest.mark.parametrize(("material", "coins_per_kg"), COINS_PER_KG.items())
async def test_each_material_has_its_tariff(world: World, client: Client, material: str, coins_per_kg: int) -> None:
    event = weigh_event("NK-0002", material=material, weight_grams=1999)
    [outcome] = await outcomes(await post(client, world.hmac, event))
    assert outcome["coins"] == 1999 * coins_per_kg // 1000


async def test_what_the_database_refuses_is_rejected_and_the_rest_of_the_requests_is_not(
    world: World, client: Client, admin_engine: AsyncEngine, engine: AsyncEngine
) -> None:
    """A rule that only the database knows stands for whatever no one has thought of."""
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("ALTER TABLE weigh_event ADD CONSTRAINT unlucky CHECK (sequence <> 13)"))
    unlucky = weigh_event("NK-0002", id="unlucky", sequence=13)
    batch = [weigh_event("NK-0002", id=f"lucky-{number}") for number in range(5)]
    responses = await asyncio.gather(
        post(client, world.hmac, [*batch[:2], unlucky, *batch[2:]]),
        *(post(client, world.ed25519, weigh_event("NK-0001")) for _ in range(5)),
    )
    answered = [outcome for response in responses for outcome in await outcomes(response)]
    assert [(outcome["id"], outcome["code"]) for outcome in answered if outcome["outcome"] != "credited"] == [
        ("unlucky", "unstorable")
    ]
    assert len(await stored(engine)) == 10


# -- many at once ---------------------------------------------------------------------------------------------------


async def test_one_event_sent_many_times_at_once_is_credited_once(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    event = weigh_event("NK-0002")
    responses = await asyncio.gather(*(post(client, world.hmac, event) for _ in range(40)))
    answered = [(await outcomes(response))[0] for response in responses]
    assert sorted(outcome["outcome"] for outcome in answered) == ["credited"] + ["duplicate"] * 39
    assert {(outcome["coins"], outcome["balance_coins"]) for outcome in answered} == {(125, 125)}
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(transfer.c.coins))).scalars().all() == [125]


@pytest.fixture
async def small_queue(settings: Settings, world: World) -> AsyncIterator[Client]:
    """A service with one writer and room for two waiting events."""
    small = settings.model_copy(update={"groupcommit_writers": 1, "groupcommit_queue_items_max": 2})
    async with TestClient(TestServer(build_app(small))) as client:
        yield client


async def test_a_full_queue_is_told_at_once_and_nothing_of_it_is_stored(
    world: World, small_queue: Client, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    def posted(event_id: str) -> "asyncio.Task[Any]":
        return asyncio.create_task(post(small_queue, world.hmac, weigh_event("NK-0002", id=event_id)))

    async with admin_engine.connect() as connection:
        # The writer waits for the wallet, and whoever comes then waits for the writer.
        await connection.execute(sa.select(wallet.c.owner_id).with_for_update())
        writing = posted("writing")
        await wait_for_blocked(admin_engine)
        requests = {posted(f"{number}") for number in range(6)}
        refused: set[Any] = set()
        while len(refused) < 4:
            done, requests = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        await connection.rollback()
    for task in refused:
        response = await task
        assert response.status == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["code"] == "queue_full"
    answered = [(await outcomes(await task))[0] for task in (writing, *requests)]
    assert [outcome["outcome"] for outcome in answered] == ["credited"] * 3
    assert await stored(engine) == sorted(outcome["id"] for outcome in answered)


async def wait_for_blocked(admin_engine: AsyncEngine) -> None:
    """Return when a connection of the service waits for a lock."""
    waiting = sa.text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'tanbi')"
    )
    found = False
    while not found:
        async with admin_engine.connect() as connection:
            found = (await connection.execute(waiting)).scalar_one()
