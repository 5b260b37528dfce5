"""Webhooks are tested with a merchant whose server is on this machine."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.webhooks.receiver import Receiver, receiving
from tests.webhooks.world import World
from tests.world import add_shop


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_private_addresses": True, "webhook_poll_seconds": 0.01})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    await add_shop(engine)
    return World(engine, settings)
