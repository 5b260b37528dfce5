"""The fleet is tested in a small world of its own."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.secrets import Keyring
from service.settings import Settings
from tests.world import World, build_world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Telemetry waits for no other."""
    return settings.model_copy(update={"telemetry_gather_seconds": 0})


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    return await build_world(engine, Keyring.of(settings))
