"""Bins behind a real broker: what they publish is credited once, and acknowledged when it is committed."""

import os
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.settings import Settings
from service.tables.ledger import wallet
from service.tables.weighing import weigh_event as weigh_event_table
from tests import mosquitto
from tests.blocking import until_blocked
from tests.bridge.conftest import BRIDGE
from tests.bridge.devices import bridging, device
from tests.mosquitto import Mosquitto
from tests.world import World, weigh_event

MISSING = mosquitto.missing()
# In CI a missing broker is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

PUBACK = f"Received PUBACK from {BRIDGE}"
LOCK_WALLETS = sa.text("SELECT * FROM wallet FOR UPDATE")


async def balance(engine: AsyncEngine, world: World) -> int:
    async with transaction(engine) as connection:
        found = await connection.execute(sa.select(wallet.c.posted).where(wallet.c.owner_id == world.resident_id))
        return int(found.scalar_one())


async def test_an_event_is_credited_once_and_its_bin_told_each_time(
    world: World, engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    event = weigh_event("NK-0001")
    async with bridging(bridge_settings), device(broker, world.ed25519) as bin_:
        await bin_.publish(event, ResponseTopic="tanbi/v1/bins/NK-0001/mine", CorrelationData=b"\x00seven")
        first = await bin_.told()
        await bin_.publish(event)
        again = await bin_.told()
        await bin_.publish([event, weigh_event("NK-0001")], ContentType="application/cloudevents-batch+json")
        batch = await bin_.told()
    assert (first.topic, first.correlation_data) == ("tanbi/v1/bins/NK-0001/mine", b"\x00seven")
    assert (first.status, first.content_type, first.outcome) == ("200", "application/json", "credited")
    assert (again.topic, again.status, again.outcome) == (f"{bin_.topic}/outcomes", "200", "duplicate")
    assert [each["outcome"] for each in batch.document["outcomes"]] == ["duplicate", "credited"]
    assert await balance(engine, world) == 250
    await broker.until_logged(PUBACK, times=3)


async def test_nothing_is_acknowledged_before_it_is_committed_nor_before_what_came_first(
    world: World, admin_engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    async with (
        bridging(bridge_settings),
        device(broker, world.ed25519) as first,
        device(broker, world.hmac) as second,
    ):
        async with transaction(admin_engine) as connection:
            await connection.execute(LOCK_WALLETS)
            await first.publish(weigh_event("NK-0001"))
            await until_blocked(admin_engine)
            # Of one bin, the second is carried when the first is done with.
            for _ in range(2):
                await second.publish(weigh_event("NK-0002", credential=None))
                assert (await second.told()).outcome == "unclaimed"
            assert broker.logged(PUBACK) == 0
        assert (await first.told()).outcome == "credited"
        await broker.until_logged(PUBACK, times=3)


async def test_what_is_refused_is_told_and_not_sent_again(
    world: World, engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    event = weigh_event("NK-0001")
    refused: list[tuple[Any, dict[str, Any], str, str]] = [
        (event, {"payload": b'{"data": {"weight_grams": 99999}}'}, "401", "content_digest_mismatch"),
        (event, {"UserProperty": []}, "401", "signature_missing"),
        (event, {"UserProperty": [("signature", "é")]}, "401", "signature_malformed"),
        (event, {"ContentType": "text/plain"}, "415", "unsupported_media_type"),
        (weigh_event("NK-0002"), {}, "403", "source_mismatch"),
        ([], {}, "422", "validation_failed"),
    ]
    async with (
        bridging(bridge_settings),
        device(broker, world.ed25519) as bin_,
        device(broker, world.hmac) as other,
    ):
        for times, (document, changes, status, code) in enumerate(refused, start=1):
            await bin_.publish(document, **changes)
            told = await bin_.told()
            assert (told.status, told.content_type, told.document["code"]) == (status, "application/problem+json", code)
            await broker.until_logged(PUBACK, times)
        # What one bin signed, over another's topic.
        await bin_.publish(event, topic=other.topic)
        assert (await other.told()).document["code"] == "source_mismatch"
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(weigh_event_table))).scalar_one() == 0
