"""Devices talk to a service in a small world of their own."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.secrets import Keyring
from service.settings import Settings
from tests.world import World, build_world


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    return await build_world(engine, Keyring.of(settings))
