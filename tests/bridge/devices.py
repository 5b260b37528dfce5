"""Bins that speak MQTT, and a bridge for them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from schemas.signatures import SigningKey, sign_request
from service.bridge.running import run_bridge
from service.settings import Settings
from tests.blocking import HANGING_SECONDS
from tests.mosquitto import Mosquitto
from tests.world import PATH

PROPERTIES = {"ResponseTopic", "CorrelationData", "ContentType", "UserProperty"}


@dataclass(frozen=True)
class Told:
    """What came back to a bin."""

    topic: str
    status: str
    content_type: str
    document: Any
    correlation_data: bytes | None

    @property
    def outcome(self) -> str:
        """Of the one event."""
        [outcome] = self.document["outcomes"]
        return str(outcome["outcome"])


class Device:
    """A bin; what it is told comes on all its topics but those that it posts to."""

    def __init__(self, client: aiomqtt.Client, key: SigningKey) -> None:
        self._client = client
        self._key = key
        self.bin_id = key.keyid
        self.topic = f"tanbi/v1/bins/{key.keyid}/weigh-events"

    async def publish(self, document: Any, path: str = PATH, **changes: Any) -> None:
        """Signed as if it were posted to `path`; `changes` replace what is published: topic, payload, qos, and
        PROPERTIES."""
        body = json.dumps(document).encode()
        signed = sign_request(self._key, method="POST", target=path, body=body, created=int(time.time()))
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        given: dict[str, Any] = {"ContentType": "application/json", "UserProperty": list(signed.items())} | changes
        for name in given.keys() & PROPERTIES:
            setattr(properties, name, given.pop(name))
        published: dict[str, Any] = {"topic": self.topic, "payload": body, "qos": 1} | given
        await self._client.publish(**published, properties=properties)

    async def listen_to(self, topic: str) -> None:
        """To what may not be its own."""
        await self._client.subscribe(topic, qos=1)

    async def told(self) -> Told:
        """The next answer."""
        async with asyncio.timeout(HANGING_SECONDS):
            message = await anext(self._client.messages)
        properties = message.properties
        return Told(
            message.topic.value,
            dict(getattr(properties, "UserProperty", ()))["status"],
            getattr(properties, "ContentType", ""),
            json.loads(bytes(message.payload)),
            getattr(properties, "CorrelationData", None),
        )


@asynccontextmanager
async def device(broker: Mosquitto, key: SigningKey, **options: Any) -> AsyncIterator[Device]:
    async with broker.client(key.keyid, **options) as client:
        await client.subscribe(f"tanbi/v1/bins/{key.keyid}/+/+", qos=1)
        await client.subscribe(f"tanbi/v1/bins/{key.keyid}/mine", qos=1)
        yield Device(client, key)


@asynccontextmanager
async def bridging(settings: Settings) -> AsyncIterator[None]:
    """A bridge that is subscribed; it is stopped in the end, and finishes."""
    stop, subscribed = asyncio.Event(), asyncio.Event()
    bridge = asyncio.create_task(run_bridge(settings, stop, subscribed.set))
    try:
        await _first_of(bridge, asyncio.create_task(subscribed.wait()))
        yield
    finally:
        stop.set()
        await bridge


async def _first_of(bridge: "asyncio.Task[None]", subscribed: "asyncio.Task[Any]") -> None:
    await asyncio.wait([bridge, subscribed], return_when=asyncio.FIRST_COMPLETED)
    if bridge.done():
        subscribed.cancel()
        await bridge
