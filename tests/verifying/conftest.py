"""Verifying is tested on clones of one small city where everything has happened that can happen."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.embedded import EmbeddedPostgres
from tests.conftest import Clones, settings_of
from tests.verifying.city import City, build_city

CITY_TEMPLATE = "template_city"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def city(postgres: EmbeddedPostgres, clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> City:
    settings = settings_of(postgres, CITY_TEMPLATE, tmp_path_factory.mktemp("city"))
    clones.make(CITY_TEMPLATE)
    return asyncio.run(build_city(settings))


@pytest.fixture
def database(clones: Clones, city: City) -> Iterator[str]:
    """The name of a clone of the city that lives as long as the test."""
    name = f"city_{next(_numbers)}"
    clones.make(name, CITY_TEMPLATE)
    yield name
    clones.drop(name)


@pytest.fixture(scope="session")
def damaged_city(clones: Clones, city: City) -> str:
    """The name of a clone that is damaged in transactions which are rolled back."""
    name = "city_damaged"
    clones.make(name, CITY_TEMPLATE)
    return name


@pytest.fixture
async def superuser(postgres: EmbeddedPostgres, damaged_city: str) -> AsyncIterator[AsyncEngine]:
    """Whoever connects with it rolls back."""
    engine = create_async_engine(postgres.admin_url(damaged_city), poolclass=NullPool)
    yield engine
    await engine.dispose()
