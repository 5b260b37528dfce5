"""What the database keeps of what is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.plausibility.sequences import OPEN_GAPS_MAX
from service.tables.weighing import bin_memory, sequence_gap, weigh_event
from service.weighing.pending import PendingEvent
from tests.folding.drops import commit_drops, drop
from tests.world import World

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
OTHERS = 5


def event(sequence: int) -> PendingEvent:
    """A drop a minute."""
    return drop(sequence=sequence, occurred_at=BEGIN + timedelta(minutes=sequence))


async def gaps(engine: AsyncEngine) -> list[Any]:
    async with transaction(engine) as connection:
        return list((await connection.execute(sa.select(sequence_gap).order_by(sequence_gap.c.first_sequence))).all())


async def test_a_gap_is_opened_shortened_and_closed(world: World, engine: AsyncEngine) -> None:
    await commit_drops(engine, event(1), event(5))
    [opened] = await gaps(engine)
    assert (opened.epoch, opened.first_sequence, opened.last_sequence) == (0, 2, 4)
    assert (opened.before_at, opened.closed_at) == (BEGIN + timedelta(minutes=5), None)
    await commit_drops(engine, event(3))
    lower, upper = await gaps(engine)
    assert [(gap.first_sequence, gap.last_sequence) for gap in (lower, upper)] == [(2, 2), (4, 4)]
    assert upper.id == opened.id
    await commit_drops(engine, event(4))
    still, closed = await gaps(engine)
    assert (still.closed_at, closed.id, closed.given_up) == (None, opened.id, False)
    assert closed.closed_at > opened.opened_at


async def test_of_a_bin_that_leaves_out_every_other_number_the_oldest_gaps_are_given_up(
    world: World, engine: AsyncEngine
) -> None:
    numbers = range(1, 2 * (OPEN_GAPS_MAX + OTHERS) + 2, 2)
    await commit_drops(engine, *map(event, numbers[:50]))
    await commit_drops(engine, *map(event, numbers[50:]))
    found = await gaps(engine)
    given_up = [gap for gap in found if gap.given_up]
    assert [(gap.first_sequence, gap.last_sequence) for gap in given_up] == [
        (number, number) for number in range(2, 2 * OTHERS + 1, 2)
    ]
    assert None not in [gap.closed_at for gap in given_up]
    assert [gap.closed_at for gap in found if not gap.given_up] == [None] * OPEN_GAPS_MAX
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(bin_memory.c.gaps_open).order_by("bin_id"))).scalars().all() == [
            OPEN_GAPS_MAX,
            0,
        ]
    await commit_drops(engine, event(2), event(numbers[-1]))
    async with transaction(engine) as connection:
        last = (
            sa.select(weigh_event.c.sequence, weigh_event.c.code, weigh_event.c.epoch)
            .order_by(weigh_event.c.xid.desc(), weigh_event.c.sequence)
            .limit(2)
        )
        assert [tuple(row) for row in await connection.execute(last)] == [
            (2, None, 0),
            (numbers[-1], "sequence_reused", None),
        ]


async def test_gaps_of_one_batch_may_be_given_up_before_they_were_stored(world: World, engine: AsyncEngine) -> None:
    await commit_drops(engine, *map(event, range(1, 2 * (OPEN_GAPS_MAX + OTHERS) + 2, 2)))
    found = await gaps(engine)
    assert [gap.given_up for gap in found] == [True] * OTHERS + [False] * OPEN_GAPS_MAX
    assert all(gap.closed_at == gap.opened_at for gap in found[:OTHERS])
