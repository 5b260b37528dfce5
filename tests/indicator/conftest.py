"""The indicator is tested in a district of two subdistricts, with a key for each role."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.api_keys import Role, create_api_key
from service.db import transaction
from service.tables.indicator import target
from service.tables.places import area, site
from tests.indicator.calls import Caller
from tests.world import World

ROLES: tuple[Role, ...] = ("viewer", "operator", "auditor", "admin")


@pytest.fixture
async def world(world: World, engine: AsyncEngine) -> World:
    """tianjin > nankai > xuefu (community xuefu-1, site-1), gulou (gulou-1, site-2; gulou-2, site-3)."""
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(area),
            [
                {"id": "gulou", "parent_id": "nankai", "kind": "subdistrict", "name": "鼓楼街道", "name_en": "Gulou"},
                {"id": "gulou-1", "parent_id": "gulou", "kind": "community", "name": "一社区", "name_en": "First"},
                {"id": "gulou-2", "parent_id": "gulou", "kind": "community", "name": "二社区", "name_en": "Second"},
            ],
        )
        await connection.execute(
            sa.insert(site),
            [
                {"id": "site-2", "area_id": "gulou-1", "kind": "community", "name": "二号点", "name_en": "Site 2"},
                {"id": "site-3", "area_id": "gulou-2", "kind": "scenic", "name": "三号点", "name_en": "Site 3"},
            ],
        )
        await connection.execute(
            sa.insert(target),
            [
                {
                    "area_id": "nankai",
                    "year": year,
                    "version": 1,
                    "rate_per_mille": per_mille,
                    "recorded_by": uuid.uuid4(),
                }
                for year, per_mille in ((2025, 350), (2027, 385), (2035, 500))
            ],
        )
    return world


@pytest.fixture
async def connection(world: World, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back."""
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()


@pytest.fixture
async def keys(world: World, engine: AsyncEngine) -> dict[str, str]:
    async with transaction(engine) as connection:
        return {role: await create_api_key(connection, role=role, name=role) for role in ROLES}


@pytest.fixture
def operator(client: TestClient[Any, Any], keys: dict[str, str]) -> Caller:
    return Caller(client, keys["operator"])
