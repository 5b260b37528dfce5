"""Brings the embedded PostgreSQL back when it dies under a running service: `kill -9`, or no memory left.

What dies of a server that goes on living, PostgreSQL itself brings back; nobody else watches its first process.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from service.embedded import EmbeddedPostgres
from service.postgres_programs import EmbeddedPostgresError
from service.settings import Settings

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.25
# A start that failed, for want of disk say, is tried again, but does not fill the log.
RETRY_SECONDS = 5.0


@contextlib.asynccontextmanager
async def embedded_kept_running(settings: Settings) -> AsyncIterator[None]:
    """While this lasts, start the embedded PostgreSQL again whenever it is gone. Does nothing for another database.
    Raises EmbeddedPostgresError where it cannot be started at first.

    Each process that serves watches for itself, and whoever is first starts it: in gunicorn's master a start on its way
    would be forked, and a worker would keep the copies of its locks and pipes for ever.
    """
    postgres = EmbeddedPostgres(settings.data_dir)
    if settings.database_url != postgres.app_url():
        yield
        return
    # A worker born while it is gone would fail on its first query, and gunicorn then gives up the whole service.
    await asyncio.to_thread(postgres.start)
    leaving = asyncio.Event()
    watching = asyncio.create_task(_watch(postgres, leaving))
    try:
        yield
    finally:
        # Not cancelled: a start on its way ends before its server may be stopped, or it would bring it back.
        leaving.set()
        await watching
        await asyncio.to_thread(postgres.stop)


async def _watch(postgres: EmbeddedPostgres, leaving: asyncio.Event) -> None:
    while not leaving.is_set():
        pause = WATCH_SECONDS
        if postgres.postmaster_pid is None:
            logger.warning("the embedded PostgreSQL is gone; it is started again")
            try:
                await asyncio.to_thread(postgres.start)
            except EmbeddedPostgresError as error:
                logger.warning("%s It is tried again in %.0f s.", error, RETRY_SECONDS)
                pause = RETRY_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leaving.wait(), pause)
