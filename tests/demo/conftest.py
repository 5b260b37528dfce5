from collections.abc import AsyncIterator
from datetime import date

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.demo.demo_file import Credentials
from service.demo.planting import Size, plant
from service.secrets import Keyring
from service.settings import Settings

# Whose wallets are empty.
SIZE = Size(seed=1, bins=6, residents=9, past_drops=0)
TODAY = date(2026, 11, 20)


@pytest.fixture
async def planted(settings: Settings, admin_engine: AsyncEngine) -> Credentials:
    """A database with a small sample in it."""
    async with transaction(admin_engine) as connection:
        planted = await plant(
            connection, Keyring.of(settings), SIZE, None, today=TODAY, zone=settings.business_timezone
        )
        return planted.credentials


@pytest.fixture
async def demo_client(
    settings: Settings, planted: Credentials
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """The service run as a demo, on the sample."""
    async with TestClient(TestServer(build_app(settings.model_copy(update={"demo": True})))) as client:
        yield client
