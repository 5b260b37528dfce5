"""Where sites are."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.errors import SiteUnknown, ValidationFailed
from service.tables.places import site
from service.weighing.places import Position, place_site
from tests.world import World


async def test_a_site_is_placed_and_placed_better(world: World, engine: AsyncEngine) -> None:
    for position in (Position(39.1, 117.1), Position(39.104167, 117.161803)):
        async with transaction(engine) as connection:
            await place_site(connection, "site-1", position)
    async with engine.connect() as connection:
        found = (await connection.execute(sa.select(site.c.latitude, site.c.longitude))).one()
    assert tuple(found) == (39.104167, 117.161803)


async def test_a_place_that_is_not_on_earth_or_a_site_that_is_not_there_is_refused(
    world: World, engine: AsyncEngine
) -> None:
    for position in (Position(90.1, 0), Position(0, 180.1), Position(float("nan"), 0)):
        with pytest.raises(ValidationFailed):
            async with transaction(engine) as connection:
                await place_site(connection, "site-1", position)
    with pytest.raises(SiteUnknown, match="site-9"):
        async with transaction(engine) as connection:
            await place_site(connection, "site-9", Position(39.1, 117.1))
