"""The worker that folds committed rows into sums, off the request path.

Every process of every replica runs it; the lease in `fold_position` decides whose instance folds, and the lock on that
row that no two processes ever fold at once. The lease only spares the others the work: what is folded depends on the
position alone, which moves in the same transaction as the sums.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import is_retryable, snapshot, transaction
from service.folding import queries
from service.settings import Settings

logger = logging.getLogger(__name__)

# Rows of each table in one transaction of a backlog; one that is larger by itself is folded whole.
WINDOW_ROWS_MAX = 100_000
# Only such a one needs longer than the pool's statement timeout: twenty million rows in one COPY, say.
STATEMENT_TIMEOUT = timedelta(minutes=10)


class PositionLost(RuntimeError):
    """The fold position is ahead of this cluster's transaction ids: the database was restored from a dump into another
    cluster. Volumes stand still until they are rebuilt from the events; see "Restoring" in docs/operations.md."""

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction of folding came to."""

    behind: bool
    imbalance_due: bool


async def tick(engine: AsyncEngine, settings: Settings, *, window_rows_max: int = WINDOW_ROWS_MAX) -> bool:
    """Fold all that is settled, where it is this instance's turn; whether anything was written.

    Idle, it is one small query, and a write to renew the lease when half of it is over. Raises PositionLost.
    """
    async with transaction(engine) as connection:
        seen = await queries.peek(
            connection,
            instance=settings.instance,
            lease=timedelta(seconds=settings.fold_lease_seconds),
            interval=timedelta(seconds=settings.fold_interval_seconds),
        )
        if seen.lost and seen.xid != queries.LOST_XID:
            await queries.mark_lost(connection, seen_xid=seen.xid)
    if seen.lost:
        raise PositionLost
    if not (seen.ours and (seen.lease_due or seen.rows_due)):
        return False
    step = await fold_step(engine, settings, window_rows_max)
    if step is None:
        return False
    while step is not None and step.behind:
        step = await fold_step(engine, settings, window_rows_max)
    if step is not None and step.imbalance_due:
        await check_imbalance(engine, settings.instance)
    return True


async def fold_step(engine: AsyncEngine, settings: Settings, window_rows_max: int) -> Step | None:
    """Fold one window and move the position behind it, in one transaction; None where it is another's turn."""
    async with transaction(engine) as connection:
        position = await queries.lock_position(
            connection,
            instance=settings.instance,
            lease=timedelta(seconds=settings.fold_lease_seconds),
            imbalance_interval=timedelta(seconds=settings.imbalance_interval_seconds),
            statement_timeout=STATEMENT_TIMEOUT,
        )
        if position is None:
            return None
        lower = position.xid
        window = await queries.window_end(connection, lower=lower, rows_max=window_rows_max)
        if lower > window.settled:
            raise PositionLost
        timezone = settings.business_timezone
        await queries.fold_volume(connection, lower=lower, upper=window.upper, timezone=timezone)
        await queries.fold_resident_volume(connection, lower=lower, upper=window.upper, timezone=timezone)
        await queries.fold_coin_volume(connection, lower=lower, upper=window.upper, timezone=timezone)
        await queries.move_position(connection, xid=window.upper, instance=settings.instance)
    return Step(behind=window.upper < window.settled, imbalance_due=position.imbalance_due)


async def check_imbalance(engine: AsyncEngine, instance: str) -> int:
    """Sum wallets against transfers, and record what differs for the metric; the coins that differ."""
    async with snapshot(engine) as connection:
        coins = await queries.read_imbalance(connection)
    async with transaction(engine) as connection:
        await queries.record_imbalance(connection, coins=coins, instance=instance)
    if coins:
        logger.error("wallets hold %d coins that no transfer accounts for; run `tanbi verify`", coins)
    return coins


async def fold_forever(engine: AsyncEngine, settings: Settings) -> None:
    """Tick every `fold_interval_seconds`. Says once that the database went away or that the position is lost."""
    said: type[Exception] | None = None
    while True:
        try:
            await tick(engine, settings)
            said = None
        except PositionLost as error:
            if said is not PositionLost:
                logger.error("%s", error)  # noqa: TRY400  # expected, and the message says it all
            said = PositionLost
        except Exception as error:
            if not (is_retryable(error) or isinstance(error, PoolTimeout)):
                logger.exception("folding failed; it is tried again")
            elif said is not type(error):
                logger.warning("folding waits for the database: %s", type(error).__name__)
            said = type(error)
        await asyncio.sleep(settings.fold_interval_seconds)
