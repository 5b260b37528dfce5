"""The closed loop: so many connections, each of which sends its next request when the last one is answered.

It finds the highest rate. Its latencies are those of that many callers who wait for their answers; bins do not wait for
each other, and for those there is the open loop.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from loadtest.connections import Connection, UnreadableAnswer, close_connections, in_flight_since, open_connections
from loadtest.generator import Watch, quiet_collector, wait_for
from loadtest.requests import Prepared
from loadtest.result import LoadResult, Tally, result_of
from loadtest.target import Target

DRAIN_SECONDS = 10.0


class ClosedLoop:
    """The driver of connections in a closed loop. Requests are dealt to the connections in turn, and each sends its own
    in order: so a bin whose turn is always the same connection's numbers and sends its events as its firmware does."""

    def __init__(self, requests: Sequence[bytes], tally: Tally) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_answer = 0.0
        self._tally = tally
        self._requests = requests
        self._dealt: dict[Connection, Iterator[bytes]] = {}
        self._in_flight = 0
        self._stop = 0.0

    def start(self, connections: Sequence[Connection], seconds_max: float) -> float:
        """Put a request in flight on each connection; send none any more after `seconds_max`. Returns the start."""
        started = self.last_answer = time.perf_counter()
        self._stop = started + seconds_max
        self._in_flight = len(connections)
        for place, connection in enumerate(connections):
            self._dealt[connection] = islice(self._requests, place, None, len(connections))
        for connection in connections:
            self._next(connection, started)
        return started

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = self.last_answer = time.perf_counter()
        self._tally.answered(now - connection.started, status, body)
        self._next(connection, now)

    def failed(self, connection: Connection) -> None:
        now = time.perf_counter()
        self._tally.gave_up(now - connection.started)
        self._next(connection, now)

    def unreadable(self, error: UnreadableAnswer) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)

    def _next(self, connection: Connection, now: float) -> None:
        request = next(self._dealt[connection], None) if now < self._stop else None
        if request is not None:
            connection.send(request, now)
            return
        self._in_flight -= 1
        if self._in_flight == 0 and not self.finished.done():
            self.finished.set_result(None)


async def run_closed(
    target: Target,
    prepared: Prepared,
    *,
    connections: int,
    seconds_max: float,
    drain_seconds: float = DRAIN_SECONDS,
    progress: Callable[[int], None] | None = None,
) -> LoadResult:
    """Send the prepared requests, dealt to `connections`, one in flight on each, for at most `seconds_max`.

    What is in flight then has `drain_seconds` to be answered. `progress` hears how many answers there are. Raises
    OSError where nobody listens, StaleRequests, UnreadableAnswer.
    """
    prepared.check_fresh(seconds_max + drain_seconds)
    tally = Tally(prepared.events_each)
    loop = ClosedLoop(prepared.requests, tally)
    opened = await open_connections(target, connections, loop)
    try:
        with quiet_collector():
            watch = Watch()
            started = loop.start(opened, seconds_max)
            await wait_for(loop.finished, seconds_max + drain_seconds, lambda: len(tally.latencies), progress)
            load, waiting = watch.load(), in_flight_since(opened)
    finally:
        await close_connections(opened)
    tally.unanswered(waiting, time.perf_counter())
    return result_of(
        tally,
        load,
        loop="closed",
        connections=connections,
        due_per_second=None,
        seconds=loop.last_answer - started,
        repeated=sum(connection.repeats for connection in opened),
    )
