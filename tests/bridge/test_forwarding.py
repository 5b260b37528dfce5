"""What counts as the service's decision, and what is tried again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from service.bridge.forwarding import Service, open_session
from service.bridge.messages import Answer, Request
from service.bridge.metrics import BridgeMetrics

PATH = "/v1/weigh-events"
PROBLEM = "application/problem+json"


@asynccontextmanager
async def asking(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    metrics: BridgeMetrics | None = None,
    patience_seconds: float = 0.0,
) -> AsyncIterator[Service]:
    app = web.Application()
    app.router.add_post(PATH, handler)
    async with TestServer(app) as server, open_session() as session:
        yield Service(
            session,
            str(server.make_url("/")),
            metrics or BridgeMetrics(),
            first_seconds=0.001,
            patience_seconds=patience_seconds,
        )


def request(body: bytes = b"{}") -> Request:
    return Request(PATH, {"Signature": "sig1=:AA==:", "Content-Type": "application/json"}, body)


@pytest.mark.parametrize(
    ("status", "content_type", "is_final"),
    [
        (200, "application/json", True),
        (200, "text/html", False),
        (302, "text/html", False),
        (401, PROBLEM, True),
        (404, "text/html", False),
        (408, PROBLEM, False),
        (429, PROBLEM, False),
        (500, PROBLEM, False),
        (503, PROBLEM, False),
    ],
)
def test_only_the_service_decides(status: int, content_type: str, is_final: bool) -> None:
    assert Answer(status, content_type, b"").is_final is is_final


async def test_the_same_bytes_are_sent_until_they_are_decided() -> None:
    seen: list[tuple[bytes, str, str, float]] = []
    failures = [(503, PROBLEM, "1"), (500, PROBLEM, ""), (429, PROBLEM, "0"), (200, "text/html", ""), (301, "", "")]

    async def handler(asked: web.Request) -> web.StreamResponse:
        body, headers = await asked.read(), asked.headers
        seen.append((body, headers["Signature"], headers["Content-Type"], time.monotonic()))
        if len(seen) > len(failures):
            return web.json_response({"outcomes": []})
        status, content_type, retry_after = failures[len(seen) - 1]
        return web.Response(status=status, headers={"Retry-After": retry_after, "Content-Type": content_type})

    metrics = BridgeMetrics()
    async with asking(handler, metrics) as service:
        answer = await service.decide(request(b'{"a": 1}'))
    assert (answer.status, answer.body) == (200, b'{"outcomes": []}')
    assert {each[:3] for each in seen} == {(b'{"a": 1}', "sig1=:AA==:", "application/json")}
    assert seen[1][3] - seen[0][3] >= 1
    retries = {
        sample.labels["reason"]: sample.value
        for family in text_string_to_metric_families(metrics.exposition("")[0].decode())
        for sample in family.samples
        if sample.name == "tanbi_bridge_retries_total"
    }
    assert retries == {"503": 1, "500": 1, "429": 1, "200": 1, "301": 1}


async def test_what_is_never_decided_while_others_are_is_given_back() -> None:
    async def handler(asked: web.Request) -> web.StreamResponse:
        if await asked.read() == b"stuck":
            return web.Response(status=503, content_type=PROBLEM, body=b"{}")
        return web.json_response({})

    async with asking(handler, patience_seconds=0.02) as service:
        stuck = asyncio.create_task(service.decide(request(b"stuck")))
        while not stuck.done():
            assert (await service.decide(request())).status == 200
        assert (await stuck).status == 503


async def test_nothing_is_given_back_while_the_service_decides_nothing() -> None:
    attempts = 0

    async def handler(asked: web.Request) -> web.StreamResponse:
        nonlocal attempts
        attempts += 1
        if 1 < attempts < 10:
            assert asked.transport is not None
            asked.transport.abort()
        return web.json_response({})

    async with asking(handler) as service:
        assert (await service.decide(request())).status == 200
        # All its failures are after that, and no other request is decided meanwhile.
        assert (await service.decide(request())).status == 200
    assert attempts == 10
