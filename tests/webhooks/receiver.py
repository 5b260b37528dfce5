"""A merchant's server: keeps what is posted to it and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """`statuses` are answered one after the other, then 200; paths that begin with /slow wait for `released`."""

    base_url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, await request.read()))
        async with self.arrived:
            self.arrived.notify_all()
        if request.path.startswith("/slow"):
            await self.released.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, headers=self.headers)

    async def has(self, holds: Callable[[list[Received]], bool]) -> None:
        """Wait until what was received is as wanted."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: holds(self.received))


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver("")
    handler: Callable[[web.Request], Awaitable[web.Response]] = receiver.answer
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()
