"""Redemption is tested in a small world with one merchant."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.secrets import Keyring
from service.settings import Settings
from tests.redemption.calls import Caller
from tests.world import World, add_shop, open_session


@pytest.fixture
def keyring(settings: Settings) -> Keyring:
    return Keyring.of(settings)


@pytest.fixture
async def resident(world: World, engine: AsyncEngine, client: TestClient[Any, Any]) -> Caller:
    return Caller(client, await open_session(engine, world.resident_id))


@pytest.fixture
async def shop(engine: AsyncEngine, client: TestClient[Any, Any]) -> Caller:
    return Caller(client, await add_shop(engine))


@pytest.fixture
async def replica(settings: Settings, client: TestClient[Any, Any]) -> AsyncIterator[TestClient[Any, Any]]:
    """A second instance of the service, beside `client`'s, on the same database."""
    async with TestClient(TestServer(build_app(settings))) as replica:
        yield replica
