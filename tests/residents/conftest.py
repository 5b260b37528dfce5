"""A small city, a WeChat of its own, and a resident who is logged in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.residents.residents import register_resident
from service.secrets import Keyring
from service.settings import Settings
from tests.residents.wechat_server import WechatServer
from tests.world import World, open_session

Client = TestClient[Any, Any]


@pytest.fixture
async def wechat() -> AsyncIterator[WechatServer]:
    async with WechatServer() as server:
        yield server


@pytest.fixture
def settings(settings: Settings, wechat: WechatServer) -> Settings:
    return settings.model_copy(
        update={
            "wechat_base_url": wechat.base_url,
            "wechat_app_id": wechat.app_id,
            "wechat_secret": SecretStr(wechat.secret),
            # Beyond what a slow machine needs: tests hold transactions open on purpose.
            "statement_timeout_seconds": 120.0,
            "wechat_timeout_seconds": 60.0,
            # The worker runs when a test calls it.
            "waiting_interval_seconds": 3600.0,
        }
    )


@pytest.fixture
def keyring(settings: Settings) -> Keyring:
    return Keyring.of(settings)


@pytest.fixture
async def client(world: World, settings: Settings) -> AsyncIterator[Client]:
    """The service, which knows the world's bins and tariffs from its start."""
    async with TestClient(TestServer(build_app(settings))) as client:
        yield client


@pytest.fixture
async def bearer(engine: AsyncEngine, world: World) -> dict[str, str]:
    """Headers of the world's resident, logged in."""
    return await bearer_of(engine, world.resident_id)


async def bearer_of(engine: AsyncEngine, resident_id: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {await open_session(engine, resident_id)}"}


async def register(engine: AsyncEngine) -> int:
    """Another resident, who has no openid and no card."""
    async with transaction(engine) as connection:
        return await register_resident(connection)


async def count(engine: AsyncEngine, query: str) -> int:
    """The number that `query`, an SQL of the test's own, gives."""
    async with engine.connect() as connection:
        counted: int = (await connection.execute(sa.text(query))).scalar_one()
        return counted
