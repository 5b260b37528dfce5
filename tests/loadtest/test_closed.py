import asyncio

import pytest

from loadtest.closed import run_closed
from loadtest.connections import SENDS_MAX, UnreadableAnswer
from tests.loadtest.peer import OK, always_ok, serving
from tests.loadtest.prepared import prepare

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"


async def test_every_prepared_request_is_sent_once_and_counted() -> None:
    async with serving() as peer:
        prepared = prepare(peer.target, 101)
        result = await run_closed(peer.target, prepared, connections=8, seconds_max=60)
    assert sorted(peer.received) == sorted(prepared.requests)
    assert peer.connections == 8
    assert (result.requests, result.events, result.statuses) == (101, 101, {"200": 101})
    assert (result.failed, result.unanswered, result.repeated) == (0, 0, 0)
    assert result.requests_per_second == pytest.approx(101 / result.seconds)


async def test_as_many_requests_are_in_flight_as_there_are_connections() -> None:
    everyone = asyncio.Event()

    async def when_all_are_here(number: int) -> bytes | None:
        if len(peer.received) == 5:
            everyone.set()
        await everyone.wait()
        return OK

    async with serving(when_all_are_here) as peer:
        await run_closed(peer.target, prepare(peer.target, 50), connections=5, seconds_max=60)
    assert peer.in_flight_max == 5


async def test_more_connections_than_requests_end_too() -> None:
    async with serving() as peer:
        result = await run_closed(peer.target, prepare(peer.target, 3), connections=8, seconds_max=60)
    assert result.statuses == {"200": 3}


async def test_only_events_of_requests_answered_with_200_count() -> None:
    async def every_third(number: int) -> bytes | None:
        return OK if number % 3 == 0 else UNAVAILABLE

    async with serving(every_third) as peer:
        result = await run_closed(peer.target, prepare(peer.target, 30, 4), connections=2, seconds_max=60)
    assert result.statuses == {"200": 10, "503": 20}
    assert (result.requests, result.events) == (30, 40)


async def test_a_request_cut_off_is_repeated_and_counted_once() -> None:
    async def cut_every_fifth(number: int) -> bytes | None:
        return None if number % 5 == 0 else OK

    async with serving(cut_every_fifth) as peer:
        result = await run_closed(peer.target, prepare(peer.target, 40), connections=1, seconds_max=60)
    assert result.statuses == {"200": 40}
    assert result.repeated == len(peer.received) - 40 == 10
    assert len(set(peer.received)) == 40


async def test_a_request_that_is_always_cut_off_counts_as_failed() -> None:
    async def cut_off(number: int) -> bytes | None:
        return None

    async with serving(cut_off) as peer:
        result = await run_closed(peer.target, prepare(peer.target, 4), connections=2, seconds_max=60)
    assert (result.requests, result.failed, result.statuses) == (4, 4, {})
    assert len(peer.received) == 4 * SENDS_MAX
    assert result.latency_ms is not None


async def test_time_ends_a_run_and_what_waits_is_unanswered_with_its_time() -> None:
    async def never(number: int) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async with serving(never) as peer:
        result = await run_closed(
            peer.target, prepare(peer.target, 100), connections=3, seconds_max=0.1, drain_seconds=0.1
        )
    assert (result.requests, result.unanswered, result.statuses) == (3, 3, {})
    assert result.latency_ms is not None
    assert result.latency_ms.p50 >= 199


async def test_no_request_starts_after_the_time_is_up() -> None:
    async def slowly(number: int) -> bytes | None:
        await asyncio.sleep(0.02)
        return OK

    async with serving(slowly) as peer:
        result = await run_closed(peer.target, prepare(peer.target, 5000), connections=2, seconds_max=0.2)
    # Each connection begins a request at 0 s and then at most every 0.02 s; the one begun last is still answered.
    assert result.requests == result.statuses["200"] == len(peer.received) <= 2 * (0.2 / 0.02 + 1)


async def test_an_answer_that_cannot_be_read_ends_the_run() -> None:
    async def chunked(number: int) -> bytes | None:
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    async with serving(chunked) as peer:
        with pytest.raises(UnreadableAnswer, match="chunked answers are not read"):
            await run_closed(peer.target, prepare(peer.target, 10), connections=2, seconds_max=60)


async def test_progress_ends_with_every_answer() -> None:
    told: list[int] = []
    async with serving(always_ok) as peer:
        await run_closed(peer.target, prepare(peer.target, 20), connections=2, seconds_max=60, progress=told.append)
    assert told[-1] == 20
