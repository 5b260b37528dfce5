"""The worker that deletes telemetry when it is old, in slices, so that nobody waits for it."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import is_retryable, transaction
from service.fleet import telemetry_queries as queries

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.2
ROWS_MAX: Final = 2000


async def forget_slice(engine: AsyncEngine, *, retention: timedelta, rows_max: int = ROWS_MAX) -> bool:
    """Delete the oldest telemetry beyond its retention, at most so many rows; whether more is left."""
    async with transaction(engine) as connection:
        if not await queries.lock_retention(connection):
            return False
        return await queries.delete_old(connection, before=datetime.now(UTC) - retention, limit=rows_max) == rows_max


async def forget_forever(engine: AsyncEngine, *, retention: timedelta) -> None:
    """Until cancelled. Says once that the database went away."""
    said: type[Exception] | None = None
    while True:
        more = False
        try:
            more = await forget_slice(engine, retention=retention)
            said = None
        except Exception as error:
            if not (is_retryable(error) or isinstance(error, PoolTimeout)):
                logger.exception("old telemetry could not be deleted; it is tried again")
            elif said is not type(error):
                logger.warning("old telemetry waits for the database: %s", type(error).__name__)
            said = type(error)
        await asyncio.sleep(PAUSE_SECONDS if more else INTERVAL_SECONDS)
