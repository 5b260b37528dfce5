"""Run a bridge: connected to the broker as often as it takes, until told to stop."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import hdrs, web
from aiomqtt import MqttError

from schemas.common import Check, Health
from service.backoff import Backoff
from service.bridge.broker import Broker, CannotBridge
from service.bridge.carrying import Carrier
from service.bridge.forwarding import Service, open_session
from service.bridge.metrics import BridgeMetrics
from service.routing import json_response
from service.settings import Settings

logger = logging.getLogger(__name__)

FIRST_SECONDS: Final = 0.2
SECONDS_MAX: Final = 10.0
# A connection that lasts so long is no sign of trouble when it ends.
SETTLED_SECONDS: Final = 30.0


async def run_bridge(settings: Settings, stop: asyncio.Event, announce: Callable[[], None]) -> None:
    """Carry messages until `stop`; `announce` is called each time that they begin to come.

    Raises CannotBridge where trying again would not help.
    """
    metrics = BridgeMetrics()
    async with _exposed(settings, metrics), open_session() as session:
        service = Service(session, settings.bridge_service_url, metrics)
        backoff = _backoff()
        said = ""
        while not stop.is_set():
            subscribed_at: float | None = None
            lost = ""
            try:
                async with Broker(settings) as broker:
                    await broker.subscribe_to_bins()
                    subscribed_at = time.monotonic()
                    announce()
                    carrier = _carrier(broker, service, metrics, settings)
                    with metrics.connected():
                        await carrier.run(stop, finish_seconds=settings.shutdown_seconds)
            except* MqttError as group:
                lost = _cause(group)
            if subscribed_at is not None:
                if time.monotonic() - subscribed_at > SETTLED_SECONDS:
                    backoff, said = _backoff(), ""
                elif lost:
                    lost += f" (does another bridge use the client id {settings.bridge_client_id}?)"
            if lost and lost != said:
                said = lost
                hint = " (who it is to the broker say TANBI_BRIDGE_USERNAME and TANBI_BRIDGE_PASSWORD)"
                who = hint if "Not authorized" in said or "Bad user name" in said else ""
                logger.warning("no connection to the broker: %s%s; it is tried again", said, who)
            await _first_of(stop.wait(), backoff.wait(0))


def _carrier(broker: Broker, service: Service, metrics: BridgeMetrics, settings: Settings) -> Carrier:
    return Carrier(
        broker,
        service,
        metrics,
        messages_max=settings.bridge_messages_max,
        body_bytes_max=settings.body_bytes_max,
    )


def _cause(error: BaseException) -> str:
    """In the words of what began it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


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
