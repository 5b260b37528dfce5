"""A TCP proxy that now and then cuts the connection when an answer begins: after COMMIT and before the reply."""

import asyncio
from random import Random

from loadtest.target import Target

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


class CuttingProxy:
    """Stands between clients and one process of the service; opened and closed with `async with`.

    Of the answers' chunks the share `cut_share` is not passed on, or only its first half, and both sides of the
    connection are reset. Clients find a service that is down as they would without the proxy: closed.
    """

    def __init__(self, upstream: Target, cut_share: float, random: Random) -> None:
        self.cuts = 0
        self._upstream = upstream
        self._cut_share = cut_share
        self._random = random
        self._server: asyncio.Server
        self._open: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """Where clients reach the service through the proxy."""
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection(self._upstream.host, self._upstream.port)
        except OSError:
            writer.transport.abort()
            return
        directions = [
            asyncio.ensure_future(self._requests(reader, requests)),
            asyncio.ensure_future(self._answers(answers, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            # Not closed but reset: what is still in a buffer must not get through.
            writer.transport.abort()
            requests.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._random.random() < self._cut_share:
                self.cuts += 1
                if self._random.random() < 0.5:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                return
            writer.write(data)
            await writer.drain()
