"""The worker that takes coins whose time is over: one transfer from the resident to the issuer for each lot, once.

Every process of every replica runs it. The locked row `expiry_position` lets one of them at a time take a batch of
wallets; it moves in the transaction of the batch, so a batch that is cut off is done again and one that is committed is
not. That a lot expires once is said by the unique index uq_transfer_expiry.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import hide_rows, is_retryable, transaction
from service.ledger import lot_queries
from service.ledger.coin_life import read_coin_life, walk_back
from service.ledger.lots import CoinLife
from service.settings import Settings

logger = logging.getLogger(__name__)

WALLETS_AT_ONCE_MAX: Final = 100
LOTS_AT_ONCE_MAX: Final = 2_000
# Behind every wallet: the pass is over.
PASS_OVER: Final = 2**63 - 1
POLL_SECONDS_MAX: Final = 30.0


class DueLot(NamedTuple):
    """Coins of a lot whose time is over."""

    owner_id: int
    lot_id: int
    coins: int


class Step(NamedTuple):
    """What one transaction of the worker came to."""

    posted: int
    more: bool


IDLE: Final = Step(0, more=False)


async def expire_step(
    engine: AsyncEngine,
    settings: Settings,
    *,
    wallets_max: int = WALLETS_AT_ONCE_MAX,
    lots_max: int = LOTS_AT_ONCE_MAX,
) -> Step:
    """Expire what is due in the next wallets of the pass, and begin a pass where it is time; in one transaction.

    Nothing where another process is at it, or where no coins ever expire. A lot of which coins are held is left whole
    for a later pass: what the hold takes may be of it.
    """
    async with transaction(engine) as connection:
        interval = timedelta(seconds=settings.expiry_interval_seconds)
        position = await lot_queries.lock_position(connection, interval)
        life = await read_coin_life(connection, settings.business_timezone)
        if position is None or not life.ends:
            return IDLE
        after_id = position.owner_id
        if after_id == PASS_OVER:
            if not position.due:
                return IDLE
            after_id = 0
            await lot_queries.begin_pass(connection, position.now)
        wallets = await lot_queries.next_wallets(connection, after_id, limit=wallets_max)
        seen = await find_due(connection, wallets, life, position.now, lots_max=lots_max)
        due = []
        if seen:
            # What was read may have moved; behind the lock it stays.
            locked = await lot_queries.lock_wallets(connection, sorted({lot.owner_id for lot in seen}))
            due = await find_due(connection, locked, life, position.now, lots_max=lots_max)
        if due:
            await lot_queries.post_expiries(connection, due)
        if len(seen) < lots_max:
            after_id = list(wallets)[-1] if len(wallets) == wallets_max else PASS_OVER
            await lot_queries.move_position(connection, after_id)
    return Step(len(due), more=after_id != PASS_OVER)


async def find_due(
    connection: AsyncConnection, wallets: Mapping[int, tuple[int, int]], life: CoinLife, now: datetime, *, lots_max: int
) -> list[DueLot]:
    """Up to `lots_max` lots of these wallets that are over and of which nothing is held."""
    due: list[DueLot] = []
    async for owner_id, lots in walk_back(connection, wallets):
        for lot in lots:
            expires_at = life.expires_at(lot.earned_at)
            if lot.free and expires_at is not None and expires_at <= now and len(due) < lots_max:
                due.append(DueLot(owner_id, lot.transfer_id, lot.coins))
    return due


async def expire_forever(engine: AsyncEngine, settings: Settings) -> None:
    """Step as long as there is more to do; then look again in a while. A failed step is done again."""
    pause_seconds = min(settings.expiry_interval_seconds, POLL_SECONDS_MAX)
    while True:
        more = False
        try:
            more = (await expire_step(engine, settings)).more
        except Exception as error:
            if not (is_retryable(error) or isinstance(error, PoolTimeout)):
                hide_rows(error)
                logger.exception("coins could not be expired; it is tried again")
        if not more:
            await asyncio.sleep(pause_seconds)
