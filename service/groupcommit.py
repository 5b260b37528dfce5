"""Group commit: many requests, one transaction.

Callers hand over their items and wait; writers take all that is waiting, commit it in one transaction, and only then
answer. There is no timer: a batch leaves as soon as a writer is free, so an idle service has the latency of one
transaction and a busy one shares each commit among many. A second writer sets out only when much is waiting, or when
the first has been gone for long: two half batches cost more than a whole one. Only where no person waits for the answer
are items gathered for a moment first (`gather_seconds`): then a few transactions a second do for what trickles in.

What `commit` must promise: it commits all of a batch or nothing, gives one result an item in order, and committing an
item again is harmless (it was claimed). An item that something else holds up is better given back as LATER than waited
for, as all others of the batch would wait with it.
"""

import asyncio
import collections
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from service.errors import DatabaseUnavailable, Draining, QueueFull

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRY_PAUSE_SECONDS_MIN = 0.02
RETRY_PAUSE_SECONDS_MAX = 0.5
# What holds an item up is usually another transaction, which is gone in a moment.
LATER_PAUSE_SECONDS_MIN = 0.004
LATER_PAUSE_SECONDS_MAX = 0.25


class Observer(Protocol):
    """What a group commit tells of itself; metrics.py listens."""

    def batch_committed(self, items: int, longest_wait_seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The result of an item that the database refuses whenever it is tried, alone too."""

    error: Exception


class Later:
    """The result of an item that was not done because something else holds it up; it is tried again."""


LATER: Final = Later()


@dataclass(frozen=True, slots=True)
class Limits:
    """All counts are of items, not of requests."""

    writers: int = 2
    batch_items_max: int = 500
    queue_items_max: int = 10_000
    retry_seconds_max: float = 10.0
    # A writer that would not be alone sets out when so many items wait, or when the last set out so long ago.
    companion_items_min: int = 250
    companion_seconds: float = 0.05
    # How long the first item of a batch waits for others, unless the batch is full before; 0: it does not.
    gather_seconds: float = 0.0
    # How long a commit under way is waited for when the process ends.
    drain_seconds_max: float = 1.0


class _Waiting(Generic[Item, Result]):
    __slots__ = ("answer", "items", "pause", "since")

    def __init__(self, items: Sequence[Item], answer: "asyncio.Future[Sequence[Result | Poisoned]]") -> None:
        self.items = items
        self.answer = answer
        self.since = time.perf_counter()
        self.pause = LATER_PAUSE_SECONDS_MIN


class GroupCommit(Generic[Item, Result]):
    """Start with `async with`; leaving finishes what was accepted.

    `is_poison(error)` tells a fault of an item from a fault of the database, `is_retryable(error)` what the same
    statement may survive. Anything else answers the whole batch with that error and goes on.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[Sequence[Result | Later]]],
        *,
        limits: Limits,
        is_poison: Callable[[BaseException], bool],
        is_retryable: Callable[[BaseException], bool],
        observer: Observer,
    ) -> None:
        self._commit = commit
        self._limits = limits
        self._is_poison = is_poison
        self._is_retryable = is_retryable
        self._observer = observer
        self._queue: collections.deque[_Waiting[Item, Result]] = collections.deque()
        self._queued_items = 0
        self._draining = False
        self._dispatch_due = False
        self._last_departure = 0.0
        self._companion_due: asyncio.TimerHandle | None = None
        self._gathered_due: asyncio.TimerHandle | None = None
        self._held_up: dict[_Waiting[Item, Result], asyncio.TimerHandle] = {}
        self._writers: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> "GroupCommit[Item, Result]":
        # Remembered, because asking for the running loop is a system call each time (CPython up to 3.11).
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain()

    @property
    def queued_items(self) -> int:
        """Items that wait for a writer or are held up; those that a writer has taken are not counted."""
        return self._queued_items

    async def drain(self) -> None:
        """Take nothing more, and return when all that was accepted is answered.

        A commit that has not returned after `drain_seconds_max` is given up, and what waits is told
        DatabaseUnavailable: a database that hangs must not keep the process.
        """
        self._draining = True
        for waiting in list(self._held_up):
            self._return_to_queue(waiting)
        self._dispatch()
        deadline = time.monotonic() + self._limits.drain_seconds_max
        while self._writers and time.monotonic() < deadline:
            await asyncio.wait(self._writers, timeout=deadline - time.monotonic())
        self._tell(list(self._queue), DatabaseUnavailable())
        self._queue.clear()
        self._queued_items = 0
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)

    async def submit(self, items: Sequence[Item]) -> Sequence[Result | Poisoned]:
        """One result an item, in order, after COMMIT.

        Raises QueueFull or Draining at once, with nothing taken, and DatabaseUnavailable when the database stayed away
        for `retry_seconds_max`: whether the items were committed is not known then, and the same may be sent again.
        """
        if self._draining:
            raise Draining
        if not items:
            return []
        # A request larger than the queue would never fit; an empty queue takes it all the same.
        if self._queued_items and self._queued_items + len(items) > self._limits.queue_items_max:
            raise QueueFull
        waiting: _Waiting[Item, Result] = _Waiting(items, self._loop.create_future())
        self._queue.append(waiting)
        self._queued_items += len(items)
        if not self._dispatch_due:
            # Not at once: what else arrives in this turn of the loop goes along.
            self._dispatch_due = True
            self._loop.call_soon(self._dispatch)
        return await waiting.answer

    def _dispatch(self) -> None:
        """Send out writers with what is waiting."""
        self._dispatch_due = False
        while self._queue and self._may_set_out():
            batch = self._take()
            if not batch:
                return
            self._last_departure = time.perf_counter()
            writer = self._loop.create_task(self._answer(batch))
            self._writers.add(writer)
            writer.add_done_callback(self._returned)

    def _may_set_out(self) -> bool:
        if self._limits.gather_seconds and self._is_gathering():
            return False
        if not self._writers:
            return True
        if len(self._writers) >= self._limits.writers:
            return False
        if self._draining or self._queued_items >= self._limits.companion_items_min:
            return True
        remaining = self._last_departure + self._limits.companion_seconds - time.perf_counter()
        if remaining > 0 and self._companion_due is None:
            # Looked at again by then, whether or not anything else arrives.
            self._companion_due = self._loop.call_later(remaining, self._companion_may_go)
        return remaining <= 0

    def _is_gathering(self) -> bool:
        if self._draining or self._queued_items >= self._limits.batch_items_max:
            return False
        remaining = self._queue[0].since + self._limits.gather_seconds - time.perf_counter()
        if remaining > 0 and self._gathered_due is None:
            self._gathered_due = self._loop.call_later(remaining, self._has_gathered)
        return remaining > 0

    def _has_gathered(self) -> None:
        self._gathered_due = None
        self._dispatch()

    def _companion_may_go(self) -> None:
        self._companion_due = None
        self._dispatch()

    def _returned(self, writer: "asyncio.Task[None]") -> None:
        self._writers.discard(writer)
        self._dispatch()

    def _take(self) -> list[_Waiting[Item, Result]]:
        """Whole requests, up to the batch's size; one that is larger by itself goes alone."""
        batch: list[_Waiting[Item, Result]] = []
        taken = 0
        while self._queue and (not batch or taken + len(self._queue[0].items) <= self._limits.batch_items_max):
            waiting = self._queue.popleft()
            self._queued_items -= len(waiting.items)
            # Its client is gone and nothing was sent to the database yet: the retry will bring it again.
            if waiting.answer.cancelled():
                continue
            taken += len(waiting.items)
            batch.append(waiting)
        return batch

    async def _answer(self, batch: list[_Waiting[Item, Result]]) -> None:
        items = [item for waiting in batch for item in waiting.items]
        try:
            results = await self._commit_or_split(items)
        except asyncio.CancelledError:
            self._tell(batch, DatabaseUnavailable())
            raise
        except Exception as error:  # noqa: BLE001  # a writer outlives any failure; the waiting requests are told of it
            self._tell(batch, error)
            return
        position = 0
        for waiting in batch:
            end = position + len(waiting.items)
            self._settle(waiting, results[position:end])
            position = end
        self._observer.batch_committed(len(items), time.perf_counter() - batch[0].since)

    def _settle(self, waiting: _Waiting[Item, Result], results: Sequence[Result | Poisoned | Later]) -> None:
        if waiting.answer.done():
            return
        done = [result for result in results if not isinstance(result, Later)]
        if len(done) == len(results):
            waiting.answer.set_result(done)
            return
        lasted = time.perf_counter() - waiting.since
        if self._draining or lasted + waiting.pause > self._limits.retry_seconds_max:
            self._tell([waiting], DatabaseUnavailable())
            return
        # Jitter, so that those whom the same thing holds up do not all come at once.
        pause = waiting.pause * random.uniform(0.5, 1.0)  # noqa: S311  # no secret hangs on it
        waiting.pause = min(2 * waiting.pause, LATER_PAUSE_SECONDS_MAX)
        self._queued_items += len(waiting.items)
        self._held_up[waiting] = self._loop.call_later(pause, self._try_again, waiting)

    def _try_again(self, waiting: _Waiting[Item, Result]) -> None:
        self._return_to_queue(waiting)
        self._dispatch()

    def _return_to_queue(self, waiting: _Waiting[Item, Result]) -> None:
        self._held_up.pop(waiting).cancel()
        self._queue.append(waiting)

    def _tell(self, batch: Sequence[_Waiting[Item, Result]], error: Exception) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)

    async def _commit_or_split(self, items: list[Item]) -> Sequence[Result | Poisoned | Later]:
        """Halves a batch that the database refuses until the poison item is alone; the rest is committed."""
        try:
            return await self._commit_with_retries(items)
        except Exception as error:
            if not self._is_poison(error):
                raise
            if len(items) == 1:
                logger.warning("one item cannot be stored: %s", type(error).__name__)
                return [Poisoned(error)]
        middle = len(items) // 2
        return [*await self._commit_or_split(items[:middle]), *await self._commit_or_split(items[middle:])]

    async def _commit_with_retries(self, items: list[Item]) -> Sequence[Result | Later]:
        deadline = time.monotonic() + self._limits.retry_seconds_max
        pause = RETRY_PAUSE_SECONDS_MIN
        while True:
            try:
                return await self._commit(items)
            except Exception as error:
                if not self._is_retryable(error):
                    raise
                # A process that is to end does not wait for the database: its callers send the same again elsewhere.
                if self._draining or time.monotonic() + pause > deadline:
                    raise DatabaseUnavailable from error
                logger.warning("batch of %d is tried again: %s", len(items), type(error).__name__)
            # Jitter, so that writers which lost the database together do not return together.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret hangs on it
            pause = min(2 * pause, RETRY_PAUSE_SECONDS_MAX)
