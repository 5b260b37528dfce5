import time

import pytest
from aiohttp import web

from loadtest.closed import run_closed
from loadtest.requests import PATH, Prepared, StaleRequests
from loadtest.target import Target
from schemas.signatures import (
    TOLERANCE_SECONDS,
    Algorithm,
    SigningKey,
    VerifyKey,
    parse_signature_headers,
    verify_request,
)
from schemas.weigh_events import weigh_event_adapter, weigh_event_batch_adapter
from tests.loadtest.prepared import BINS, prepare, renderer

HERE = Target("127.0.0.1", 8080)
NOW = 1_790_000_000


def verify_key(key: SigningKey) -> VerifyKey:
    hmac = key.algorithm is Algorithm.HMAC_SHA256
    return VerifyKey(key.keyid, key.algorithm, key.secret if hmac else key.public_bytes)


@pytest.mark.parametrize(("events_each", "media_type"), [(1, "cloudevents+json"), (5, "cloudevents-batch+json")])
async def test_requests_are_http_and_their_signatures_hold(events_each: int, media_type: str) -> None:
    keys = {item.key.keyid: (item.bin_id, verify_key(item.key)) for item in BINS}
    sources: list[str] = []

    async def verified(request: web.Request) -> web.Response:
        body = await request.read()
        parsed = parse_signature_headers(request.headers["Signature-Input"], request.headers["Signature"])
        bin_id, key = keys[parsed.keyid]
        verify_request(
            key,
            parsed,
            method=request.method,
            target=request.path_qs,
            fields={name.lower(): value for name, value in request.headers.items()},
            body=body,
            now=int(time.time()),
        )
        assert request.content_type == f"application/{media_type}"
        assert request.headers["Host"] == target.authority
        events = (
            weigh_event_batch_adapter.validate_json(body)
            if events_each > 1
            else [weigh_event_adapter.validate_json(body)]
        )
        assert len(events) == events_each
        assert {event["source"] for event in events} == {f"/bins/{bin_id}"}
        sources.append(bin_id)
        return web.json_response({"outcomes": ["credited"] * events_each})

    app = web.Application()
    app.router.add_post(PATH, verified)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = Target("127.0.0.1", runner.addresses[0][1])
        result = await run_closed(target, prepare(target, 30, events_each), connections=1, seconds_max=60)
    finally:
        await runner.cleanup()
    assert result.statuses == {"200": 30}
    assert result.outcomes == {"credited": 30 * events_each}
    assert sources == [item.bin_id for item in BINS] * 10


def test_one_seed_and_moment_render_the_same_bytes() -> None:
    first = renderer(HERE).render(50, created=NOW)
    assert renderer(HERE).render(50, created=NOW) == first
    assert renderer(HERE, seed=2).render(50, created=NOW) != first
    assert len(set(first.requests)) == 50


def test_a_second_rendering_goes_on_where_the_first_ended() -> None:
    whole = renderer(HERE).render(20, created=NOW).requests
    rest = renderer(HERE)
    assert [*rest.render(7, created=NOW).requests, *rest.render(13, created=NOW).requests] == whole


def test_rendering_tells_its_progress_and_ends_with_all() -> None:
    told: list[int] = []
    renderer(HERE).render(2500, created=NOW, progress=told.append)
    assert told == [0, 1000, 2000, 2500]


@pytest.mark.parametrize(("count", "events_each"), [(0, 1), (1, 0), (1, 501), (1_000_001, 1)])
def test_rendering_is_bounded(count: int, events_each: int) -> None:
    with pytest.raises(ValueError, match="Render 1 to"):
        renderer(HERE).render(count, created=NOW, events_each=events_each)


def test_a_round_that_would_outlast_its_signatures_is_refused() -> None:
    fresh = Prepared([], 1, created=int(time.time()))
    fresh.check_fresh(TOLERANCE_SECONDS / 2)
    with pytest.raises(StaleRequests, match="render right before each round"):
        fresh.check_fresh(TOLERANCE_SECONDS + 1)
    old = Prepared([], 1, created=int(time.time()) - TOLERANCE_SECONDS)
    with pytest.raises(StaleRequests):
        old.check_fresh(1)


async def test_both_loops_refuse_stale_requests() -> None:
    old = Prepared([b""], 1, created=int(time.time()) - TOLERANCE_SECONDS)
    with pytest.raises(StaleRequests):
        await run_closed(HERE, old, connections=1, seconds_max=1)
