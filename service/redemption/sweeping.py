"""The sweeper: writes down which holds have expired.

Coins are free at their time without it: whoever reads or decides looks at the clock. It is there so that merchants are
told, sums are tidy and nothing is left to the resident's next visit. Every process of every replica may sweep: wallets
that another has locked are skipped.
"""

import asyncio
import logging
from collections.abc import Callable

from service.db import hide_rows
from service.redemption.committing import SWEPT_HOLDS_MAX, Committing, is_retryable

logger = logging.getLogger(__name__)


async def sweep_forever(committing: Committing, *, interval_seconds: float, swept: Callable[[int], None]) -> None:
    """Sweep every `interval_seconds`, at once again while there is much; `swept` hears how many holds had expired."""
    said: type[Exception] | None = None
    while True:
        expired = 0
        try:
            expired = await committing.sweep()
            said = None
        except Exception as error:
            if not is_retryable(error):
                hide_rows(error)
                logger.exception("the sweeper failed; it is tried again")
            elif said is not type(error):
                logger.warning("the sweeper waits for the database: %s", type(error).__name__)
            said = type(error)
        if expired:
            swept(expired)
        if expired < SWEPT_HOLDS_MAX:
            await asyncio.sleep(interval_seconds)
