"""Something between a bin and the service: it changes what passes, or loses an answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager


@asynccontextmanager
async def relay(
    port: int, *, request: Callable[[bytes], bytes] = lambda data: data, instead: Sequence[bytes] = ()
) -> AsyncIterator[int]:
    """A port of 127.0.0.1 whose connections lead on to `port`. `request` changes what a bin sends, one piece at a time;
    the first connections get these bytes `instead` of the service's answer, once it has answered."""
    replacements = list(instead)

    async def pass_on(from_bin: asyncio.StreamReader, to_bin: asyncio.StreamWriter) -> None:
        from_service, to_service = await asyncio.open_connection("127.0.0.1", port)

        async def upwards() -> None:
            while data := await from_bin.read(65536):
                to_service.write(request(data))

        up = asyncio.create_task(upwards())
        try:
            while data := await from_service.read(65536):
                if replacements:
                    to_bin.write(replacements.pop(0))
                    break
                to_bin.write(data)
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            for writer in (to_service, to_bin):
                writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


# What a network for guests answers to anyone, with any status; and what looks like the service and is not.
PORTAL = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>Welcome!"
OF_OTHERS = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"outcomes":[]}'
CUT = b""
