"""The script that makes roles and database, run on a real PostgreSQL, and the migrations after it, as compose does."""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import yaml

from service.embedded import EmbeddedPostgres
from service.postgres_programs import bin_dir

REPOSITORY = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
PASSWORDS = {"TANBI_OWNER_PASSWORD": "owner-password", "TANBI_SERVICE_PASSWORD": "service-password"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server as the image's script finds it: no role and no database of ours."""
    with tempfile.TemporaryDirectory(prefix="tanbi-deploy-") as name:
        Path(name).chmod(0o711)  # run as root, the server works as another user
        with EmbeddedPostgres(Path(name) / "data") as running:
            psql(running, "--command", "DROP DATABASE tanbi", "--command", "DROP ROLE tanbi")
            psql(running, "--file", str(REPOSITORY / "docs" / "deploy" / "postgres" / "init.sql"))
            migrate(running)
            yield running


def psql(postgres: EmbeddedPostgres, *arguments: str) -> None:
    """With the flags of the image's entrypoint."""
    command = [str(bin_dir() / "psql"), "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", *arguments]
    where = {"PGHOST": str(postgres.socket_dir), "PGUSER": "postgres", "PGDATABASE": "postgres"}
    done = subprocess.run(command, env=os.environ | where | PASSWORDS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def migrate(postgres: EmbeddedPostgres) -> None:
    """The command and the environment of compose's `migrate`, with this server in the URL."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TANBI_")}
    # Should it make an embedded database instead, then not where this machine keeps its own.
    ours["TANBI_DATA_DIR"] = str(postgres.data_dir.with_name("other"))
    for name in COMPOSE["migrate"]["environment"]:
        ours[name] = f"postgresql+asyncpg://tanbi_owner@/tanbi?host={postgres.socket_dir}"
    command = [str(Path(sys.executable).with_name("tanbi")), *COMPOSE["migrate"]["command"]]
    done = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not postgres.data_dir.with_name("other").exists()


@pytest.fixture
async def service(postgres: EmbeddedPostgres) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="tanbi_service", database="tanbi")
    yield connection
    await connection.close()


async def test_the_service_reads_what_the_owner_migrated(service: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await service.fetchval("SELECT count(*) FROM transfer") == 0
    owners = await service.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [owner["tableowner"] for owner in owners] == ["tanbi_owner"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfer SET coins = coins",
        "DELETE FROM transfer",
        "TRUNCATE transfer",
        "CREATE TABLE mine (id int)",
        "DROP TABLE transfer",
        "SET ROLE tanbi_owner",
        "CREATE ROLE other",
    ],
)
async def test_the_service_cannot(service: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement)


async def test_a_role_of_nobodys_cannot_connect(postgres: EmbeddedPostgres) -> None:
    psql(postgres, "--command", "CREATE ROLE stranger LOGIN")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(host=str(postgres.socket_dir), user="stranger", database="tanbi")


async def test_passwords_are_set_and_kept_as_digests(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="tanbi")
    rows = await connection.fetch("SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolname LIKE 'tanbi%'")
    await connection.close()
    kept = {row["rolname"]: row["rolpassword"] for row in rows}
    assert kept.pop("tanbi_app") is None
    assert set(kept) == {"tanbi_owner", "tanbi_service"}
    assert all(password.startswith("SCRAM-SHA-256$") for password in kept.values())
    assert not any(row["rolsuper"] for row in rows)
