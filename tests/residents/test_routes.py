"""Who is let in: the same for every path of a resident."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.residents.routes import routes
from service.residents.sessions import open_session
from service.secrets import new_token, token_hash
from service.settings import Settings
from service.tables.people import api_key
from tests.residents.conftest import Client, count
from tests.world import World

PATHS = [(endpoint.method, endpoint.path) for endpoint in routes.endpoints if endpoint.callers == ("resident",)]


def test_every_path_but_the_log_in_is_a_residents() -> None:
    assert [endpoint.path for endpoint in routes.endpoints if not endpoint.callers] == ["/v1/sessions"]


async def refused(client: Client, headers: dict[str, str]) -> None:
    for method, path in PATHS:
        response = await client.request(
            method, path, headers=headers, json={"value": "0123"} if method == "POST" else None
        )
        assert (response.status, (await response.json())["code"]) == (401, "token_invalid"), path
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="tanbi"'


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer tbr_" + "a" * 43,
        "Bearer " + "a" * 129,
        "Bearer \xff",
    ],
)
async def test_without_a_token_of_ours_nothing_is_said(client: Client, authorization: str | None) -> None:
    await refused(client, {} if authorization is None else {"Authorization": authorization})


async def test_an_expired_token_is_refused(client: Client, engine: AsyncEngine, world: World) -> None:
    async with transaction(engine) as connection:
        session = await open_session(connection, world.resident_id, timedelta(days=1), demo=False)
    async with transaction(engine) as connection:
        # The role cannot move the expiry: a session is only ever opened or deleted.
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            await connection.execute(sa.text("UPDATE session SET expires_at = now()"))
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {session.token}"})).status == 200
    expired = new_token("tbr")
    async with transaction(engine) as connection:
        await connection.execute(
            sa.text(
                "INSERT INTO session (token_hash, resident_id, expires_at)"
                " VALUES (:hash, :resident_id, now() - interval '1 second')"
            ),
            {"hash": token_hash(expired), "resident_id": world.resident_id},
        )
    await refused(client, {"Authorization": f"Bearer {expired}"})


async def test_a_key_that_is_no_residents_is_refused(client: Client, engine: AsyncEngine) -> None:
    key = new_token("tbo")
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(api_key).values(key_hash=token_hash(key), role="admin", name="test", plain_name="test")
        )
    await refused(client, {"Authorization": f"Bearer {key}"})


async def test_a_token_of_the_demo_works_in_a_demo_only(
    client: Client, engine: AsyncEngine, settings: Settings, world: World
) -> None:
    async with transaction(engine) as connection:
        token = (await open_session(connection, world.resident_id, timedelta(days=1), demo=True)).token
    await refused(client, {"Authorization": f"Bearer {token}"})
    assert await count(engine, "SELECT count(*) FROM session") == 1
    app = build_app(settings.model_copy(update={"demo": True}))
    async with TestClient(TestServer(app)) as demo:
        assert (await demo.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status == 200
