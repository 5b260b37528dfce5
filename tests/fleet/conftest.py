"""The fleet is tested in a small world of its own."""

import itertools
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from service.api_keys import Role, create_api_key
from service.app import build_app
from service.db import create_engine, transaction
from service.embedded import EmbeddedPostgres
from service.secrets import Keyring
from service.settings import Settings
from service.tables.places import site
from tests.conftest import SECRET_KEY, TEMPLATE, admin_execute
from tests.fleet.field import NEWER_SITE, Yard
from tests.world import build_world

ROLES: Final[tuple[Role, ...]] = ("operator", "viewer")
_numbers = itertools.count(1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Telemetry waits for no other."""
    return settings.model_copy(update={"telemetry_gather_seconds": 0})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    """One service for a module's tests: a database and a service for each would take longer than all of them."""
    name = f"yard_{next(_numbers)}"
    await admin_execute(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    settings = Settings(
        data_dir=tmp_path_factory.mktemp(name),
        database_url=postgres.app_url(name),
        migration_database_url=postgres.admin_url(name),
        secret_key=SecretStr(SECRET_KEY),
        # Changes of keys are seen at once; wrong codes are limited where a test says so.
        reference_poll_seconds=0.01,
        claim_failures_per_minute_max=0,
    )
    engine = create_engine(settings)
    owner = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    world = await build_world(engine, Keyring.of(settings))
    async with transaction(engine) as connection:
        await connection.execute(
            site.insert().values(id=NEWER_SITE, area_id="xuefu-1", kind="community", name="二号点", name_en="Site 2")
        )
        operators: dict[str, str] = {
            role: await create_api_key(connection, role=role, name=f"the {role}") for role in ROLES
        }
    async with TestClient(TestServer(build_app(settings))) as client:
        yield Yard(client, operators, settings=settings, engine=engine, owner=owner, world=world)
    await engine.dispose()
    await owner.dispose()
    await admin_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="module")
async def field(yard: Yard) -> AsyncIterator[Yard]:
    """The module's yard, in which there are no bins but the world's two."""
    yield yard
    await yard.clear()
