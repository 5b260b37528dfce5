"""The worker that credits events which missed their card's binding: in flight at that moment, or left by a crash.

Each process runs it; they may meet, since an event is credited once whoever comes first.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import database_now, hide_rows, is_retryable, transaction
from service.residents import queries
from service.residents.claiming import Terms, claim_waiting

logger = logging.getLogger(__name__)

# Far longer than any statement runs: an event whose statement began before a binding is committed by then, or never.
IN_FLIGHT_MAX: Final = timedelta(minutes=10)
CREDENTIALS_AT_ONCE_MAX: Final = 100


async def credit_bound_since(engine: AsyncEngine, bound_since: datetime, terms: Terms) -> int:
    """Credit all that waits for credentials bound since then, or hold its coins: how many events. A transaction for
    each 1000. Held drops find their residents on the way."""
    async with transaction(engine) as connection:
        await queries.adopt_held_events(connection, bound_since=bound_since, demo=terms.demo)
    total = 0
    while True:
        async with transaction(engine) as connection:
            digests = await queries.find_waiting_credentials(
                connection,
                bound_since,
                waiting_max=terms.waiting_max,
                demo=terms.demo,
                limit=CREDENTIALS_AT_ONCE_MAX,
            )
            events = await claim_waiting(connection, digests, terms) if digests else 0
        # None, though some were found: another process was faster, and what is left is for the next round.
        if events == 0:
            return total
        total += events


async def credit_waiting_forever(engine: AsyncEngine, terms: Callable[[], Terms], *, interval_seconds: float) -> None:
    """`terms` gives those that hold now. At start look back as far as events may wait, then to IN_FLIGHT_MAX before the
    last round that succeeded: however long the service or its database was away, no binding is passed over."""
    succeeded_at: datetime | None = None
    while True:
        try:
            async with engine.connect() as connection:
                now: datetime = await database_now(connection)
            present = terms()
            bound_since = now - present.waiting_max if succeeded_at is None else succeeded_at
            await credit_bound_since(engine, bound_since - IN_FLIGHT_MAX, present)
            succeeded_at = now
        except Exception as error:  # the next round begins where this one did
            if not is_retryable(error):
                hide_rows(error)
                logger.exception("waiting events could not be credited")
        await asyncio.sleep(interval_seconds)
