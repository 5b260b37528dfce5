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
from service.demo import fleet as fleet_module
from service.demo import queries
from service.demo.demo_file import Credentials, DemoBin
from service.demo.drops import Drops
from service.demo.fleet import OFFLINE_DROPS, Fleet, SimulatedBin, WeighEvents
from service.tables import weigh_event

SECRET = bytes(range(32))
KEY = SigningKey("NK-0001", Algorithm.ED25519, SECRET)
BIN = DemoBin(id="NK-0001", alg=Algorithm.ED25519, keyid="NK-0001", private_key=base64.b64encode(SECRET).decode())
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
    async def running(self) -> AsyncIterator[WeighEvents]:
        app = web.Application()
        app.router.add_post("/v1/weigh-events", self.answer)
        async with TestServer(app) as server, ClientSession() as session:
            yield WeighEvents(session, str(server.make_url("")).rstrip("/"))


def events(count: int) -> list[Any]:
    drops = Drops(["04A224B15C6180"], Random(1))  # noqa: S311
    return [drops.drop("NK-0001", number, NOW) for number in range(count)]


async def test_one_event_is_posted_alone_and_several_as_a_batch() -> None:
    moody = Moody()
    async with moody.running() as service:
        await service.post(KEY, events(1))
        await service.post(KEY, events(3))
    assert moody.content_types == ["application/cloudevents+json", "application/cloudevents-batch+json"]
    assert [len(json.loads(moody.bodies[1])), service.outcomes["credited"]] == [3, 4]


async def test_a_retry_sends_the_same_bytes_signed_anew_and_not_sooner_than_asked() -> None:
    moody = Moody(503)
    async with moody.running() as service:
        await service.post(KEY, events(2))
    assert len(set(moody.bodies)) == 1
    created = [parse_signature_headers(value, "sig1=:AA==:").created for value in moody.signatures]
    assert created[0] is not None
    assert created[1] is not None
    assert created[1] > created[0]
    assert moody.came_at[1] - moody.came_at[0] >= 2
    assert (service.retries, service.outcomes["credited"]) == (1, 2)


async def test_a_cut_connection_and_a_server_error_are_tried_again() -> None:
    moody = Moody(None, 500)
    async with moody.running() as service:
        await service.post(KEY, events(1))
    assert (len(moody.bodies), len(set(moody.bodies)), service.retries) == (3, 1, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_what_no_retry_mends_is_given_up(status: int) -> None:
    moody = Moody(status)
    async with moody.running() as service:
        await service.post(KEY, events(1))
    assert (len(moody.bodies), service.refused, service.outcomes.total()) == (1, 1, 0)


def test_a_bin_goes_on_counting_from_where_it_was_and_says_of_an_outage_when_it_was() -> None:
    weighed: list[Any] = []

    class Remembered(Drops):
        def drop(self, bin_id: str, sequence: int, occurred_at: datetime) -> Any:
            weighed.append((sequence, occurred_at))
            return super().drop(bin_id, sequence, occurred_at)

    random = Random(3)  # noqa: S311
    simulated = SimulatedBin(BIN, 41, Remembered(["04A224B15C6180"], random), random)
    drops = [simulated.visit() for _ in range(500)]
    assert [sequence for sequence, _ in weighed] == list(range(42, 42 + sum(drops)))
    assert max(drops) > 1
    assert all(count == 1 or OFFLINE_DROPS[0] <= count <= OFFLINE_DROPS[1] for count in drops)
    ages = [datetime.now(UTC) - occurred_at for _, occurred_at in weighed]
    assert max(ages) > timedelta(hours=1)
    assert min(ages) > timedelta(seconds=-1)


async def late_events(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        late = weigh_event.c.occurred_at < weigh_event.c.received_at - timedelta(minutes=5)
        return (await connection.execute(sa.select(sa.func.count()).where(late))).scalar_one()


async def test_the_fleets_events_are_credited_and_its_echoes_are_duplicates(
    demo_client: TestClient[Any, Any],
    planted: Credentials,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_module, "OFFLINE_SECONDS", (0.1, 0.3))
    async with ClientSession() as session:
        service = WeighEvents(session, str(demo_client.make_url("")).rstrip("/"))
        fleet = Fleet(
            service,
            planted.bins,
            [each.card for each in planted.residents],
            {"NK-0001": 1000},
            random=Random(5),  # noqa: S311
            events_per_second=200,
        )
        running = asyncio.create_task(fleet.run_forever())
        while not (service.outcomes["duplicate"] and await late_events(engine)):
            await asyncio.sleep(0.05)
            assert not running.done(), running.result()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert service.outcomes.keys() <= {"credited", "unclaimed", "duplicate"}
    assert service.outcomes["credited"] > 0
    assert service.refused == 0
    async with engine.connect() as connection:
        lowest = (
            await connection.execute(
                sa.select(sa.func.min(weigh_event.c.sequence)).where(weigh_event.c.bin_id == "NK-0001")
            )
        ).scalar_one()
        assert lowest > 1000
        assert (await queries.read_sequences(connection))["NK-0001"] > 1000
