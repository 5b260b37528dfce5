"""A connection that is cut while it carries a batch: each caller hears what became of their call, or a 503 after which
the same key tells; and whatever they hear, it happened once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.embedded import EmbeddedPostgres
from service.redemption.routes import COMMANDS
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer, wallet
from service.tables.people import session
from service.tables.redemption import idempotency_key, redemption
from tests.blocking import blocked_connection, wait_until
from tests.conftest import admin_execute
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller, code_of
from tests.redemption.crowd import Person, crowd
from tests.verifying.damage import breaches
from tests.world import World

Client = TestClient[Any, Any]

PEOPLE, EARNED = 3, 100
Waiting = Callable[[], Awaitable[int | None]]


@dataclass(frozen=True)
class Cut:
    """How a batch is stopped at one point of its transaction, and whether it is committed there. What is stopped gives
    finds the connection that stands there."""

    stopped: Callable[["Place"], AbstractAsyncContextManager[Waiting]]
    committed: bool


@dataclass(frozen=True)
class Place:
    postgres: EmbeddedPostgres
    admin_engine: AsyncEngine
    people: list[Person]


@asynccontextmanager
async def at_the_codes(place: Place) -> AsyncIterator[Waiting]:
    """The wallets are locked, and nothing is decided yet."""
    async with place.admin_engine.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE pay_code IN EXCLUSIVE MODE"))
        yield lambda: blocked_connection(place.admin_engine)


@asynccontextmanager
async def at_the_answers(place: Place) -> AsyncIterator[Waiting]:
    """All is decided, and some of it is written."""
    async with place.admin_engine.connect() as connection:
        first = {"actor": "merchant:NK-M-01", "key": "take-0", "request_digest": b"", "status": 404, "answer": ""}
        await connection.execute(sa.insert(idempotency_key).values(first))
        yield lambda: blocked_connection(place.admin_engine)
        await connection.rollback()


@asynccontextmanager
async def after_the_commit(place: Place) -> AsyncIterator[Waiting]:
    """All is on disk, and nobody has been told: the server waits for a standby that is not there."""

    async def waits() -> int | None:
        # Others may wait as well: it is the one that has written this wallet, as nobody else sees yet.
        query = (
            "SELECT pid FROM pg_stat_activity JOIN wallet ON wallet.xmax::text = backend_xid::text"
            " WHERE wait_event = 'SyncRep' AND owner_id = :owner_id"
        )
        async with place.admin_engine.connect() as connection:
            pid: int | None = (await connection.execute(sa.text(query), {"owner_id": place.people[0].id})).scalar()
        return pid

    standby = "ALTER SYSTEM SET synchronous_standby_names = {}"
    await admin_execute(place.postgres, standby.format("'nobody'"), "SELECT pg_reload_conf()")
    try:
        yield waits
    finally:
        await admin_execute(place.postgres, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


CUTS = {
    "at the codes": Cut(at_the_codes, committed=False),
    "at the answers": Cut(at_the_answers, committed=False),
    "after the commit": Cut(after_the_commit, committed=True),
}


@dataclass
class Calls:
    """One of each kind for each of several residents, all with keys of their own; each can be granted."""

    shop: Caller
    people: list[Person]
    documents: list[tuple[Caller, str, dict[str, Any], str]]

    def at(self, client: Client) -> list[asyncio.Task[ClientResponse]]:
        return [
            asyncio.create_task(Caller(client, caller.token).post(path, document, key=key))
            for caller, path, document, key in self.documents
        ]


async def prepare(shop: Caller, people: list[Person]) -> Calls:
    documents: list[tuple[Caller, str, dict[str, Any], str]] = []
    for number, person in enumerate(people):
        resident = person.at(shop.client)
        ids: list[str] = []
        for capture in (False, False, True):
            wanted = {"pay_code": await resident.new_pay_code(), "coins": 10, "capture": capture}
            ids.append((await (await shop.post(BY_PAY_CODE, wanted)).json())["id"])
        captured, voided, refunded = ids
        taken = {"pay_code": await resident.new_pay_code(), "coins": 7, "capture": True}
        documents += [
            (resident, OWN, {"merchant_id": "NK-M-01", "coins": 5}, "own"),
            (shop, BY_PAY_CODE, taken, f"take-{number}"),
            (shop, f"{BY_PAY_CODE}/{captured}/capture", {"coins": 4}, f"capture-{number}"),
            (shop, f"{BY_PAY_CODE}/{voided}/void", {}, f"void-{number}"),
            (shop, f"{BY_PAY_CODE}/{refunded}/refund", {"coins": 3}, f"refund-{number}"),
        ]
    return Calls(shop, people, documents)


# Of each resident: taken at once 10, of which 3 came back, then 5, 7 and 4; the rest is theirs.
LEFT = EARNED - 10 + 3 - 5 - 7 - 4


@pytest.fixture
async def serving(settings: Settings, world: World) -> AsyncIterator[Callable[[float], Awaitable[Client]]]:
    """A service with one writer, whose callers meet in one transaction, and which gives up after so many seconds."""
    clients: list[Client] = []

    async def serve(retry_seconds: float) -> Client:
        changes = {"redemption_writers": 1, "groupcommit_retry_seconds_max": retry_seconds}
        client = TestClient(TestServer(build_app(settings.model_copy(update=changes))))
        clients.append(client)
        await client.start_server()
        return client

    yield serve
    for client in clients:
        await client.close()


async def queue_up(client: Client, admin_engine: AsyncEngine, calls: Calls) -> list[asyncio.Task[ClientResponse]]:
    """All of them wait together while the writer is away with a call that comes to nothing."""
    assert client.app is not None
    commands = client.app[COMMANDS]
    async with admin_engine.begin() as connection:
        # A lock of this strength is written to the log, and its commit may not wait for a standby.
        await connection.execute(sa.text("SET LOCAL synchronous_commit = local"))
        await connection.execute(sa.text(f"LOCK TABLE {session.name} IN ACCESS EXCLUSIVE MODE"))
        first = asyncio.create_task(Caller(client, "nobody").redeem(1))
        await wait_until(lambda: blocked_connection(admin_engine))
        tasks = calls.at(client)

        async def all_wait() -> bool:
            return bool(commands.queued_items == len(tasks))

        await wait_until(all_wait)
    assert (await first).status == 401
    return tasks


async def cut(admin_engine: AsyncEngine, pid: int) -> None:
    async with admin_engine.begin() as connection:
        await connection.execute(sa.select(sa.func.pg_terminate_backend(pid, 60_000)))


# Not each with each: where nothing is committed, one retried and one that is not say what there is to say.
@pytest.mark.parametrize(
    ("point", "retries"),
    [("at the codes", False), ("at the answers", True), ("after the commit", True), ("after the commit", False)],
)
async def test_a_batch_that_is_cut_happens_once_whatever_its_callers_heard(
    point: str,
    retries: bool,
    serving: Callable[[float], Awaitable[Client]],
    postgres: EmbeddedPostgres,
    settings: Settings,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    keyring: Keyring,
    world: World,
    shop: Caller,
) -> None:
    people = await crowd(engine, keyring, shop.client, world, [EARNED] * PEOPLE)
    calls = await prepare(shop, people)
    client = await serving(10.0 if retries else 0.0)
    place = Place(postgres, admin_engine, people)
    async with CUTS[point].stopped(place) as waits:
        tasks = await queue_up(client, admin_engine, calls)
        pid = await wait_until(waits)
        await cut(admin_engine, pid)
        if not retries:
            await asyncio.wait(tasks)
    first = [await task for task in tasks]
    if retries:
        assert {answer.status for answer in first} == {200, 201}
        replayed = {answer.headers.get("Idempotent-Replayed") for answer in first}
        assert replayed == ({"true"} if CUTS[point].committed else {None})
    else:
        assert {answer.status for answer in first} == {503}
        assert {await code_of(answer) for answer in first} == {"database_unavailable"}
    # Another instance is asked, under the same keys.
    again = [await task for task in calls.at(shop.client)]
    assert {answer.status for answer in again} == {200, 201}
    known = retries or CUTS[point].committed
    assert {answer.headers.get("Idempotent-Replayed") for answer in again} == ({"true"} if known else {None})
    if retries:
        assert [await answer.read() for answer in again] == [await answer.read() for answer in first]
    await assert_once(engine, people)
    assert await breaches(engine, settings) == {}


async def assert_once(engine: AsyncEngine, people: list[Person]) -> None:
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(wallet).where(wallet.c.owner_id.in_([each.id for each in people])))
        assert [(row.posted, row.held) for row in rows] == [(LEFT, 0)] * PEOPLE
        # Three were there before, and two came.
        redeemed = sa.select(sa.func.count()).select_from(redemption)
        assert (await connection.execute(redeemed)).scalar_one() == 5 * PEOPLE
        moved = sa.select(transfer.c.kind, sa.func.count().label("times")).group_by(transfer.c.kind)
        times = {row.kind: row.times for row in await connection.execute(moved)}
    assert times == {"credit": PEOPLE, "redemption": 4 * PEOPLE, "refund": PEOPLE}
