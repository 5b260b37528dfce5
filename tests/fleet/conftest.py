"""The fleet is tested in a small world of its own."""

from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import Role, create_api_key
from service.db import transaction
from service.secrets import Keyring
from service.settings import Settings
from service.tables import site
from tests.fleet.field import NEWER_SITE, Client, Field
from tests.world import World, build_world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Telemetry waits for no other, and changes of keys are seen at once."""
    return settings.model_copy(update={"telemetry_gather_seconds": 0, "reference_poll_seconds": 0.01})


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    world = await build_world(engine, Keyring.of(settings))
    async with transaction(engine) as connection:
        await connection.execute(
            site.insert().values(id=NEWER_SITE, area_id="xuefu-1", kind="community", name="二号点", name_en="Site 2")
        )
    return world


ROLES: Final[tuple[Role, ...]] = ("operator", "viewer")


@pytest.fixture
async def operators(engine: AsyncEngine) -> dict[str, str]:
    async with transaction(engine) as connection:
        return {role: await create_api_key(connection, role=role, name=f"the {role}") for role in ROLES}


@pytest.fixture
def field(world: World, operators: dict[str, str], client: Client) -> Field:
    return Field(client, operators)
