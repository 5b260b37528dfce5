"""Bins and residents of the crash run, against two replicas that remember what they were sent and cut answers off."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession, web

from loadtest.calling import Caller
from loadtest.cutting import CuttingProxy
from loadtest.demo import DemoResident
from loadtest.devices import BinClient, is_verdict_on_events
from loadtest.journal import Journal, Phase
from loadtest.patience import Patient, open_session
from loadtest.redeemers import Spender
from loadtest.requests import PATH, REDEMPTIONS_PATH
from loadtest.target import Target
from schemas.weigh_events import weigh_event_adapter, weigh_event_batch_adapter
from tests.loadtest.prepared import BINS, draws

RESIDENTS = [DemoResident(id=number, card=f"04A2{number:010X}", token=f"token-{number}") for number in range(1, 6)]
REQUESTS_MIN = 150


class Replicas:
    """What both have received: ids of events by request, and redemption bodies by key."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, list[str]]] = []
        self.redemptions: dict[str, tuple[bytes, str]] = {}
        self.replica_by_body: dict[bytes, set[str]] = {}
        self.enough = asyncio.Event()
        self._coins: dict[str, int] = {}

    async def post_events(self, request: web.Request) -> web.Response:
        body = await request.read()
        batched = "batch" in request.content_type
        events = weigh_event_batch_adapter.validate_json(body) if batched else [weigh_event_adapter.validate_json(body)]
        self.requests.append((request.host, [event["id"] for event in events]))
        self.replica_by_body.setdefault(body, set()).add(request.host)
        if len(self.requests) >= REQUESTS_MIN:
            self.enough.set()
        outcomes = []
        for event in events:
            outcome = "duplicate" if event["id"] in self._coins else "credited"
            coins = self._coins.setdefault(event["id"], event["data"]["weight_grams"] // 10)
            outcomes.append({"id": event["id"], "outcome": outcome, "coins": coins})
        return web.json_response({"outcomes": outcomes})

    async def post_redemption(self, request: web.Request) -> web.Response:
        key, body = request.headers["Idempotency-Key"], await request.read()
        kept, redemption_id = self.redemptions.setdefault(key, (body, str(uuid.uuid4())))
        if kept != body:
            return web.json_response({"code": "idempotency_key_reused"}, status=422)
        if len(self.redemptions) >= REQUESTS_MIN:
            self.enough.set()
        return web.json_response({"id": redemption_id}, status=201)


@pytest.fixture
async def replicas() -> Replicas:
    return Replicas()


@pytest.fixture
async def patient(replicas: Replicas, request: pytest.FixtureRequest) -> AsyncIterator[Patient]:
    """Who reaches both replicas through proxies that cut off one answer in ten, or the share that a test names."""
    async with AsyncExitStack() as stack:
        base_urls, cut_share = [], getattr(request, "param", 0.1)
        for _ in range(2):
            app = web.Application()
            app.router.add_post(PATH, replicas.post_events)
            app.router.add_post(REDEMPTIONS_PATH, replicas.post_redemption)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            target = Target("127.0.0.1", runner.addresses[0][1])
            base_urls.append((await stack.enter_async_context(CuttingProxy(target, cut_share, draws(1)))).base_url)
        session: ClientSession = await stack.enter_async_context(open_session())
        yield Patient(session, base_urls, draws(2))


async def run(clients: list[BinClient] | list[Spender], replicas: Replicas) -> None:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(client.run(stop)) for client in clients]
    await asyncio.wait([asyncio.create_task(replicas.enough.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.gather(*tasks)


async def test_every_event_of_a_bin_is_acknowledged_whatever_is_cut_off(replicas: Replicas, patient: Patient) -> None:
    journal = Journal()
    await run([BinClient(item, RESIDENTS, patient, journal, draws(3)) for item in BINS], replicas)
    sent = {event_id for _, event_ids in replicas.requests for event_id in event_ids}
    assert {event_id for _, event_id in journal.events} == sent
    assert journal.contradictions == []
    assert min(event.answers for event in journal.events.values()) >= 1
    assert patient.repeats.total() >= patient.broken.total() > 0


@pytest.mark.parametrize("patient", [0.0], indirect=True)
async def test_a_bin_sends_what_makes_trouble(replicas: Replicas, patient: Patient) -> None:
    await run([BinClient(item, RESIDENTS, patient, Journal(), draws(3)) for item in BINS], replicas)
    assert patient.repeats.total() == 0
    lengths = Counter(len(event_ids) for _, event_ids in replicas.requests)
    assert lengths[1] > 0
    assert max(lengths) > 5
    assert any(len(set(event_ids)) < len(event_ids) for _, event_ids in replicas.requests), "an event twice in a batch"
    times = Counter(event_id for _, event_ids in replicas.requests for event_id in set(event_ids))
    assert max(times.values()) > 2, "earlier events again in a later batch"
    assert any(len(hosts) == 2 for hosts in replicas.replica_by_body.values()), "the same at both replicas"


async def test_a_redemption_keeps_its_key_and_its_bytes(replicas: Replicas, patient: Patient) -> None:
    journal = Journal()
    caller = Caller(patient, journal, draws(3))
    await run([Spender(RESIDENTS, ["m-1", "m-2"], caller, draws(4))] * 8, replicas)
    assert journal.contradictions == []
    assert journal.replays[Phase.REDEEM] > 0
    for key, (body, redemption_id) in replicas.redemptions.items():
        call = journal.calls[key]
        assert json.loads(body) == {"merchant_id": call.merchant_id, "coins": call.coins}
        assert (call.status, call.granted_id) == (201, redemption_id)


@pytest.mark.parametrize(
    ("status", "definite"),
    [(200, True), (403, True), (422, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_a_bin_takes_no_for_an_answer_only_where_it_is_one(status: int, definite: bool) -> None:
    assert is_verdict_on_events(status, {}) is definite
