"""In which order messages are carried and given back, and what is not carried."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.signatures import Algorithm, SigningKey
from service.bridge.broker import Broker
from service.bridge.carrying import Carrier
from service.bridge.forwarding import Service, open_session
from service.bridge.metrics import BridgeMetrics
from service.settings import Settings
from tests import mosquitto
from tests.blocking import wait_until
from tests.bridge.conftest import BRIDGE, bridge_to
from tests.bridge.devices import Device, bridging, device
from tests.mosquitto import Mosquitto
from tests.world import PATH, World, weigh_event

MISSING = mosquitto.missing()
# In CI a missing broker is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

STUCK = SigningKey("NK-0001", Algorithm.HMAC_SHA256, bytes(32))
OTHER = SigningKey("NK-0002", Algorithm.HMAC_SHA256, bytes(32))


class StuckBin:
    """A service that never decides about one bin's events."""

    def __init__(self) -> None:
        self.posted: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        event = json.loads(await request.read())
        if event["source"] != f"/bins/{STUCK.keyid}":
            return web.json_response({"outcomes": []})
        self.posted.append(event["id"])
        problem = {"code": "key_unreadable", "status": 503}
        return web.json_response(problem, status=503, content_type="application/problem+json")


class Slow:
    """A service that decides nothing until it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        await self.may_answer.wait()
        return web.json_response({"outcomes": []})


@asynccontextmanager
async def carrying(broker: Mosquitto, service: StuckBin | Slow, messages_max: int = 100) -> AsyncIterator[None]:
    """A bridge of little patience."""
    app = web.Application()
    app.router.add_post(PATH, service.answer)
    stop, metrics = asyncio.Event(), BridgeMetrics()
    async with TestServer(app) as server, open_session() as session:
        settings = bridge_to(Settings(), broker, str(server.make_url("/")))
        impatient = Service(session, settings.bridge_service_url, metrics, first_seconds=0.01, patience_seconds=0.1)
        async with Broker(settings) as client:
            await client.subscribe_to_bins()
            carrier = Carrier(
                client, impatient, metrics, messages_max=messages_max, body_bytes_max=settings.body_bytes_max
            )
            running = asyncio.create_task(carrier.run(stop, finish_seconds=1))
            yield
            stop.set()
            await running


async def test_what_came_behind_an_undecided_message_goes_back_to_its_bin_with_it_and_holds_up_no_other(
    broker: Mosquitto,
) -> None:
    handler = StuckBin()
    events = [weigh_event(STUCK.keyid, sequence=number) for number in (1, 2, 3)]
    async with carrying(broker, handler), device(broker, STUCK) as stuck, device(broker, OTHER) as other:
        for event in events:
            await stuck.publish(event, CorrelationData=event["id"].encode())
        told = asyncio.ensure_future(_told(stuck, len(events)))
        while not told.done():
            await other.publish(weigh_event(OTHER.keyid))
            assert (await other.told()).status == "200"
        assert await told == [("503", event["id"].encode()) for event in events]
        await broker.until_logged(f"Received PUBACK from {BRIDGE}", times=len(events) + 1)
    assert set(handler.posted) == {events[0]["id"]}


async def test_a_backlog_waits_for_its_turn(broker: Mosquitto) -> None:
    bins = [SigningKey(f"NK-{number:04}", Algorithm.HMAC_SHA256, bytes(32)) for number in range(1, 11)]
    async with Broker(bridge_to(Settings(), broker, "http://127.0.0.1:9")) as before:
        await before.subscribe_to_bins()
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(device(broker, key)) for key in bins]
        for each in devices:
            await each.publish(weigh_event(each.bin_id))
        slow = Slow()
        async with carrying(broker, slow, messages_max=2):

            async def asked() -> bool:
                return slow.asked >= 2

            await broker.until_logged(f"Sending PUBLISH to {BRIDGE}", times=len(devices))
            await wait_until(asked)
            assert slow.asked == 2
            slow.may_answer.set()
            assert [(await each.told()).status for each in devices] == ["200"] * len(devices)
            await broker.until_logged(f"Received PUBACK from {BRIDGE}", times=len(devices))


async def _told(stuck: Device, messages: int) -> list[tuple[str, bytes | None]]:
    found = [await stuck.told() for _ in range(messages)]
    return [(each.status, each.correlation_data) for each in found]


async def test_a_bridge_says_what_it_carried_and_takes_nothing_at_qos_0(
    world: World, broker: Mosquitto, bridge_settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    exposed = bridge_settings.model_copy(update={"bridge_port": port})
    async with bridging(exposed), device(broker, world.ed25519) as bin_, aiohttp.ClientSession() as session:
        await bin_.publish(weigh_event("NK-0001"), qos=0)
        await bin_.publish(weigh_event("NK-0001"))
        assert (await bin_.told()).outcome == "credited"
        await bin_.publish(weigh_event("NK-0002"))
        assert (await bin_.told()).status == "403"
        # Counted before it is acknowledged.
        await broker.until_logged(f"Received PUBACK from {BRIDGE}", times=2)
        async with session.get(f"http://127.0.0.1:{port}/readyz") as ready:
            assert (ready.status, (await ready.json())["status"]) == (200, "ok")
        async with session.get(f"http://127.0.0.1:{port}/metrics") as scraped:
            told = await scraped.text()
    for result, messages in {"decided": 1, "refused": 1, "given_back": 0}.items():
        assert f'tanbi_bridge_messages_total{{result="{result}",topic="weigh-events"}} {messages}.0' in told
    assert "tanbi_bridge_connected 1.0" in told
