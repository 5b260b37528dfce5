"""Two transactions at once, one of which waits for the other: how a test knows that it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings

# The service's sessions, and those that a test holds open in its place: the owner of the tables is neither.
BLOCKED = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename <> current_user
"""
# Only a test that hangs for ever reaches it.
HANGING_SECONDS = 100.0


async def wait_until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """What `holds` gives, as soon as that is something."""
    async with asyncio.timeout(HANGING_SECONDS):
        # Polled: what is waited for happens in the database, which sets no event of ours.
        while not (found := await holds()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def blocked(admin_engine: AsyncEngine) -> list[int]:
    """The process ids of the sessions of the test's database that wait for a lock."""
    async with admin_engine.connect() as connection:
        return list((await connection.execute(sa.text(BLOCKED))).scalars())


async def until_blocked(
    admin_engine: AsyncEngine, sessions: int = 1, *, unless_done: "asyncio.Future[Any] | None" = None
) -> None:
    """Return when this many sessions of the test's database wait for a lock, or what should wait is done."""

    async def stands() -> bool:
        done = unless_done is not None and unless_done.done()
        return done or len(await blocked(admin_engine)) >= sessions

    await wait_until(stands)


async def blocked_connection(admin_engine: AsyncEngine) -> int | None:
    """The process id of a connection that waits for a lock."""
    return next(iter(await blocked(admin_engine)), None)


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
