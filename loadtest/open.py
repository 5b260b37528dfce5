"""The open loop: requests are due at a fixed rate, whether or not the earlier ones are answered.

Latency is counted from when a request was due. A request that finds no free connection waits in a queue, and that wait
counts; so a service that stalls for a second shows it in every request that was due in that second (no coordinated
omission). The queue holds at most the prepared requests.
"""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence

from loadtest.closed import DRAIN_SECONDS
from loadtest.connections import Connection, UnreadableAnswer, close_connections, in_flight_since, open_connections
from loadtest.generator import Watch, quiet_collector, wait_for
from loadtest.requests import Prepared
from loadtest.result import LoadResult, Tally, result_of
from loadtest.target import Target
from loadtest.ticks import ticking

# The first request is due this long after the start, so that the clock is ticking by then.
LEAD_SECONDS = 0.01


class OpenLoop:
    """The driver of connections in an open loop: request i is due at `start + i / rate`, in seconds of perf_counter."""

    def __init__(self, requests: Sequence[bytes], rate_per_second: float, tally: Tally) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_answer = 0.0
        self.queued = 0
        self.lateness = array("d")
        self._requests = requests
        self._seconds_each = 1.0 / rate_per_second
        self._tally = tally
        self._start = 0.0
        self._next_due = 0.0
        self._arrived = 0
        self._queue: deque[int] = deque()
        self._idle: list[Connection] = []
        self._in_flight = 0

    def start(self, connections: Sequence[Connection]) -> float:
        """Use these connections and begin LEAD_SECONDS from now. Returns when the first request is due."""
        self._idle = list(connections)
        self._start = self._next_due = self.last_answer = time.perf_counter() + LEAD_SECONDS
        return self._start

    def tick(self) -> None:
        """Send, or queue, every request that is due by now."""
        now = time.perf_counter()
        count = len(self._requests)
        while self._next_due <= now and self._arrived < count:
            index = self._arrived
            self.lateness.append(now - self._next_due)
            if self._idle:
                self._in_flight += 1
                self._idle.pop().send(self._requests[index], self._next_due)
            else:
                self._queue.append(index)
                self.queued += 1
            self._arrived = index + 1
            self._next_due = self._due(self._arrived)

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = self.last_answer = time.perf_counter()
        self._tally.answered(now - connection.started, status, body)
        self._free(connection)

    def failed(self, connection: Connection) -> None:
        self._tally.gave_up(time.perf_counter() - connection.started)
        self._free(connection)

    def unreadable(self, error: UnreadableAnswer) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)

    def unsent(self) -> list[float]:
        """When the requests were due that have not been sent, in seconds of perf_counter."""
        return [self._due(index) for index in (*self._queue, *range(self._arrived, len(self._requests)))]

    def _due(self, index: int) -> float:
        return self._start + index * self._seconds_each

    def _free(self, connection: Connection) -> None:
        if self._queue:
            index = self._queue.popleft()
            connection.send(self._requests[index], self._due(index))
            return
        self._in_flight -= 1
        self._idle.append(connection)
        if self._in_flight == 0 and self._arrived == len(self._requests) and not self.finished.done():
            self.finished.set_result(None)


async def run_open(
    target: Target,
    prepared: Prepared,
    *,
    rate_per_second: float,
    connections: int,
    drain_seconds: float = DRAIN_SECONDS,
    progress: Callable[[int], None] | None = None,
) -> LoadResult:
    """Send the prepared requests at `rate_per_second` over at most `connections` at once.

    The run lasts `len(requests) / rate_per_second` seconds, and `drain_seconds` more for what is still open.
    `progress` hears how many answers there are. Raises OSError where nobody listens, StaleRequests, UnreadableAnswer,
    ValueError for a rate that is not above zero.
    """
    if not rate_per_second > 0:
        raise ValueError(f"The rate is above zero requests a second, not {rate_per_second}.")
    seconds_max = LEAD_SECONDS + len(prepared.requests) / rate_per_second + drain_seconds
    prepared.check_fresh(seconds_max)
    tally = Tally(prepared.events_each)
    loop = OpenLoop(prepared.requests, rate_per_second, tally)
    opened = await open_connections(target, connections, loop)
    try:
        with quiet_collector():
            start, watch = loop.start(opened), Watch()
            with ticking(1 / rate_per_second, start, loop.tick):
                await wait_for(loop.finished, seconds_max, lambda: len(tally.latencies), progress)
            load, waiting = watch.load(), in_flight_since(opened) + loop.unsent()
    finally:
        await close_connections(opened)
    tally.unanswered(waiting, time.perf_counter())
    return result_of(
        tally,
        load,
        loop="open",
        connections=connections,
        due_per_second=rate_per_second,
        seconds=loop.last_answer - start,
        repeated=sum(connection.repeats for connection in opened),
        queued=loop.queued,
        lateness=loop.lateness,
    )
