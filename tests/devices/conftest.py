"""Devices talk to a service in a small world of their own."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.db import transaction
from service.settings import Settings
from tests.devices.checking import Check
from tests.devices.compiling import build
from tests.fleet.field import Client, Field
from tests.world import World


@pytest.fixture(scope="session")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    return Check(build(Path(__file__).parent / "client_check.c", tmp_path_factory.mktemp("client_check")))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Telemetry waits for no other, and changes of keys are seen at once."""
    return settings.model_copy(update={"telemetry_gather_seconds": 0, "reference_poll_seconds": 0.01})


@pytest.fixture
async def field(engine: AsyncEngine, world: World, client: Client) -> Field:
    async with transaction(engine) as connection:
        return Field(client, {"operator": await create_api_key(connection, role="operator", name="an operator")})
