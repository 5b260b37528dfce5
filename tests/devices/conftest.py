"""Devices talk to a service in a small world of their own."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.secrets import Keyring
from service.settings import Settings
from tests.devices.checking import Check
from tests.devices.compiling import build
from tests.world import World, build_world


@pytest.fixture(scope="session")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    return Check(build(Path(__file__).parent / "client_check.c", tmp_path_factory.mktemp("client_check")))


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    return await build_world(engine, Keyring.of(settings))
