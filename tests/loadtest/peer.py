"""An HTTP/1.1 server that does to its callers what a test tells it to."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from loadtest.target import Target

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n" + b'{"outcome":"credited"}'


@dataclass
class Peer:
    """What the server has seen: whole requests in order, connections taken, and how many requests waited at once."""

    target: Target
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    in_flight_max: int = 0


# Told the number of the request (from 0); its answer is written as it is, None closes the connection without one.
Answer = Callable[[int], Awaitable[bytes | None]]


async def always_ok(number: int) -> bytes | None:
    """200 to everything."""
    return OK


@asynccontextmanager
async def serving(answer: Answer = always_ok, port: int = 0) -> AsyncIterator[Peer]:
    """A peer on 127.0.0.1 while the block lasts."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        try:
            while (number := await read_request(peer, reader)) is not None:
                reply = await answer(number)
                peer.in_flight -= 1
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    peer = Peer(Target("127.0.0.1", server.sockets[0].getsockname()[1]))
    try:
        yield peer
    finally:
        server.close()
        running = list(tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def read_request(peer: Peer, reader: asyncio.StreamReader) -> int | None:
    """The number of the next request of a connection; None when it is closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", head)
        body = await reader.readexactly(int(length[1])) if length else b""
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    peer.received.append(head + body)
    peer.in_flight += 1
    peer.in_flight_max = max(peer.in_flight_max, peer.in_flight)
    return len(peer.received) - 1
