import asyncio
import time

import pytest

from loadtest.connections import UnreadableAnswer
from loadtest.open import run_open
from loadtest.requests import Prepared, StaleRequests
from loadtest.target import Target
from schemas.signatures import TOLERANCE_SECONDS
from tests.loadtest.peer import OK, serving
from tests.loadtest.prepared import prepare

STALL_SECONDS = 0.5


async def test_every_request_is_sent_once_and_at_the_rate() -> None:
    async with serving() as peer:
        prepared = prepare(peer.target, 100)
        result = await run_open(peer.target, prepared, rate_per_second=400, connections=8)
    assert sorted(peer.received) == sorted(prepared.requests)
    assert (result.requests, result.statuses, result.unanswered) == (100, {"200": 100}, 0)
    # None before it is due: the last one is due 99 steps after the first.
    assert result.seconds >= 99 / 400
    assert result.lateness_ms is not None


async def test_a_stall_counts_for_every_request_that_was_due_in_it() -> None:
    async def stall_once(number: int) -> bytes | None:
        if number == 0:
            await asyncio.sleep(STALL_SECONDS)
        return OK

    # 50 requests are due in the first half of the stall; only one was sent when it began.
    async with serving(stall_once) as peer:
        result = await run_open(peer.target, prepare(peer.target, 50), rate_per_second=200, connections=1)
    assert result.latency_ms is not None
    assert result.latency_ms.max >= STALL_SECONDS * 1000
    assert result.latency_ms.p50 >= STALL_SECONDS * 1000 / 2
    assert result.queued is not None
    assert result.queued > 0
    assert result.statuses == {"200": 50}


async def test_what_is_never_answered_counts_with_the_time_it_waited() -> None:
    async def never(number: int) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async with serving(never) as peer:
        result = await run_open(
            peer.target, prepare(peer.target, 20), rate_per_second=200, connections=3, drain_seconds=0.3
        )
    assert (result.requests, result.unanswered, result.statuses) == (20, 20, {})
    assert len(peer.received) == 3
    assert result.latency_ms is not None
    assert result.latency_ms.p50 >= 300
    assert result.requests_per_second == 0


async def test_connections_are_bounded() -> None:
    async def slowly(number: int) -> bytes | None:
        await asyncio.sleep(0.01)
        return OK

    async with serving(slowly) as peer:
        await run_open(peer.target, prepare(peer.target, 40), rate_per_second=1000, connections=4)
    assert peer.connections == 4
    assert peer.in_flight_max <= 4
    assert len(peer.received) == 40


async def test_a_request_cut_off_is_repeated_and_counted_once() -> None:
    async def cut_every_fifth(number: int) -> bytes | None:
        return None if number % 5 == 0 else OK

    async with serving(cut_every_fifth) as peer:
        result = await run_open(peer.target, prepare(peer.target, 40), rate_per_second=500, connections=2)
    assert result.statuses.get("200", 0) + result.failed == 40
    assert len(set(peer.received)) == 40
    assert result.repeated > 0


async def test_an_answer_that_cannot_be_read_ends_the_run() -> None:
    async def chunked(number: int) -> bytes | None:
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    async with serving(chunked) as peer:
        with pytest.raises(UnreadableAnswer):
            await run_open(peer.target, prepare(peer.target, 10), rate_per_second=100, connections=2)


async def test_a_stalled_generator_is_late_and_says_that_it_was_the_limit() -> None:
    stalled = False

    async def answer(number: int) -> bytes | None:
        nonlocal stalled
        if not stalled:
            stalled = True
            # The generator shares this event loop, so this stops it too.
            time.sleep(STALL_SECONDS)  # noqa: ASYNC251
        return OK

    async with serving(answer) as peer:
        result = await run_open(peer.target, prepare(peer.target, 100), rate_per_second=200, connections=100)
    assert result.lateness_ms is not None
    assert result.lateness_ms.p99 >= STALL_SECONDS * 1000 / 2
    assert result.generator_was_the_limit


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
async def test_a_rate_that_is_not_above_zero_is_refused(rate: float) -> None:
    here = Target("127.0.0.1", 1)
    with pytest.raises(ValueError, match="above zero"):
        await run_open(here, prepare(here, 1), rate_per_second=rate, connections=1)


async def test_requests_that_would_go_stale_on_the_way_are_refused() -> None:
    long_run = Prepared([b""] * 2 * TOLERANCE_SECONDS, 1, created=int(time.time()))
    with pytest.raises(StaleRequests):
        await run_open(Target("127.0.0.1", 1), long_run, rate_per_second=1, connections=1)
