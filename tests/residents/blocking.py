"""Two transactions at once, one of which waits for the other: how a test knows that it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings

BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
# Only a test that hangs for ever reaches it.
HANGING_SECONDS = 100.0


async def until_blocked(admin_engine: AsyncEngine, sessions: int = 1) -> None:
    """Return when this many sessions of the test's database wait for a lock."""
    async with asyncio.timeout(HANGING_SECONDS), admin_engine.connect() as connection:
        while True:
            if (await connection.execute(sa.text(BLOCKED))).scalar_one() >= sessions:
                return
            # What pg_stat_activity said stays as it was until the transaction ends.
            await connection.rollback()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def driver_connection(settings: Settings) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the application's role that a test holds a transaction open on."""
    url = sa.make_url(settings.database_url or "")
    _, arguments = url.get_dialect()().create_connect_args(url)
    connection = await asyncpg.connect(**arguments)
    try:
        yield connection
    finally:
        connection.terminate()
