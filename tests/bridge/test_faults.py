"""The service, the broker and the bridge go away between a drop and its answer: it is credited once all the same."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.settings import Settings
from tests import mosquitto
from tests.blocking import blocked, until_blocked, wait_until
from tests.bridge.conftest import BRIDGE, bridge_to
from tests.bridge.devices import bridging, device
from tests.bridge.test_bridge import LOCK_WALLETS, PUBACK, balance
from tests.conftest import SECRET_KEY
from tests.mosquitto import Mosquitto
from tests.test_serving import port_of
from tests.world import World, weigh_event

MISSING = mosquitto.missing()
# In CI a missing broker is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))


@asynccontextmanager
async def tanbi(settings: Settings, *arguments: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The command in a process of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TANBI_")},
        "TANBI_DATA_DIR": str(settings.data_dir),
        "TANBI_DATABASE_URL": settings.database_url or "",
        "TANBI_SECRET_KEY": SECRET_KEY,
    }
    command = [str(Path(sys.executable).with_name("tanbi")), *arguments]
    process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def test_the_service_is_killed_before_it_commits(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, broker: Mosquitto, settings: Settings
) -> None:
    async with tanbi(settings, "serve", "--port", "0") as killed:
        port = await port_of(psutil.Process(killed.pid))
        to_service = bridge_to(settings, broker, f"http://127.0.0.1:{port}")
        async with bridging(to_service), device(broker, world.ed25519) as bin_:
            async with transaction(admin_engine) as connection:
                await connection.execute(LOCK_WALLETS)
                await bin_.publish(weigh_event("NK-0001"))
                await until_blocked(admin_engine)
                killed.kill()
                await asyncio.to_thread(killed.wait)
                # Its database session would not notice before the statement is done.
                await connection.execute(sa.select(sa.func.pg_terminate_backend(*await blocked(admin_engine))))
            assert (await balance(engine, world), broker.logged(PUBACK)) == (0, 0)
            async with TestServer(build_app(settings), port=port):
                assert (await bin_.told()).outcome == "credited"
                await broker.until_logged(PUBACK)
    assert await balance(engine, world) == 125


async def test_the_bridge_is_killed_before_it_has_an_answer_and_the_next_one_ends_in_order(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    arguments = [
        *("bridge", "--broker", broker.url, "--url", bridge_settings.bridge_service_url),
        *("--client-id", BRIDGE),
    ]
    subscribed = f"Sending SUBACK to {BRIDGE}"
    async with device(broker, world.ed25519) as bin_:
        async with transaction(admin_engine) as connection:
            await connection.execute(LOCK_WALLETS)
            async with tanbi(bridge_settings, *arguments):
                await broker.until_logged(subscribed)
                await bin_.publish(weigh_event("NK-0001"))
                await until_blocked(admin_engine)
        async with tanbi(bridge_settings, *arguments) as second:
            # Credited for the first bridge, which nobody was told.
            assert (await bin_.told()).outcome == "duplicate"
            async with transaction(admin_engine) as connection:
                await connection.execute(LOCK_WALLETS)
                await bin_.publish(weigh_event("NK-0001"))
                await until_blocked(admin_engine)
                second.send_signal(signal.SIGTERM)
                # It takes nothing more, and finishes this one.
                await broker.until_logged(PUBACK)
            assert (await bin_.told()).outcome == "credited"
            await broker.until_logged(PUBACK, times=2)
            assert await asyncio.to_thread(second.wait) == 0
    assert await balance(engine, world) == 250


async def test_the_broker_restarts_before_an_answer(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    async with bridging(bridge_settings):
        async with transaction(admin_engine) as connection:
            await connection.execute(LOCK_WALLETS)
            async with device(broker, world.ed25519) as bin_:
                await bin_.publish(weigh_event("NK-0001"))
            await until_blocked(admin_engine)
            broker.stop()
        assert broker.logged(PUBACK) == 0
        broker.start()
        await broker.until_logged(PUBACK)
    assert broker.logged(f"Sending PUBLISH to {BRIDGE} (d1") == 1
    assert await balance(engine, world) == 125


async def test_two_bridges_share_the_messages(
    world: World, engine: AsyncEngine, broker: Mosquitto, bridge_settings: Settings
) -> None:
    other = bridge_settings.model_copy(update={"bridge_client_id": "tanbi-bridge-other"})
    events = [weigh_event("NK-0001", sequence=number) for number in range(1, 21)]
    async with bridging(bridge_settings), bridging(other), device(broker, world.ed25519) as bin_:
        for event in events:
            await bin_.publish(event)
        told: list[Any] = [(await bin_.told()).document["outcomes"][0] for _ in events]
        for each in (BRIDGE, "tanbi-bridge-other"):
            await broker.until_logged(f"Received PUBACK from {each}", times=10)
    assert Counter(each["id"] for each in told) == Counter(event["id"] for event in events)
    assert {each["outcome"] for each in told} == {"credited"}
    assert await balance(engine, world) == 125 * len(events)


async def test_bridges_that_take_a_client_id_from_each_other_say_so(
    broker: Mosquitto, bridge_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridging(bridge_settings), bridging(bridge_settings):

        async def said() -> bool:
            return f"does another bridge use the client id {BRIDGE}?" in caplog.text

        await wait_until(said)
