"""What the service is compared with: an aiohttp handler that reads the body and answers a constant.

It has what any aiohttp service on uvloop has (application, router, the body read whole, an answer of the service's
size) and nothing else: no signature, no validation, no database. So the share that the service reaches of its rate is
what the service's own work leaves.
"""

import asyncio
import gc
import json
import signal
from collections.abc import Callable

from aiohttp import web

from loadtest.fleet import PATH as TELEMETRY_PATH
from loadtest.requests import PATH, REDEMPTIONS_PATH

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1_048_576

# As long as the service's answers to one event, and to one redemption.
ANSWER = json.dumps(
    {
        "outcomes": [
            {"id": "01939c1a-7f00-7c3e-9d5a-3f1f0a6c1b2d", "outcome": "credited", "coins": 125, "balance_coins": 1310}
        ]
    },
    separators=(",", ":"),
).encode()


REDEMPTION_ANSWER = json.dumps(
    {
        "id": "01939c1a-7f00-4c3e-9d5a-3f1f0a6c1b2d",
        "state": "captured",
        "merchant": {"id": "LT-12345", "name": "Merchant 12345"},
        "coins": 10,
        "offer_id": None,
        "balance_coins": 999_999_990,
        "created_at": "2026-11-20T10:00:00.123456Z",
    },
    separators=(",", ":"),
).encode()


async def answer(request: web.Request) -> web.Response:
    """Read the body; answer the constant."""
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def answer_redemption(request: web.Request) -> web.Response:
    """Read the body; answer the constant of a redemption."""
    await request.read()
    return web.Response(status=201, body=REDEMPTION_ANSWER, content_type="application/json")


def build_bare() -> web.Application:
    """The whole application."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post(PATH, answer)
    app.router.add_post(TELEMETRY_PATH, answer)
    app.router.add_post(REDEMPTIONS_PATH, answer_redemption)
    return app


async def serve_bare(port: int, seconds_max: float, listening: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT, or for `seconds_max`; `listening` is told the port, which 0 leaves to the system.

    Raises OSError when the port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(seconds_max, stop.set)
    runner = web.AppRunner(build_bare(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        # As the service does after its start, or the collector would slow the one and not the other.
        gc.collect()
        gc.freeze()
        listening(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
