import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.common import Answer
from service.answering import answering
from service.db import transaction
from service.errors import AreaUnknown, BadRequest, Conflict, Forbidden, TanbiError, Unavailable, ValidationFailed
from service.idempotency import answer_once, read_keyed
from service.metrics import Metrics
from service.tables.places import area
from service.tables.redemption import idempotency_key

Client = TestClient[Any, Any]


class AreaAnswer(Answer):
    """Members in an order that no alphabet and no length would give."""

    name: str
    id: str
    kind: str


class Office:
    """A service with one keyed call, which adds an area: `fails` is raised after the row is written, and `may_finish`
    holds the work where it is until a test lets it go on."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.fails: TanbiError | None = None
        self.worked = 0
        self.began = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def add_area(self, connection: AsyncConnection, area_id: str) -> Answer:
        self.worked += 1
        await connection.execute(sa.insert(area).values(id=area_id, kind="city", name="天津市", name_en="Tianjin"))
        self.began.set()
        await self.may_finish.wait()
        if self.fails is not None:
            raise self.fails
        return AreaAnswer(name="天津市", id=area_id, kind="city")

    async def post(self, request: web.Request) -> web.Response:
        keyed = await read_keyed(request)
        area_id = (await request.json())["id"]
        async with transaction(self.engine) as connection:
            answer = await answer_once(
                connection,
                actor=request.headers.get("X-Actor", "key:1"),
                keyed=keyed,
                work=lambda: self.add_area(connection, area_id),
            )
        return answer.response()

    async def areas(self) -> list[str]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(sa.select(area.c.id).order_by(area.c.id))).scalars())

    async def keys(self) -> int:
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(sa.func.count()).select_from(idempotency_key))).scalar_one()


@pytest.fixture
def office(engine: AsyncEngine) -> Office:
    return Office(engine)


@pytest.fixture
async def desk(office: Office) -> Any:
    app = web.Application()
    metrics = Metrics()
    app.router.add_post("/areas", answering(office.post, "/areas", "POST", metrics))
    app.router.add_post("/other", answering(office.post, "/other", "POST", metrics))
    async with TestClient(TestServer(app)) as client:
        yield client


async def send(
    desk: Client, key: str | None = "k-1", *, body: str = '{"id": "a"}', path: str = "/areas", **headers: str
) -> ClientResponse:
    if key is not None:
        headers["Idempotency-Key"] = key
    return await desk.post(path, data=body, headers={"Content-Type": "application/json", **headers})


async def test_the_same_key_again_hears_the_same_bytes_and_changes_nothing(office: Office, desk: Client) -> None:
    first = await send(desk)
    again = await send(desk)
    assert (first.status, again.status) == (201, 201)
    assert await first.read() == await again.read() == '{"name":"天津市","id":"a","kind":"city"}'.encode()
    assert first.headers["Content-Type"] == again.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert office.worked == 1
    assert await office.areas() == ["a"]


@pytest.mark.parametrize("key", [None, "", "a b", "k" * 65, "clé", "a/b"])
async def test_a_key_that_is_missing_or_malformed_is_refused(office: Office, desk: Client, key: str | None) -> None:
    response = await send(desk, key)
    assert response.status == 400
    assert (await response.json())["code"] == "idempotency_key_missing"
    assert office.worked == 0


async def test_two_keys_on_one_request_are_refused(office: Office, desk: Client) -> None:
    headers = [("Idempotency-Key", "k-1"), ("Idempotency-Key", "k-2"), ("Content-Type", "application/json")]
    response = await desk.post("/areas", data='{"id": "a"}', headers=headers)
    assert response.status == 400
    assert office.worked == 0


async def test_a_key_of_64_characters_of_every_kind_is_taken(desk: Client) -> None:
    assert (await send(desk, ("aZ09._:-" * 8)[:64])).status == 201


@pytest.mark.parametrize(
    ("body", "path"),
    [('{"id": "b"}', "/areas"), ('{"id":"a"}', "/areas"), ('{"id": "a"}', "/other"), ('{"id": "a"}', "/areas?x=1")],
)
async def test_the_same_key_for_another_request_is_refused(office: Office, desk: Client, body: str, path: str) -> None:
    await send(desk)
    other = await send(desk, body=body, path=path)
    assert other.status == 422
    assert (await other.json())["code"] == "idempotency_key_reused"
    assert await office.areas() == ["a"]


async def test_the_same_key_of_another_actor_is_another_key(office: Office, desk: Client) -> None:
    assert (await send(desk, **{"X-Actor": "key:1"})).status == 201
    other = await send(desk, body='{"id": "b"}', **{"X-Actor": "key:2"})
    assert other.status == 201
    assert await office.areas() == ["a", "b"]


@pytest.mark.parametrize("failure", [AreaUnknown(), Conflict()])
async def test_a_decline_is_a_stored_answer_and_changes_nothing_else(
    office: Office, desk: Client, failure: TanbiError
) -> None:
    office.fails = failure
    first = await send(desk, **{"Accept-Language": "zh-CN"})
    # The state has changed meanwhile; the answer has not, nor its language.
    office.fails = None
    again = await send(desk)
    assert first.status == again.status == failure.status
    assert await first.read() == await again.read()
    assert (await again.json())["title"] == failure.title_zh
    assert again.headers["Content-Type"] == "application/problem+json"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert office.worked == 1
    assert await office.areas() == []


@pytest.mark.parametrize("failure", [BadRequest(), Forbidden(), ValidationFailed(), Unavailable()])
async def test_a_failure_that_decides_nothing_is_not_stored(office: Office, desk: Client, failure: TanbiError) -> None:
    office.fails = failure
    assert (await send(desk)).status == failure.status
    assert await office.areas() == []
    assert await office.keys() == 0
    office.fails = None
    assert (await send(desk)).status == 201


async def test_a_key_whose_request_still_runs_is_refused_at_once(office: Office, desk: Client) -> None:
    office.may_finish.clear()
    first = asyncio.create_task(send(desk))
    await office.began.wait()
    # Answered while the first cannot go on: it did not wait for it.
    second = await send(desk)
    assert second.status == 409
    assert (await second.json())["code"] == "idempotency_key_in_use"
    office.may_finish.set()
    assert (await first).status == 201
    assert (await send(desk)).headers["Idempotent-Replayed"] == "true"
    assert office.worked == 1


async def test_the_same_key_of_another_actor_does_not_wait_for_the_first(office: Office, desk: Client) -> None:
    office.may_finish.clear()
    first = asyncio.create_task(send(desk, **{"X-Actor": "key:1"}))
    await office.began.wait()
    office.began.clear()
    other = asyncio.create_task(send(desk, body='{"id": "b"}', **{"X-Actor": "key:2"}))
    other_began = asyncio.create_task(office.began.wait())
    await asyncio.wait({other, other_began}, return_when=asyncio.FIRST_COMPLETED)
    office.may_finish.set()
    assert ((await first).status, (await other).status) == (201, 201)
    assert other_began.done()


async def test_twenty_at_once_take_effect_once(office: Office, desk: Client) -> None:
    answers = await asyncio.gather(*(send(desk) for _ in range(20)))
    bodies = {await answer.read() for answer in answers if answer.status == 201}
    assert len(bodies) == 1
    for answer in answers:
        if answer.status != 201:
            assert (await answer.json())["code"] == "idempotency_key_in_use"
    assert sum(answer.status == 201 and "Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await office.areas() == ["a"]


async def test_a_twin_that_was_first_in_spite_of_the_lock_wins(
    office: Office, desk: Client, admin_engine: AsyncEngine
) -> None:
    office.may_finish.clear()
    second = asyncio.create_task(send(desk))
    await office.began.wait()
    async with admin_engine.begin() as connection:
        # Another server's transaction, say, that knows nothing of the lock.
        await connection.execute(
            sa.insert(idempotency_key).values(actor="key:1", key="k-1", request_digest=b"", status=201, answer="{}")
        )
    office.may_finish.set()
    answer = await second
    assert answer.status == 409
    assert (await answer.json())["code"] == "idempotency_key_in_use"
    assert await office.areas() == []
