"""What machines ask about a running service."""

from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.embedded import EmbeddedPostgres
from service.migrating import head_revision
from service.settings import Settings
from tests.conftest import admin_execute

Client = TestClient[Any, Any]


async def ask(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    response = await client.get(path)
    return response.status, await response.json()


async def test_a_service_with_a_migrated_database_is_ready(client: Client) -> None:
    assert await ask(client, "/livez") == (200, {"status": "ok", "checks": {}})
    assert await ask(client, "/readyz") == (
        200,
        {
            "status": "ok",
            "checks": {
                "accepting": {"ok": True, "detail": "takes requests"},
                "database": {"ok": True, "detail": "answers"},
                "migration": {"ok": True, "detail": f"at {head_revision()}"},
            },
        },
    )


async def test_a_service_whose_database_is_gone_is_alive_and_not_ready(
    client: Client, postgres: EmbeddedPostgres, database: str
) -> None:
    await admin_execute(
        postgres,
        f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
    )
    status, health = await ask(client, "/readyz")
    assert (status, health["status"]) == (503, "unavailable")
    assert {name for name, check in health["checks"].items() if not check["ok"]} == {"database", "migration"}
    assert (await ask(client, "/livez"))[0] == 200
    await admin_execute(postgres, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    assert (await ask(client, "/readyz"))[0] == 200


async def test_a_database_that_does_not_answer_in_time_is_not_waited_for(
    client: Client, admin_engine: AsyncEngine
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("LOCK TABLE alembic_version"))
        status, health = await ask(client, "/readyz")
    assert status == 503
    assert health["checks"]["database"] == {"ok": False, "detail": "no answer within 1 s (TimeoutError)"}
    assert (await ask(client, "/readyz"))[0] == 200


async def test_a_database_at_another_migration_is_not_ready(client: Client, admin_engine: AsyncEngine) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = 'older'"))
    status, health = await ask(client, "/readyz")
    assert status == 503
    assert health["checks"]["database"]["ok"]
    assert health["checks"]["migration"] == {
        "ok": False,
        "detail": f"at older, but this version needs {head_revision()}: run tanbi migrate",
    }


async def test_a_process_that_shuts_down_is_alive_and_not_ready(settings: Settings) -> None:
    app = build_app(settings)
    async with TestClient(TestServer(app)) as client:
        assert (await ask(client, "/readyz"))[0] == 200
        # What aiohttp calls after SIGTERM, while it still answers whoever is connected.
        await app.shutdown()
        status, health = await ask(client, "/readyz")
        assert (status, health["checks"]["accepting"]) == (503, {"ok": False, "detail": "shutting down"})
        assert (await ask(client, "/livez"))[0] == 200


async def test_probes_and_metrics_have_no_secrets_of_the_database(client: Client, settings: Settings) -> None:
    url = sa.make_url(settings.database_url or "")
    for path in ("/livez", "/readyz", "/metrics"):
        text = await (await client.get(path)).text()
        assert url.database is not None
        assert url.database not in text
        assert str(url.query["host"]) not in text


async def test_metrics_come_in_the_format_that_is_asked_for(client: Client) -> None:
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE tanbi_http_requests_total counter" in await plain.text()
    openmetrics = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert (await openmetrics.text()).endswith("# EOF\n")


async def test_the_processes_own_metrics_are_told_while_the_database_is_away(
    client: Client, postgres: EmbeddedPostgres, database: str
) -> None:
    await admin_execute(
        postgres,
        f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
    )
    response = await client.get("/metrics")
    text = await response.text()
    assert response.status == 200
    assert "tanbi_scrape_errors_total 1.0" in text
    assert "tanbi_coins_outstanding" not in text


def test_probes_are_asked_without_credentials() -> None:
    from service.probes import routes

    assert {endpoint.path for endpoint in routes.endpoints} == {"/livez", "/readyz", "/metrics"}
    assert all(endpoint.callers == () for endpoint in routes.endpoints)
