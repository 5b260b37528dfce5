"""Logging in and out over HTTP, with WeChat as a local server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.auth import authenticate_resident
from service.db import transaction
from service.errors import TokenInvalid
from service.residents.residents import register_resident
from service.residents.sessions import SESSIONS_PER_RESIDENT_MAX, open_session
from service.secrets import Keyring, token_hash
from service.settings import Settings
from service.tables.people import resident, session
from tests.blocking import HANGING_SECONDS, until_blocked
from tests.residents.conftest import Client, count, register
from tests.residents.wechat_server import WechatServer, error, hang
from tests.world import World

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
ORPHANS = """
SELECT (SELECT count(*) FROM account WHERE kind = 'resident') - (SELECT count(*) FROM resident)
     + (SELECT count(*) FROM wallet) - (SELECT count(*) FROM resident)
"""
RESIDENTS = "SELECT count(*) FROM resident WHERE openid_digest IS NOT NULL"
SESSIONS = "SELECT count(*) FROM session"


async def log_in(client: Client, wechat: WechatServer, openid: str = OPENID) -> ClientResponse:
    return await client.post("/v1/sessions", json={"wechat_code": wechat.issue_code(openid)})


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Client]:
    """A service that waits for WeChat hardly at all."""
    app = build_app(settings.model_copy(update={"wechat_timeout_seconds": 0.05}))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_code_opens_a_session_of_a_new_resident(
    client: Client, wechat: WechatServer, engine: AsyncEngine, keyring: Keyring
) -> None:
    before = datetime.now(UTC)
    response = await log_in(client, wechat)
    assert response.status == 201, await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    opened = await response.json()
    assert set(opened) == {"token", "expires_at", "resident_id"}
    assert opened["token"].startswith("tbr_")
    lifetime = datetime.fromisoformat(opened["expires_at"]) - before
    assert timedelta(days=29, hours=23) < lifetime < timedelta(days=30, hours=1)
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {opened['token']}"})
    assert (await me.json())["resident_id"] == opened["resident_id"]
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(resident).where(resident.c.openid_digest.is_not(None)))).one()
        assert (row.id, row.openid_digest, row.demo) == (opened["resident_id"], keyring.openid_digest(OPENID), False)
        assert (await connection.execute(sa.select(session.c.token_hash))).scalar_one() == token_hash(opened["token"])


async def test_who_logs_in_again_is_the_same_resident_with_another_token(client: Client, wechat: WechatServer) -> None:
    first = await (await log_in(client, wechat)).json()
    second = await (await log_in(client, wechat)).json()
    other = await (await log_in(client, wechat, "another-person")).json()
    assert first["resident_id"] == second["resident_id"] != other["resident_id"]
    assert first["token"] != second["token"]


async def test_many_first_log_ins_at_once_make_one_resident(
    client: Client, wechat: WechatServer, engine: AsyncEngine
) -> None:
    responses = await asyncio.gather(*(log_in(client, wechat) for _ in range(8)))
    assert [response.status for response in responses] == [201] * 8
    assert len({(await response.json())["resident_id"] for response in responses}) == 1
    assert await count(engine, RESIDENTS) == 1
    assert await count(engine, ORPHANS) == 0


@pytest.mark.parametrize("other_commits", [True, False])
async def test_a_first_log_in_waits_for_another_of_the_same_person(
    client: Client,
    wechat: WechatServer,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    keyring: Keyring,
    other_commits: bool,
) -> None:
    async with engine.connect() as other:
        other_id = await register_resident(other, openid_digest=keyring.openid_digest(OPENID))
        waiting = asyncio.create_task(log_in(client, wechat))
        await until_blocked(admin_engine)
        await (other.commit() if other_commits else other.rollback())
        response = await waiting
    assert response.status == 201, await response.text()
    assert ((await response.json())["resident_id"] == other_id) is other_commits
    assert await count(engine, RESIDENTS) == 1
    assert await count(engine, ORPHANS) == 0


@pytest.mark.parametrize(
    ("errcode", "status", "code", "retry_after"),
    [
        (40029, 401, "wechat_code_refused", None),
        (40163, 401, "wechat_code_refused", None),
        (40226, 403, "wechat_user_refused", None),
        (45011, 429, "wechat_rate_limited", "60"),
        (40013, 503, "wechat_unavailable", "5"),
        (-1, 503, "wechat_unavailable", "5"),
    ],
)
async def test_what_wechat_refuses_is_a_problem_and_nothing_is_stored(
    client: Client,
    wechat: WechatServer,
    engine: AsyncEngine,
    errcode: int,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    wechat.always(error(errcode))
    response = await log_in(client, wechat)
    problem = await response.json()
    assert (response.status, problem["code"]) == (status, code)
    assert response.content_type == "application/problem+json"
    assert response.headers.get("Retry-After") == retry_after
    assert wechat.secret not in str(problem)
    assert await count(engine, RESIDENTS) == 0


async def test_a_wechat_that_does_not_answer_is_unavailable(
    impatient: Client, wechat: WechatServer, engine: AsyncEngine
) -> None:
    wechat.always(hang)
    response = await log_in(impatient, wechat)
    assert (response.status, (await response.json())["code"]) == (503, "wechat_unavailable")
    assert await count(engine, RESIDENTS) == 0


async def test_log_ins_that_wait_for_wechat_hold_no_connection(
    settings: Settings, world: World, bearer: dict[str, str], wechat: WechatServer
) -> None:
    log_ins = 8
    answer = asyncio.Event()
    asked = asyncio.Semaphore(0)

    async def slow(server: WechatServer, request: web.Request) -> web.StreamResponse:
        asked.release()
        await answer.wait()
        return await error(40029)(server, request)

    wechat.always(slow)
    # Two connections at most: were one held for each log-in, nobody else would get any.
    app = build_app(settings.model_copy(update={"database_pool_size": 1}))
    async with asyncio.timeout(HANGING_SECONDS), TestClient(TestServer(app)) as client:
        waiting = [asyncio.create_task(log_in(client, wechat)) for _ in range(log_ins)]
        for _ in range(log_ins):
            await asked.acquire()
        assert (await client.get("/v1/me", headers=bearer)).status == 200
        answer.set()
        assert [(await response).status for response in waiting] == [401] * log_ins


async def test_without_an_app_id_the_answer_says_who_can_help(settings: Settings) -> None:
    app = build_app(settings.model_copy(update={"wechat_app_id": ""}))
    async with TestClient(TestServer(app)) as client:
        response = await client.post("/v1/sessions", json={"wechat_code": "a"})
        problem = await response.json()
    assert (response.status, problem["code"]) == (503, "wechat_unavailable")
    assert "TANBI_WECHAT_APP_ID" in problem["detail"]


async def test_expired_sessions_of_the_resident_are_deleted_on_the_way(
    client: Client, wechat: WechatServer, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await log_in(client, wechat)
    await log_in(client, wechat, "another-person")
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(session).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    opened = await (await log_in(client, wechat)).json()
    async with engine.connect() as connection:
        kept = (await connection.execute(sa.select(session.c.resident_id).order_by(session.c.expires_at))).scalars()
        assert [resident_id == opened["resident_id"] for resident_id in kept] == [False, True]


async def test_the_oldest_sessions_beyond_the_bound_are_deleted(engine: AsyncEngine) -> None:
    resident_id = await register(engine)
    tokens = []
    for _ in range(SESSIONS_PER_RESIDENT_MAX + 2):
        async with transaction(engine) as connection:
            tokens.append((await open_session(connection, resident_id, timedelta(days=1), demo=False)).token)
    assert await count(engine, SESSIONS) == SESSIONS_PER_RESIDENT_MAX
    async with engine.connect() as connection:
        for token in tokens[:2]:
            with pytest.raises(TokenInvalid):
                await authenticate_resident(connection, token, demo=False)
        for token in tokens[2:]:
            assert (await authenticate_resident(connection, token, demo=False)).id == resident_id


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"{}", "validation_failed", "/wechat_code"),
        (b'{"wechat_code": 1}', "validation_failed", "/wechat_code"),
        (b'{"wechat_code": null}', "validation_failed", "/wechat_code"),
        (b'{"wechat_code": ""}', "validation_failed", "/wechat_code"),
        (b'{"wechat_code": "a b"}', "validation_failed", "/wechat_code"),
        (b'{"wechat_code": "' + b"a" * 513 + b'"}', "validation_failed", "/wechat_code"),
        (b'{"wechat_code": "a", "openid": "me"}', "validation_failed", "/openid"),
        (b"[]", "validation_failed", ""),
        (b"", "malformed_json", None),
        (b'{"wechat_code": "a"', "malformed_json", None),
        (b'{"wechat_code": "\xff"}', "malformed_json", None),
    ],
)
async def test_a_bad_body_is_refused_without_asking_wechat(
    client: Client, wechat: WechatServer, body: bytes, code: str, pointer: str | None
) -> None:
    response = await client.post("/v1/sessions", data=body, headers={"Content-Type": "application/json"})
    problem = await response.json()
    assert (response.status, problem["code"]) == (400 if code == "malformed_json" else 422, code)
    if pointer is not None:
        assert [item["pointer"] for item in problem["errors"]] == [pointer]
    assert wechat.queries == []


async def test_a_body_of_another_type_is_refused(client: Client) -> None:
    response = await client.post("/v1/sessions", data={"wechat_code": "a"})
    assert (response.status, (await response.json())["code"]) == (415, "unsupported_media_type")


async def test_who_logs_out_is_out_and_other_devices_stay_in(client: Client, wechat: WechatServer) -> None:
    phone, tablet = [
        {"Authorization": f"Bearer {(await (await log_in(client, wechat)).json())['token']}"} for _ in range(2)
    ]
    response = await client.delete("/v1/sessions/current", headers=phone)
    assert (response.status, await response.read()) == (204, b"")
    assert (await client.get("/v1/me", headers=phone)).status == 401
    assert (await client.delete("/v1/sessions/current", headers=phone)).status == 401
    assert (await client.get("/v1/me", headers=tablet)).status == 200


async def test_nothing_personal_or_secret_is_logged(
    client: Client, wechat: WechatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    card = "04C0FFEE5C6180"
    code = wechat.issue_code(OPENID)
    opened = await (await client.post("/v1/sessions", json={"wechat_code": code})).json()
    headers = {"Authorization": f"Bearer {opened['token']}"}
    assert (await client.post("/v1/me/cards", json={"value": card}, headers=headers)).status == 201
    assert (await client.post("/v1/me/cards", json={"value": card + "\n"}, headers=headers)).status == 422
    wechat.then(error(50001, f"{OPENID} {code}"))
    assert (await client.post("/v1/sessions", json={"wechat_code": code})).status == 503
    assert (await client.get("/v1/me/transfers", headers=headers)).status == 200
    assert "access" in {record.name.rpartition(".")[2] for record in caplog.records}
    said = "\n".join(f"{record.getMessage()} {record.exc_text} {vars(record)}" for record in caplog.records)
    for secret in (OPENID, code, opened["token"], card, wechat.secret):
        assert secret.lower() not in said.lower()


async def test_a_failure_that_nobody_expected_logs_no_row(
    client: Client, wechat: WechatServer, admin_engine: AsyncEngine, keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("ALTER TABLE resident ADD CHECK (openid_digest IS NULL)"))
    response = await log_in(client, wechat)
    assert (response.status, (await response.json())["code"]) == (500, "internal_error")
    assert "CheckViolationError" in caplog.text
    digest = keyring.openid_digest(OPENID)
    assert repr(digest)[2:20] not in caplog.text
    assert digest.hex()[:16] not in caplog.text
