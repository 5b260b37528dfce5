"""Bare HTTP/1.1 connections: prepared bytes out, status and body in.

An HTTP client library would be the limit long before the service is. So a connection writes bytes that were rendered
beforehand and reads of the answer only the status, the Content-Length and the body. It has one request in flight.

A connection that closes is opened again. The request that was in flight is sent again, the same bytes, as a bin would:
the service takes a retry of the same bytes as a duplicate. After SENDS_MAX sends it counts as failed.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Protocol, cast

from loadtest.target import Target

SENDS_MAX = 3
REOPEN_PAUSE_SECONDS = 0.05
HEAD_BYTES_MAX = 65_536
BODY_BYTES_MAX = 16_777_216

CONTENT_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
LENGTH_FIELD = b"\r\nContent-Length: "


class UnreadableAnswer(Exception):
    """The answer is not HTTP/1.1 with a Content-Length (chunked answers are not read): is this the service?"""


class Driver(Protocol):
    """Who decides what a connection sends next. All three are called from the event loop and must not block."""

    def answered(self, connection: "Connection", status: int, body: bytes) -> None:
        """The request in flight has its answer; the connection is free."""

    def failed(self, connection: "Connection") -> None:
        """The request in flight was sent SENDS_MAX times and never answered; the connection is free."""

    def unreadable(self, error: UnreadableAnswer) -> None:
        """What came back cannot be read; the run should end."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight, opened again whenever it closes.

    `started` is when the request in flight was to start, as the driver says, in seconds of `time.perf_counter`;
    `repeats` counts the sends beyond the first of all requests so far.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_driver",
        "_reopening",
        "_request",
        "_sends",
        "_target",
        "_transport",
        "repeats",
        "started",
    )

    def __init__(self, target: Target, driver: Driver) -> None:
        self.started = 0.0
        self.repeats = 0
        self._target = target
        self._driver = driver
        self._transport: asyncio.Transport | None = None
        self._request: bytes | None = None
        self._sends = 0
        self._buffer = b""
        self._closed: asyncio.Future[None] | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> bool:
        """Whether a request has been given and has neither been answered nor failed."""
        return self._request is not None

    async def open(self) -> None:
        """Connect. Raises OSError where nobody listens."""
        await asyncio.get_running_loop().create_connection(lambda: self, self._target.host, self._target.port)

    async def close(self) -> None:
        """Close for good; a request in flight is given up."""
        self._closed = asyncio.get_running_loop().create_future()
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
        if self._transport is not None:
            self._transport.abort()
            await self._closed

    def send(self, request: bytes, started: float) -> None:
        """Put a request in flight; while the connection is being opened again, it waits for that."""
        self.started = started
        self._request = request
        self._sends = 0
        # A transport that is closing takes no more; connection_lost is on its way and opens another.
        if self._transport is not None and not self._transport.is_closing():
            self._sends = 1
            self._transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""
        if self._request is not None and self._closed is None:
            self.repeats += self._sends > 0
            self._sends += 1
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._closed is not None:
            self._closed.set_result(None)
            return
        self._reopening = asyncio.get_running_loop().create_task(self._reopen())
        if self._request is not None and self._sends >= SENDS_MAX:
            self._request = None
            self._driver.failed(self)

    async def _reopen(self) -> None:
        # Bounded by close(), which every run calls when its time is up.
        while True:
            try:
                await self.open()
                break
            except OSError:
                await asyncio.sleep(REOPEN_PAUSE_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        try:
            body_at, end = extent_of(data)
            status = status_of(data) if end <= len(data) else 0
        except UnreadableAnswer as error:
            self._driver.unreadable(error)
            return
        if end > len(data):
            self._buffer = data
        elif end < len(data) or self._request is None:
            self._driver.unreadable(UnreadableAnswer(f"{UnreadableAnswer.__doc__} More came than was asked for."))
        else:
            self._buffer = b""
            self._request = None
            self._driver.answered(self, status, data[body_at:])


def extent_of(data: bytes) -> tuple[int, int]:
    """Where the body of an answer begins and where it ends, in bytes from the start of the head.

    While the head is incomplete, that is beyond what has come. Raises UnreadableAnswer for an answer without
    Content-Length or beyond the bounds.
    """
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        if len(data) > HEAD_BYTES_MAX:
            raise UnreadableAnswer(f"{UnreadableAnswer.__doc__} Its head is longer than {HEAD_BYTES_MAX} bytes.")
        return len(data) + 1, len(data) + 1
    length = content_length(data, head_end)
    if length > BODY_BYTES_MAX:
        raise UnreadableAnswer(f"{UnreadableAnswer.__doc__} Its body is longer than {BODY_BYTES_MAX} bytes.")
    return head_end + 4, head_end + 4 + length


def status_of(data: bytes) -> int:
    """The status of an answer that begins with `HTTP/1.1 200 `; raises UnreadableAnswer for anything else."""
    digits = data[9:12]
    if not data.startswith(b"HTTP/1.1 ") or not digits.isdigit():
        raise UnreadableAnswer(f"{UnreadableAnswer.__doc__} It begins with {data[:40]!r}.")
    return int(digits)


def content_length(data: bytes, head_end: int) -> int:
    """The Content-Length, in bytes, of an answer whose head ends at `head_end`; raises UnreadableAnswer without one."""
    at = data.find(LENGTH_FIELD, 0, head_end)
    if at >= 0:
        digits = data[at + len(LENGTH_FIELD) : data.find(b"\r", at + len(LENGTH_FIELD))]
        if digits.isdigit():
            return int(digits)
    match = CONTENT_LENGTH.search(data, 0, head_end + 2)
    if match is None:
        raise UnreadableAnswer(f"{UnreadableAnswer.__doc__} Its head is {data[: min(head_end, 400)]!r}.")
    return int(match[1])


async def open_connections(target: Target, count: int, driver: Driver) -> list[Connection]:
    """`count` open connections. Raises OSError where nobody listens; those already open are closed first."""
    connections = [Connection(target, driver) for _ in range(count)]
    try:
        for connection in connections:
            await connection.open()
    except OSError:
        await close_connections(connections)
        raise
    return connections


async def close_connections(connections: Sequence[Connection]) -> None:
    """Close all for good."""
    for connection in connections:
        await connection.close()


def in_flight_since(connections: Sequence[Connection]) -> list[float]:
    """When the requests in flight were to start, in seconds of perf_counter."""
    return [connection.started for connection in connections if connection.in_flight]
