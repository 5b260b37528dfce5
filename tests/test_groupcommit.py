"""The group commit by itself, over a commit function in memory: what it does with a database is tested in weighing/."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import DatabaseUnavailable, Draining, QueueFull
from service.groupcommit import LATER, GroupCommit, Later, Limits, Poisoned


class PoisonError(Exception):
    """A fault of an item."""


class LostError(Exception):
    """A fault of the database, which may pass."""


class UnexpectedError(Exception):
    """A fault of the code."""


@dataclass
class Ledger:
    """Commits integers by adding them to `stored`; the result of an item is ten times the item.

    `open` lets commits pass; `failures` are raised by the next commits, one each; what is `held_up` is for later.
    """

    open: asyncio.Event = field(default_factory=asyncio.Event)
    poison: frozenset[int] = frozenset()
    held_up: set[int] = field(default_factory=set)
    failures: list[Exception] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    observed: list[int] = field(default_factory=list)

    async def commit(self, items: list[int]) -> Sequence[int | Later]:
        self.batches.append(list(items))
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.poison & set(items):
            raise PoisonError
        self.stored.extend(item for item in items if item not in self.held_up)
        return [LATER if item in self.held_up else 10 * item for item in items]

    def batch_committed(self, items: int, longest_wait_seconds: float) -> None:
        assert longest_wait_seconds >= 0
        self.observed.append(items)


def group_commit_of(ledger: Ledger, limits: Limits) -> GroupCommit[int, int]:
    return GroupCommit(
        ledger.commit,
        limits=limits,
        is_poison=lambda error: isinstance(error, PoisonError),
        is_retryable=lambda error: isinstance(error, LostError),
        observer=ledger,
    )


@asynccontextmanager
async def running(
    ledger: Ledger,
    *,
    writers: int = 1,
    batch: int = 250,
    queue: int = 10_000,
    retry_seconds: float = 60.0,
    gather_seconds: float = 0.0,
) -> AsyncIterator[GroupCommit[int, int]]:
    limits = Limits(
        writers, batch, queue, retry_seconds, companion_items_min=1, gather_seconds=gather_seconds, drain_seconds_max=60
    )
    async with group_commit_of(ledger, limits) as group_commit:
        try:
            yield group_commit
        finally:
            ledger.open.set()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # a condition of any kind has no event to wait for
        await asyncio.sleep(0)


async def busy(ledger: Ledger, group_commit: GroupCommit[int, int], writers: int = 1) -> list["asyncio.Task[object]"]:
    """Occupy every writer with an item of its own (the numbers below 0) until `ledger.open` is set."""
    tasks: list[asyncio.Task[object]] = []
    for number in range(1, writers + 1):
        tasks.append(asyncio.create_task(_submit(group_commit, [-number])))
        await until(lambda: len(ledger.batches) == len(tasks))
    return tasks


async def _submit(group_commit: GroupCommit[int, int], items: list[int]) -> Sequence[int | Poisoned]:
    return await group_commit.submit(items)


def submitted(
    group_commit: GroupCommit[int, int], *requests: list[int]
) -> "list[asyncio.Task[Sequence[int | Poisoned]]]":
    return [asyncio.create_task(_submit(group_commit, items)) for items in requests]


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


# -- batches --------------------------------------------------------------------------------------------------------


async def test_an_idle_writer_takes_a_request_alone_and_at_once() -> None:
    ledger = Ledger()
    ledger.open.set()
    async with running(ledger) as group_commit:
        assert await group_commit.submit([7]) == [70]
    assert ledger.batches == [[7]]


async def test_what_arrives_while_a_commit_runs_leaves_together() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        await busy(ledger, group_commit)
        requests = submitted(group_commit, [1], [2, 3], [4])
        await settle()
        ledger.open.set()
        assert await asyncio.gather(*requests) == [[10], [20, 30], [40]]
    assert ledger.batches == [[-1], [1, 2, 3, 4]]
    assert ledger.observed == [1, 4]


async def test_nobody_is_answered_before_the_commit_returns() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        [request] = submitted(group_commit, [1])
        await until(lambda: bool(ledger.batches))
        await settle()
        assert not request.done()
        ledger.open.set()
        assert await request == [10]


async def test_two_writers_commit_at_the_same_time() -> None:
    ledger = Ledger()
    async with running(ledger, writers=2) as group_commit:
        tasks = await busy(ledger, group_commit, writers=2)
        assert ledger.batches == [[-1], [-2]]
        ledger.open.set()
        assert await asyncio.gather(*tasks) == [[-10], [-20]]


async def test_a_batch_has_at_most_its_limit_and_requests_stay_whole() -> None:
    ledger = Ledger()
    async with running(ledger, batch=3) as group_commit:
        await busy(ledger, group_commit)
        requests = submitted(group_commit, [1, 2], [3], [4, 5], [6, 7], [8])
        await settle()
        ledger.open.set()
        await asyncio.gather(*requests)
    assert ledger.batches == [[-1], [1, 2, 3], [4, 5], [6, 7, 8]]


async def test_a_request_larger_than_a_batch_goes_alone() -> None:
    ledger = Ledger()
    async with running(ledger, batch=2) as group_commit:
        await busy(ledger, group_commit)
        requests = submitted(group_commit, [1], [2, 3, 4, 5, 6], [7])
        await settle()
        ledger.open.set()
        assert await asyncio.gather(*requests) == [[10], [20, 30, 40, 50, 60], [70]]
    assert ledger.batches == [[-1], [1], [2, 3, 4, 5, 6], [7]]


async def test_a_request_of_nothing_is_answered_with_nothing() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        assert await group_commit.submit([]) == []
    assert ledger.batches == []


@given(
    requests=st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=40),
    writers=st.integers(min_value=1, max_value=4),
    batch=st.integers(min_value=1, max_value=12),
)
def test_every_request_gets_its_own_results_whatever_the_batches(requests: list[int], writers: int, batch: int) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        numbers = iter(range(sum(requests)))
        asked = [[next(numbers) for _ in range(size)] for size in requests]
        async with running(ledger, writers=writers, batch=batch) as group_commit:
            tasks = submitted(group_commit, *asked)
            await settle()
            ledger.open.set()
            answers = await asyncio.gather(*tasks)
        assert answers == [[10 * item for item in items] for items in asked]
        assert sorted(ledger.stored) == list(range(sum(requests)))
        for items in ledger.batches:
            assert len(items) <= batch or items in asked
        assert group_commit.queued_items == 0

    asyncio.run(scenario())


# -- the queue's bound ----------------------------------------------------------------------------------------------


async def test_a_full_queue_refuses_at_once_and_takes_nothing() -> None:
    ledger = Ledger()
    async with running(ledger, queue=3) as group_commit:
        await busy(ledger, group_commit)
        accepted = submitted(group_commit, [1, 2], [3])
        await settle()
        with pytest.raises(QueueFull) as caught:
            await group_commit.submit([4])
        assert caught.value.headers == {"Retry-After": "1"}
        ledger.open.set()
        await asyncio.gather(*accepted)
    assert sorted(ledger.stored) == [-1, 1, 2, 3]


async def test_a_queue_that_was_full_takes_more_when_a_writer_has_emptied_it() -> None:
    ledger = Ledger()
    async with running(ledger, queue=2) as group_commit:
        await busy(ledger, group_commit)
        first = submitted(group_commit, [1, 2])
        await settle()
        with pytest.raises(QueueFull):
            await group_commit.submit([3])
        ledger.open.set()
        await asyncio.gather(*first)
        assert await group_commit.submit([3]) == [30]


async def test_an_empty_queue_takes_a_request_larger_than_itself() -> None:
    ledger = Ledger()
    ledger.open.set()
    async with running(ledger, queue=2) as group_commit:
        assert await group_commit.submit([1, 2, 3]) == [10, 20, 30]


async def test_items_count_as_queued_until_a_writer_takes_them() -> None:
    ledger = Ledger()
    async with running(ledger, batch=2) as group_commit:
        await busy(ledger, group_commit)
        assert group_commit.queued_items == 0
        requests = submitted(group_commit, [1], [2], [3, 4])
        await settle()
        assert group_commit.queued_items == 4
        ledger.open.set()
        await asyncio.gather(*requests)
        assert group_commit.queued_items == 0


# -- poison ---------------------------------------------------------------------------------------------------------


async def test_the_poison_item_is_found_and_the_rest_is_committed() -> None:
    ledger = Ledger(poison=frozenset({3}))
    async with running(ledger) as group_commit:
        await busy(ledger, group_commit)
        requests = submitted(group_commit, [1, 2], [3, 4], [5])
        await settle()
        ledger.open.set()
        first, second, third = await asyncio.gather(*requests)
    assert (first, third) == ([10, 20], [50])
    assert isinstance(second[0], Poisoned)
    assert isinstance(second[0].error, PoisonError)
    assert second[1] == 40
    assert sorted(ledger.stored) == [-1, 1, 2, 4, 5]


@given(
    size=st.integers(min_value=1, max_value=60),
    poison=st.frozensets(st.integers(min_value=0, max_value=59), max_size=6),
)
def test_exactly_the_poison_items_are_refused(size: int, poison: frozenset[int]) -> None:
    async def scenario() -> None:
        ledger = Ledger(poison=poison)
        ledger.open.set()
        async with running(ledger) as group_commit:
            results = await group_commit.submit(range(size))
        assert {item for item, result in enumerate(results) if isinstance(result, Poisoned)} == poison & set(
            range(size)
        )
        assert ledger.stored == [item for item in range(size) if item not in poison]
        # Each poison item costs at most its path down the halves.
        assert len(ledger.batches) <= 1 + 2 * len(poison) * (size - 1).bit_length()

    asyncio.run(scenario())


async def test_a_connection_lost_while_a_batch_is_split_is_retried_with_the_same_half() -> None:
    ledger = Ledger(poison=frozenset({2}), failures=[PoisonError(), LostError()])
    ledger.open.set()
    async with running(ledger) as group_commit:
        results = await group_commit.submit([1, 2])
    assert results[0] == 10
    assert isinstance(results[1], Poisoned)
    assert ledger.batches == [[1, 2], [1], [1], [2]]


# -- retries --------------------------------------------------------------------------------------------------------


async def test_a_lost_connection_is_retried_with_the_same_items_until_it_works() -> None:
    ledger = Ledger(failures=[LostError(), LostError()])
    ledger.open.set()
    async with running(ledger) as group_commit:
        assert await group_commit.submit([1, 2]) == [10, 20]
    assert ledger.batches == [[1, 2]] * 3
    assert ledger.stored == [1, 2]


async def test_a_database_that_stays_away_is_told_to_every_waiting_request() -> None:
    ledger = Ledger()
    async with running(ledger, retry_seconds=0.1) as group_commit:
        [first] = await busy(ledger, group_commit)
        requests = submitted(group_commit, [1], [2])
        await settle()
        ledger.failures = [LostError()] * 1000
        ledger.open.set()
        results = await asyncio.gather(first, *requests, return_exceptions=True)
        assert [type(result) for result in results] == [DatabaseUnavailable] * 3
        # It was tried more than once, and the next request finds the writer at work again.
        assert len(ledger.batches) > 2
        ledger.failures = []
        assert await group_commit.submit([3]) == [30]
    assert ledger.stored == [3]


async def test_the_deadline_is_of_a_batch_not_of_the_process() -> None:
    ledger = Ledger(failures=[LostError()])
    ledger.open.set()
    async with running(ledger, retry_seconds=0.0) as group_commit:
        with pytest.raises(DatabaseUnavailable):
            await group_commit.submit([1])
        assert await group_commit.submit([2]) == [20]


# -- unexpected errors, cancelled clients ---------------------------------------------------------------------------


async def test_an_unexpected_error_reaches_exactly_its_batch_and_the_writer_lives_on() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        [first] = await busy(ledger, group_commit)
        second = submitted(group_commit, [1], [2])
        await settle()
        ledger.failures = [UnexpectedError()]
        ledger.open.set()
        with pytest.raises(UnexpectedError):
            await first
        assert await asyncio.gather(*second) == [[10], [20]]
        assert await group_commit.submit([3]) == [30]


async def test_a_client_that_left_the_queue_is_not_written() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        await busy(ledger, group_commit)
        gone, stays = submitted(group_commit, [1], [2])
        await settle()
        gone.cancel()
        await settle()
        ledger.open.set()
        assert await stays == [20]
    assert gone.cancelled()
    assert ledger.stored == [-1, 2]


async def test_a_client_that_leaves_during_the_commit_takes_nobody_with_it() -> None:
    ledger = Ledger()
    async with running(ledger) as group_commit:
        await busy(ledger, group_commit)
        ledger.open.clear()
        gone, stays = submitted(group_commit, [1], [2])
        await settle()
        ledger.open.set()
        ledger.open.clear()
        await until(lambda: len(ledger.batches) == 2)
        gone.cancel()
        await settle()
        ledger.open.set()
        assert await stays == [20]
    assert ledger.stored == [-1, 1, 2]


async def test_a_queue_of_clients_that_all_left_holds_nobody_up() -> None:
    ledger = Ledger()
    async with running(ledger, queue=2) as group_commit:
        [first] = await busy(ledger, group_commit)
        requests = submitted(group_commit, [1], [2])
        await settle()
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        ledger.open.set()
        await first
        await settle()
        assert await group_commit.submit([3]) == [30]
    assert ledger.stored == [-1, 3]


# -- what is held up ------------------------------------------------------------------------------------------------


async def test_what_is_held_up_is_tried_again_and_nobody_waits_for_it() -> None:
    ledger = Ledger(held_up={1})
    ledger.open.set()
    async with running(ledger) as group_commit:
        first, second = submitted(group_commit, [1], [2])
        assert await second == [20]
        await until(lambda: len(ledger.batches) > 2)
        assert not first.done()
        assert await group_commit.submit([3]) == [30]
        assert group_commit.queued_items == 1
        ledger.held_up.clear()
        assert await first == [10]
        assert group_commit.queued_items == 0
    assert ledger.stored == [2, 3, 1]


async def test_what_stays_held_up_is_given_up_at_its_deadline() -> None:
    ledger = Ledger(held_up={1})
    ledger.open.set()
    async with running(ledger, retry_seconds=0.1) as group_commit:
        with pytest.raises(DatabaseUnavailable):
            await group_commit.submit([1])
        assert len(ledger.batches) > 2
        assert group_commit.queued_items == 0
    assert ledger.stored == []


async def test_a_client_that_left_while_it_was_held_up_is_not_tried_again() -> None:
    ledger = Ledger(held_up={1})
    ledger.open.set()
    async with running(ledger) as group_commit:
        (request,) = submitted(group_commit, [1])
        await until(lambda: len(ledger.batches) == 2 and group_commit.queued_items == 1)
        request.cancel()
        await until(lambda: group_commit.queued_items == 0)
        assert len(ledger.batches) == 2


async def test_drain_tries_what_is_held_up_once_more() -> None:
    ledger = Ledger(held_up={1, 2})
    ledger.open.set()
    async with running(ledger) as group_commit:
        first, second = submitted(group_commit, [1], [2])
        await until(lambda: len(ledger.batches) > 3)
        ledger.held_up.discard(2)
        await group_commit.drain()
        with pytest.raises(DatabaseUnavailable):
            await first
        assert await second == [20]
    assert ledger.stored == [2]


# -- draining -------------------------------------------------------------------------------------------------------


async def test_drain_finishes_what_was_accepted_and_refuses_what_comes_after() -> None:
    ledger = Ledger()
    async with running(ledger, batch=1) as group_commit:
        [first] = await busy(ledger, group_commit)
        accepted = submitted(group_commit, [1], [2])
        await settle()
        drained = asyncio.create_task(group_commit.drain())
        await settle()
        assert not drained.done()
        with pytest.raises(Draining):
            await group_commit.submit([3])
        ledger.open.set()
        assert await asyncio.gather(first, *accepted) == [[-10], [10], [20]]
        await drained
    assert ledger.stored == [-1, 1, 2]


async def test_an_idle_group_commit_drains_at_once() -> None:
    ledger = Ledger()
    async with running(ledger, writers=3) as group_commit:
        await settle()
        await group_commit.drain()
        with pytest.raises(Draining):
            await group_commit.submit([1])
    assert ledger.batches == []


async def test_a_second_writer_sets_out_only_when_enough_is_waiting() -> None:
    ledger = Ledger()
    limits = Limits(writers=2, companion_items_min=3, companion_seconds=3600.0)
    async with group_commit_of(ledger, limits) as group_commit:
        tasks = await busy(ledger, group_commit)
        first = submitted(group_commit, [1], [2])
        await settle()
        assert (len(ledger.batches), group_commit.queued_items) == (1, 2)
        more = submitted(group_commit, [3])
        await settle()
        assert ledger.batches[1:] == [[1, 2, 3]]
        ledger.open.set()
        await asyncio.gather(*tasks, *first, *more)


async def test_a_second_writer_sets_out_when_the_first_is_gone_for_long_though_nothing_else_arrives() -> None:
    ledger = Ledger()
    limits = Limits(writers=2, companion_items_min=1000, companion_seconds=0.02)
    async with group_commit_of(ledger, limits) as group_commit:
        tasks = await busy(ledger, group_commit)
        waiting = submitted(group_commit, [1])
        await until(lambda: len(ledger.batches) == 2)
        assert ledger.batches[1:] == [[1]]
        ledger.open.set()
        await asyncio.gather(*tasks, *waiting)


async def test_what_is_gathered_leaves_together_when_its_time_is_over() -> None:
    ledger = Ledger()
    ledger.open.set()
    async with running(ledger, gather_seconds=0.2) as group_commit:
        requests = submitted(group_commit, [1])
        await settle()
        requests += submitted(group_commit, [2], [3])
        assert await asyncio.gather(*requests) == [[10], [20], [30]]
    assert ledger.batches == [[1, 2, 3]]


async def test_a_full_batch_is_not_gathered_any_longer_and_a_drain_waits_for_no_more() -> None:
    ledger = Ledger()
    ledger.open.set()
    async with running(ledger, batch=3, gather_seconds=3600) as group_commit:
        assert await asyncio.gather(*submitted(group_commit, [1], [2], [3])) == [[10], [20], [30]]
        rest = submitted(group_commit, [4])
        await settle()
        assert ledger.batches == [[1, 2, 3]]
        await group_commit.drain()
        assert await asyncio.gather(*rest) == [[40]]


async def test_a_commit_that_hangs_does_not_keep_the_process() -> None:
    ledger = Ledger()
    async with group_commit_of(ledger, Limits(writers=1, drain_seconds_max=0.02)) as group_commit:
        under_way = await busy(ledger, group_commit)
        waiting = submitted(group_commit, [1])
        await settle()
    for task in (*under_way, *waiting):
        with pytest.raises(DatabaseUnavailable):
            await task
    assert group_commit.queued_items == 0
