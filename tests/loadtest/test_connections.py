import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from loadtest.connections import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    SENDS_MAX,
    Connection,
    UnreadableAnswer,
    close_connections,
    extent_of,
    in_flight_since,
    open_connections,
)
from loadtest.target import Target
from tests.loadtest.peer import OK, Peer, serving

REQUEST = b"POST /v1/weigh-events HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"

# Each loop closes and writes in its own way; the generator runs on uvloop.
LOOPS: list[Callable[[Coroutine[Any, Any, None]], None]] = [asyncio.run, uvloop.run]
on_both_loops = pytest.mark.parametrize("run", LOOPS, ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]


class Log:
    """A driver that keeps what it is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[int, bytes] | str | UnreadableAnswer] = asyncio.Queue()

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        self.told.put_nowait((status, body))

    def failed(self, connection: Connection) -> None:
        self.told.put_nowait("failed")

    def unreadable(self, error: UnreadableAnswer) -> None:
        self.told.put_nowait(error)


async def exchange(peer: Peer, count: int = 1) -> tuple[list[object], Connection]:
    """What the driver heard of `count` requests, one after the other, on one connection."""
    log = Log()
    [connection] = await open_connections(peer.target, 1, log)
    heard: list[object] = []
    try:
        for _ in range(count):
            connection.send(REQUEST, 0.0)
            heard.append(await log.told.get())
    finally:
        await close_connections([connection])
    return heard, connection


@on_both_loops
def test_one_connection_carries_many_requests(run: Run) -> None:
    async def scenario() -> None:
        async with serving() as peer:
            heard, connection = await exchange(peer, 20)
        assert heard == [(200, b'{"outcome":"credited"}')] * 20
        assert peer.received == [REQUEST] * 20
        assert (peer.connections, connection.repeats) == (1, 0)

    run(scenario())


@on_both_loops
def test_a_request_whose_connection_closes_is_sent_again_with_the_same_bytes(run: Run) -> None:
    async def close_first(number: int) -> bytes | None:
        return OK if number else None

    async def scenario() -> None:
        async with serving(close_first) as peer:
            heard, connection = await exchange(peer)
        assert heard == [(200, b'{"outcome":"credited"}')]
        assert peer.received == [REQUEST] * 2
        assert (peer.connections, connection.repeats) == (2, 1)

    run(scenario())


@on_both_loops
def test_a_request_fails_after_its_last_send_and_the_next_one_goes_on(run: Run) -> None:
    async def close_many(number: int) -> bytes | None:
        return OK if number >= SENDS_MAX else None

    async def scenario() -> None:
        async with serving(close_many) as peer:
            heard, _ = await exchange(peer, 2)
        assert heard == ["failed", (200, b'{"outcome":"credited"}')]
        assert len(peer.received) == SENDS_MAX + 1

    run(scenario())


@on_both_loops
def test_an_answer_cut_in_half_is_no_answer(run: Run) -> None:
    async def scenario() -> None:
        halves = 0

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal halves
            await reader.readuntil(b"{}")
            halves += 1
            writer.write(OK[:-5] if halves == 1 else OK)
            writer.close()

        server = await asyncio.start_server(half, "127.0.0.1", 0)
        async with server:
            heard, connection = await exchange(Peer(Target("127.0.0.1", server.sockets[0].getsockname()[1])))
        assert heard == [(200, b'{"outcome":"credited"}')]
        assert connection.repeats == 1

    run(scenario())


@on_both_loops
def test_a_server_that_closes_after_each_answer_is_served_by_new_connections(run: Run) -> None:
    async def scenario() -> None:
        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(OK)
            writer.close()

        server = await asyncio.start_server(once, "127.0.0.1", 0)
        async with server:
            heard, _ = await exchange(Peer(Target("127.0.0.1", server.sockets[0].getsockname()[1])), 10)
        assert heard == [(200, b'{"outcome":"credited"}')] * 10

    run(scenario())


@on_both_loops
def test_a_server_that_comes_back_finds_the_request_that_waited(run: Run) -> None:
    async def scenario() -> None:
        log = Log()
        async with serving() as peer:
            [connection] = await open_connections(peer.target, 1, log)
        try:
            connection.send(REQUEST, 0.0)
            async with serving(port=peer.target.port) as again:
                assert await log.told.get() == (200, b'{"outcome":"credited"}')
            assert again.received == [REQUEST]
        finally:
            await connection.close()

    run(scenario())


@on_both_loops
def test_a_request_given_while_the_connection_is_closing_waits_for_the_next(run: Run) -> None:
    async def scenario() -> None:
        log = Log()
        async with serving() as peer:
            [connection] = await open_connections(peer.target, 1, log)
            assert connection._transport is not None
            connection._transport.abort()
            connection.send(REQUEST, 0.0)
            assert await log.told.get() == (200, b'{"outcome":"credited"}')
            await connection.close()
        assert (peer.received, connection.repeats) == ([REQUEST], 0)

    run(scenario())


@on_both_loops
def test_closing_gives_up_what_is_in_flight(run: Run) -> None:
    async def scenario() -> None:
        async def never(number: int) -> bytes | None:
            await asyncio.Event().wait()
            return None

        async with serving(never) as peer:
            connections = await open_connections(peer.target, 2, Log())
            connections[1].send(REQUEST, 12.5)
            assert in_flight_since(connections) == [12.5]
            await close_connections(connections)

    run(scenario())


@on_both_loops
def test_nobody_listening_is_an_error_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with serving() as peer:
            pass
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await open_connections(peer.target, 3, Log())

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 xyz\r\nContent-Length: 0\r\n\r\n",
        OK + b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_read_is_reported(answer: bytes) -> None:
    async def give(number: int) -> bytes | None:
        return answer

    async with serving(give) as peer:
        heard, _ = await exchange(peer)
    assert isinstance(heard[0], UnreadableAnswer)


async def test_an_answer_may_come_byte_by_byte() -> None:
    log = Log()
    connection = Connection(Target("127.0.0.1", 1), log)
    connection.send(REQUEST, 0.0)
    for position in range(len(OK)):
        assert log.told.empty()
        connection.data_received(OK[position : position + 1])
    assert log.told.get_nowait() == (200, b'{"outcome":"credited"}')
    assert not connection.in_flight


@pytest.mark.parametrize("line", [b"content-length:22", b"CONTENT-LENGTH: 22", b"Content-Length: 22 "])
def test_the_length_is_found_however_it_is_written(line: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\n" + line + b"\r\n\r\n"
    assert extent_of(head + b"x" * 22) == (len(head), len(head) + 22)


def test_a_length_in_the_body_is_not_the_answers() -> None:
    with pytest.raises(UnreadableAnswer):
        extent_of(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n\r\nContent-Length: 3\r\n")


def test_what_an_answer_may_fill_is_bounded() -> None:
    with pytest.raises(UnreadableAnswer, match="head is longer"):
        extent_of(b"x" * (HEAD_BYTES_MAX + 1))
    with pytest.raises(UnreadableAnswer, match="body is longer"):
        extent_of(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1))
