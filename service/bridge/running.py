"""Run a bridge: connected to the broker as often as it takes, until told to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import hdrs, web
from aiomqtt import MqttError

from schemas.common import Check, Health
from service.backoff import TIMEOUT, Backoff
from service.bridge.broker import Broker, CannotBridge, is_taken_over
from service.bridge.carrying import Carrier
from service.bridge.forwarding import Service, open_session
from service.bridge.metrics import BridgeMetrics
from service.routing import json_response
from service.settings import Settings

logger = logging.getLogger(__name__)

FIRST_SECONDS: Final = 0.2
SECONDS_MAX: Final = 10.0
TAKEN_OVER: Final = "another bridge has connected under this client id: give each its own TANBI_BRIDGE_CLIENT_ID"


async def run_bridge(settings: Settings, stop: asyncio.Event, announce: Callable[[], None]) -> None:
    """Carry messages until `stop`; `announce` is called each time that they begin to come.

    Raises CannotBridge where trying again would not help.
    """
    metrics = BridgeMetrics()
    async with _exposed(settings, metrics), open_session(settings.bridge_messages_max, TIMEOUT) as session:
        service = Service(session, settings.bridge_service_url, metrics)
        backoff = _backoff()
        said = ""
        while not stop.is_set():
            lost: list[BaseException] = []
            try:
                async with Broker(settings) as broker:
                    await broker.subscribe_to_bins()
                    announce()
                    backoff, said = _backoff(), ""
                    carrier = Carrier(
                        broker,
                        service,
                        metrics,
                        messages_max=settings.bridge_messages_max,
                        body_bytes_max=settings.body_bytes_max,
                    )
                    with metrics.connected():
                        await carrier.run(stop, finish_seconds=settings.shutdown_seconds)
            except* MqttError as group:
                lost.extend(group.exceptions)
            if any(map(is_taken_over, lost)):
                raise CannotBridge(TAKEN_OVER)
            if lost and said != str(lost[0]):
                said = str(lost[0])
                logger.warning("no connection to the broker: %s; it is tried again", said)
            await _first_of(stop.wait(), backoff.wait(0))


def _backoff() -> Backoff:
    return Backoff(first_seconds=FIRST_SECONDS, seconds_max=SECONDS_MAX)


async def _first_of(*awaited: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_until_signalled(settings: Settings, announce: Callable[[], None]) -> None:
    """Carry messages until SIGTERM or SIGINT. Raises what run_bridge raises."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await run_bridge(settings, stop, announce)


@asynccontextmanager
async def _exposed(settings: Settings, metrics: BridgeMetrics) -> AsyncIterator[None]:
    """`/metrics` and `/readyz` of the bridge, where a port is set for them."""

    async def get_metrics(request: web.Request) -> web.Response:
        body, content_type = metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    async def get_readyz(_request: web.Request) -> web.Response:
        ready = metrics.is_connected
        broker = Check(ok=ready, detail="messages can come" if ready else "not connected")
        health = Health(status="ok" if ready else "unavailable", checks={"broker": broker})
        return json_response(health, 200 if ready else 503)

    if not settings.bridge_port:
        yield
        return
    app = web.Application()
    app.router.add_get("/metrics", get_metrics)
    app.router.add_get("/readyz", get_readyz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.bridge_port).start()
        except OSError as error:
            raise CannotBridge(f"cannot listen on {settings.host}:{settings.bridge_port}: {error.strerror}") from None
        yield
    finally:
        await runner.cleanup()
