"""Simulated bins: against the service, and against one that answers badly on purpose."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm, SigningKey, parse_signature_headers
from service.db import snapshot
from service.demo import fleet as fleet_module
from service.demo import queries
from service.demo.demo_file import Credentials, DemoBin
from service.demo.drops import BOX_GRAMS_MAX, Drops, Standing
from service.demo.fleet import AWAY_DROPS, Fleet, SimulatedBin
from service.demo.uplink import CLEARANCES, TELEMETRY, WEIGH_EVENTS, Uplink
from service.tables.bins import bin_status
from service.tables.weighing import held_event, weigh_event

SECRET = bytes(range(32))
KEY = SigningKey("NK-0001", Algorithm.ED25519, SECRET)
BIN = DemoBin(id="NK-0001", alg=Algorithm.ED25519, keyid="NK-0001", private_key=base64.b64encode(SECRET).decode())
# What people do now and then; the away bins' drops may also be more than a resident's day bears.
MISHAPS = {"box_mass_short", "heavy_drop", "above_capacity", "time_in_future", "day_drops", "day_grams", "day_coins"}
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


class Moody:
    """Answers as its list says, and remembers what came. A number is a status; None cuts the connection."""

    def __init__(self, *moods: int | None) -> None:
        self._moods = list(moods)
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.content_types: list[str] = []
        self.came_at: list[float] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers["Signature-Input"])
        self.content_types.append(request.content_type)
        self.came_at.append(time.monotonic())
        mood = self._moods.pop(0) if self._moods else 200
        if mood is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if mood != 200:
            return web.Response(status=mood, headers={"Retry-After": "2"} if mood == 503 else {})
        events = json.loads(self.bodies[-1])
        count = len(events) if isinstance(events, list) else 1
        return web.json_response({"outcomes": [{"id": "1", "outcome": "credited"}] * count})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Uplink]:
        app = web.Application()
        app.router.add_post("/v1/weigh-events", self.answer)
        async with TestServer(app) as server, ClientSession() as session:
            yield Uplink(session, str(server.make_url("")).rstrip("/"))


def events(count: int) -> list[Any]:
    drops = Drops(["04A224B15C6180"], Random(1))  # noqa: S311
    return [drops.drop("NK-0001", number, NOW) for number in range(count)]


async def test_one_event_is_posted_alone_and_several_as_a_batch() -> None:
    moody = Moody()
    async with moody.running() as uplink:
        await uplink.post(KEY, WEIGH_EVENTS, events(1))
        await uplink.post(KEY, WEIGH_EVENTS, events(3))
    assert moody.content_types == ["application/cloudevents+json", "application/cloudevents-batch+json"]
    assert [len(json.loads(moody.bodies[1])), uplink.outcomes[WEIGH_EVENTS]["credited"]] == [3, 4]


async def test_a_retry_sends_the_same_bytes_signed_anew_and_not_sooner_than_asked() -> None:
    moody = Moody(503)
    async with moody.running() as uplink:
        await uplink.post(KEY, WEIGH_EVENTS, events(2))
    assert len(set(moody.bodies)) == 1
    created = [parse_signature_headers(value, "sig1=:AA==:").created for value in moody.signatures]
    assert created[0] is not None
    assert created[1] is not None
    assert created[1] > created[0]
    assert moody.came_at[1] - moody.came_at[0] >= 2
    assert (uplink.retries, uplink.outcomes[WEIGH_EVENTS]["credited"]) == (1, 2)


async def test_a_cut_connection_and_a_server_error_are_tried_again() -> None:
    moody = Moody(None, 500)
    async with moody.running() as uplink:
        await uplink.post(KEY, WEIGH_EVENTS, events(1))
    assert (len(moody.bodies), len(set(moody.bodies)), uplink.retries) == (3, 1, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_what_no_retry_mends_is_told_apart(status: int) -> None:
    moody = Moody(status)
    async with moody.running() as uplink:
        assert not await uplink.post(KEY, WEIGH_EVENTS, events(1))
    assert (len(moody.bodies), uplink.refused, uplink.outcomes[WEIGH_EVENTS].total()) == (1, 1, 0)


async def test_a_bin_keeps_what_is_refused_and_sends_it_when_that_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "REFUSED_SECONDS", 0.01)
    monkeypatch.setattr(fleet_module, "TWICE_SHARE", 0.0)
    moody, random = Moody(403, 403), Random(3)  # noqa: S311
    simulated = SimulatedBin(BIN, Standing(41), Drops(["04A224B15C6180"], random), random)
    simulated.visit()
    async with moody.running() as uplink, asyncio.timeout(60):
        posting = asyncio.create_task(simulated.post_forever(uplink))
        while simulated.waiting:
            await asyncio.sleep(0.01)
            assert not posting.done(), posting.result()
        posting.cancel()
    assert [json.loads(body)["data"]["sequence"] for body in moody.bodies] == [42, 42, 42]
    assert (uplink.refused, uplink.outcomes[WEIGH_EVENTS]["credited"]) == (2, 1)


def weighed(standing: Standing, *, away: bool, visits: int) -> list[Any]:
    """What a bin puts into its outbox, in the order of its count."""
    random = Random(3)  # noqa: S311
    simulated = SimulatedBin(BIN, standing, Drops(["04A224B15C6180"], random), random)
    if away:
        simulated.stay_away()
    for _ in range(visits):
        simulated.visit()
    return sorted((kept.event for kept in simulated.waiting), key=lambda event: event["data"]["sequence"])


def test_a_bin_goes_on_counting_from_where_it_was() -> None:
    sequences = [event["data"]["sequence"] for event in weighed(Standing(41), away=False, visits=500)]
    assert sequences == list(range(42, 42 + len(sequences)))
    assert len(sequences) > 500


def test_a_bin_that_was_away_says_of_each_drop_when_it_was_and_never_before_its_last_one() -> None:
    now = datetime.now(UTC)
    for last_at in (None, now - timedelta(hours=5)):
        standing = Standing(0, None if last_at is None else last_at.timestamp())
        events = weighed(standing, away=True, visits=0)
        # One more where a box was emptied.
        assert AWAY_DROPS[0] <= len(events) <= 2 * AWAY_DROPS[1]
        times = [event["time"] for event in events]
        assert times[0] < now - timedelta(hours=1)
        assert times == sorted(times)
        if last_at is not None:
            assert times[0] >= last_at.replace(microsecond=0)


def test_a_box_weighs_what_was_in_it_and_the_drop_until_it_is_emptied_unless_someone_leant_or_took() -> None:
    boxes = {"paper": 12_340}
    known = leant = emptied = missing = 0
    for event in weighed(Standing(7, None, boxes), away=False, visits=3000):
        data = event["data"]
        before = boxes.get(data["material"], 0)
        if event["type"] == "tanbi.clearance.v1":
            emptied += data["mass_before_grams"] == before
            missing += data["mass_before_grams"] < before
            boxes[data["material"]] = data["mass_after_grams"]
            continue
        box = boxes[data["material"]] = data["box_weight_grams"]
        assert box <= BOX_GRAMS_MAX
        known += box == before + data["weight_grams"]
        leant += box < before + data["weight_grams"]
    assert (known + leant, emptied > 100) == (3000, True)
    assert 0 < leant < 20
    assert 0 < missing < 20


async def count(engine: AsyncEngine, rows: sa.Select[Any]) -> int:
    async with engine.connect() as connection:
        counted: int = (await connection.execute(sa.select(sa.func.count()).select_from(rows.subquery()))).scalar_one()
        return counted


async def test_the_fleets_events_are_credited_but_for_its_mishaps_and_operators_see_its_bins(
    demo_client: TestClient[Any, Any],
    planted: Credentials,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_module, "AWAY_SECONDS", (0.1, 0.3))
    monkeypatch.setattr(fleet_module, "OFFLINE_SECONDS", (0.1, 0.3))
    monkeypatch.setattr(fleet_module, "TELEMETRY_SECONDS", 1.0)
    late = sa.select(weigh_event.c.event_id).where(
        weigh_event.c.occurred_at < weigh_event.c.received_at - timedelta(minutes=5)
    )
    async with ClientSession() as session:
        uplink = Uplink(session, str(demo_client.make_url("")).rstrip("/"))
        told = uplink.outcomes[WEIGH_EVENTS]
        fleet = Fleet(
            uplink,
            planted.bins,
            [each.card for each in planted.residents],
            {"NK-0001": Standing(1000)},
            random=Random(5),  # noqa: S311
            events_per_second=200,
        )
        running = asyncio.create_task(fleet.run_forever())
        while not (
            told["duplicate"]
            and told["held"]
            and told["credited"] > 500
            and uplink.outcomes[CLEARANCES]["recorded"] > 20
            and await count(engine, late)
            and await count(engine, sa.select(bin_status.c.bin_id)) == len(planted.bins)
        ):
            await asyncio.sleep(0.05)
            assert not running.done(), running.result()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert told.keys() <= {"credited", "unclaimed", "duplicate", "held", "rejected"}
    assert told["held"] + told["rejected"] < 0.03 * told.total()
    assert uplink.outcomes[TELEMETRY].keys() == {"recorded"}
    assert uplink.outcomes[CLEARANCES].keys() <= {"recorded", "duplicate"}
    assert uplink.refused == 0
    # What was under way may still arrive.
    async with snapshot(engine) as connection:
        standings = await queries.read_standings(connection)
        held = (await connection.execute(sa.select(held_event.c.findings))).scalars().all()
        rows = (await connection.execute(sa.select(weigh_event.c.bin_id, weigh_event.c.sequence))).all()
    assert {finding["code"] for findings in held for finding in findings} <= MISHAPS
    assert min(row.sequence for row in rows if row.bin_id == "NK-0001") == 1001
    # Each goes on from where it is, with what lies in its boxes.
    for each in planted.bins:
        assert standings[each.id].sequence >= max(row.sequence for row in rows if row.bin_id == each.id)
        assert standings[each.id].boxes
