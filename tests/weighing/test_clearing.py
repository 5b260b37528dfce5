"""Clearances from several replicas at once, and where the database goes away in between."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.clearances import ClearanceOutcome
from service.db import Writers, is_poison, is_retryable, transaction
from service.groupcommit import GroupCommit, Limits
from service.metrics import Metrics
from service.plausibility.rule_book import RuleBook
from service.settings import Settings
from service.tables.weighing import bin_memory, clearance, sequence_gap, weigh_event
from service.weighing.clearance_deciding import PendingClearance, SettledClearance
from service.weighing.clearing import Clearing
from service.weighing.pending import NotActive
from tests.blocking import blocked_connection, wait_until
from tests.folding.drops import NOON, drop
from tests.world import NO_RULES, World

BINS = ("NK-0001", "NK-0002")
EVENTS = 60
REPLICAS = 4


def pending(bin_id: str, sequence: int) -> PendingClearance:
    """An emptying `sequence` seconds after noon."""
    event_id = f"{bin_id}-{sequence}"
    digest = hashlib.sha256(event_id.encode()).digest()
    return PendingClearance(
        bin_id, event_id, digest, sequence, "paper", "V-07", 5000, 0, NOON.timestamp() + sequence, 0
    )


@pytest.fixture
async def writers(settings: Settings) -> AsyncIterator[Writers]:
    writers = Writers(settings, by_key=True)
    yield writers
    writers.close()


def clearing(writers: Writers) -> Clearing:
    return Clearing(writers, lambda: RuleBook([]), "Asia/Shanghai")


async def test_each_emptying_is_recorded_once_while_replicas_tell_all_of_them_and_drops_of_the_same_bins(
    world: World, engine: AsyncEngine, writers: Writers
) -> None:
    """Odd numbers are drops, even ones emptyings; every replica has all of both, in an order of its own."""
    emptyings = [pending(bin_id, number) for bin_id in BINS for number in range(2, EVENTS, 2)]
    drops = [
        drop(bin_id=bin_id, sequence=number, occurred_at=NOON.replace(second=number))
        for bin_id in BINS
        for number in range(1, EVENTS, 2)
    ]

    async def tell_all(seed: int) -> list[SettledClearance | NotActive]:
        order = random.Random(seed)  # noqa: S311  # no secret hangs on it
        told, dropped = order.sample(emptyings, len(emptyings)), order.sample(drops, len(drops))
        heard: list[SettledClearance | NotActive] = []
        while told:
            size = order.randint(1, 9)
            heard += await clearing(writers).commit(told[:size])
            await NO_RULES.commit(writers, dropped[:size])
            del told[:size], dropped[:size]
        await NO_RULES.commit(writers, dropped) if dropped else None
        return heard

    heard = await asyncio.gather(*(tell_all(seed) for seed in range(REPLICAS)))
    outcomes = Counter(each.outcome for of in heard for each in of if isinstance(each, SettledClearance))
    count = len(emptyings)
    assert outcomes == {ClearanceOutcome.RECORDED: count, ClearanceOutcome.DUPLICATE: (REPLICAS - 1) * count}
    async with transaction(engine) as connection:
        for table, expected in ((clearance, count), (weigh_event, len(drops))):
            stored = sa.select(sa.func.count()).where(table.c.epoch == 0, table.c.code.is_(None))
            assert (await connection.execute(stored)).scalar_one() == expected
        memories = sa.select(bin_memory.c.sequence, bin_memory.c.gaps_open).order_by("bin_id")
        assert [tuple(row) for row in await connection.execute(memories)] == [(EVENTS - 1, 0)] * 2
        still = sa.select(sequence_gap).where(sequence_gap.c.closed_at.is_(None))
        assert (await connection.execute(still)).all() == []


async def test_a_batch_whose_connection_is_lost_is_recorded_by_its_retry(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, writers: Writers
) -> None:
    """The server ends the session while it waits for the bin; the bin hears of nothing but a slower answer."""
    queue = GroupCommit(
        clearing(writers).commit,
        limits=Limits(writers=1, batch_items_max=10, queue_items_max=10, retry_seconds_max=60),
        is_poison=is_poison,
        is_retryable=is_retryable,
        observer=Metrics().group_commit("clearances"),
    )
    async with queue:
        async with admin_engine.begin() as holding:
            await holding.execute(sa.select(bin_memory).with_for_update())
            waiting = asyncio.ensure_future(queue.submit([pending("NK-0001", 1), pending("NK-0001", 3)]))
            pid = await wait_until(lambda: blocked_connection(admin_engine))
            await holding.execute(sa.select(sa.func.pg_terminate_backend(pid)))
        assert await waiting == [SettledClearance(ClearanceOutcome.RECORDED)] * 2
        # Its answer was lost, too: the bin sends the same again.
        assert await queue.submit([pending("NK-0001", 1)]) == [SettledClearance(ClearanceOutcome.DUPLICATE)]
    async with transaction(engine) as connection:
        assert len((await connection.execute(sa.select(clearance))).all()) == 2
        assert len((await connection.execute(sa.select(sequence_gap))).all()) == 1
