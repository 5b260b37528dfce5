"""A planted fleet is one that the service knows, and what it tells is taken."""

import time
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.fleet import Heartbeats, plant_fleet
from loadtest.heartbeats import Cpu
from loadtest.target import Target
from service.secrets import Keyring
from service.settings import Settings
from service.verifying.verify import verify
from tests.blocking import driver_connection
from tests.conftest import SECRET_KEY
from tests.world import build_world


async def test_what_a_planted_fleet_tells_is_recorded(
    client: TestClient[Any, Any], engine: AsyncEngine, settings: Settings
) -> None:
    await build_world(engine, Keyring.of(settings))
    owner = settings.model_copy(update={"database_url": settings.migration_database_url})
    async with driver_connection(owner) as connection:
        fleet = await plant_fleet(connection, SECRET_KEY, 3)
    prepared = Heartbeats(Target("127.0.0.1", 1), fleet, seed=1).render(4, created=int(time.time()))
    told = []
    for request in prepared.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        del fields["Host"], fields["Content-Length"]
        response = await client.post("/v1/telemetry", data=body, headers=fields)
        assert response.status == 200, await response.text()
        told += [outcome["outcome"] for outcome in (await response.json())["outcomes"]]
    assert told == ["recorded"] * 4
    assert [result.check.name for result in await verify(engine, settings) if not result.holds] == []


def test_a_share_is_of_one_core_and_of_both_together() -> None:
    assert Cpu(wall_seconds=10.0, service_seconds=1.0, database_seconds=0.5).share == pytest.approx(0.15)
