from sqlalchemy.ext.asyncio import AsyncEngine

from service.auth import authenticate_resident
from service.secrets import Keyring
from service.settings import Settings
from tests.world import build_world, open_session


async def test_an_opened_session_authenticates_its_resident(engine: AsyncEngine, settings: Settings) -> None:
    world = await build_world(engine, Keyring.of(settings))
    token = await open_session(engine, world.resident_id)
    async with engine.connect() as connection:
        assert (await authenticate_resident(connection, token, demo=False)).id == world.resident_id
