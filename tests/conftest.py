"""A real PostgreSQL for the whole run, and a migrated database of its own for each test that asks."""

import asyncio
import base64
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import create_engine
from service.embedded import EmbeddedPostgres
from service.migrating import upgrade
from service.secrets import Keyring
from service.settings import Settings
from tests.world import World, build_world

# No test has a time limit: a machine that is busy finds no other truth.
hypothesis.settings.register_profile("tanbi", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tanbi")

SECRET_KEY = base64.b64encode(bytes(range(32))).decode()
# Helpers that assert: a failure tells what it saw.
pytest.register_assert_rewrite("tests.verifying.damage")

TEMPLATE = "template_migrated"
WORLD_TEMPLATE = "template_world"
_numbers = itertools.count(1)

# Each test has a database of its own, which is hundreds of small files: in memory they are made ten times as fast.
MEMORY = Path("/dev/shm")  # noqa: S108  # only where there is room
# A run takes a quarter of that.
ROOM_BYTES = 2**30


# What takes longest is begun first, the longest above all: at the end no process waits for another's last file.
BEGUN_FIRST = (
    "test_contract.py",
    "demo/test_running.py",
    "indicator/importing/test_memory.py",
    "test_cli.py",
    "test_crash.py",
    "loadtest/test_compare.py",
    "test_stopping.py",
    "test_recovery.py",
    "test_serving.py",
    "redemption/test_model.py",
    "bridge/test_faults.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of BEGUN_FIRST, then the others; within each nothing moves."""
    here = Path(__file__).parent
    place_of = {here / name: place for place, name in enumerate(BEGUN_FIRST)}
    assert all(path.exists() for path in place_of), "BEGUN_FIRST names a file that is not there"
    items.sort(key=lambda item: place_of.get(item.path, len(place_of)))


def pytest_configure() -> None:
    """Put the run's temporary files, its database clusters among them, into memory where that has room for them."""
    # What is collected stays to the end: the collector need not look for garbage in it, now or later.
    gc.disable()
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)  # for the processes that tests start, too
        tempfile.tempdir = str(MEMORY)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _has_room(directory: Path) -> bool:
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    # Tests run programs from there.
    return found.f_bavail * found.f_frsize >= ROOM_BYTES and not found.f_flag & os.ST_NOEXEC


async def admin_execute(postgres: EmbeddedPostgres, *statements: str) -> None:
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server of this run, with a migrated template database."""
    # Not tmp_path: as root the server runs as another user, who could not enter pytest's private directory.
    directory = Path(tempfile.mkdtemp(prefix="tanbi-test-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory)
    try:
        server.start()
        asyncio.run(admin_execute(server, f"CREATE DATABASE {TEMPLATE}"))
        upgrade(server.admin_url(TEMPLATE))
        asyncio.run(admin_execute(server, "GRANT tanbi_app TO tanbi"))
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


class Clones:
    """Makes and drops databases over one connection: each of thousands of tests has one, and opens no other for it.

    It has an event loop of its own, which runs for one statement: call it where no other runs, as in fixtures that are
    no coroutines.
    """

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[asyncpg.Record] = self._loop.run_until_complete(
            asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="postgres")
        )

    def make(self, name: str, template: str = TEMPLATE) -> None:
        # Files are copied at half of what it costs to log every page of them.
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    def _run(self, statement: str) -> None:
        self._loop.run_until_complete(self._connection.execute(statement))


@pytest.fixture(scope="session")
def clones(postgres: EmbeddedPostgres) -> Iterator[Clones]:
    clones = Clones(postgres)
    yield clones
    clones.close()


@pytest.fixture(scope="session")
def built_world(postgres: EmbeddedPostgres, clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What is in WORLD_TEMPLATE: hundreds of tests begin in it, and it is built once."""
    clones.make(WORLD_TEMPLATE)
    return asyncio.run(_build_world(settings_of(postgres, WORLD_TEMPLATE, tmp_path_factory.mktemp("world"))))


async def _build_world(settings: Settings) -> World:
    engine = create_engine(settings)
    try:
        return await build_world(engine, Keyring.of(settings))
    finally:
        await engine.dispose()


@pytest.fixture
def database(clones: Clones, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a migrated database that lives as long as the test: empty, or with the world that it asks for."""
    name = f"test_{next(_numbers)}"
    if "built_world" in request.fixturenames:
        request.getfixturevalue("built_world")
        clones.make(name, WORLD_TEMPLATE)
    else:
        clones.make(name)
    yield name
    clones.drop(name)


@pytest.fixture
def world(built_world: World, database: str) -> World:
    """The small world, in the test's database."""
    return built_world


def settings_of(postgres: EmbeddedPostgres, database: str, data_dir: Path) -> Settings:
    return Settings(
        data_dir=data_dir,
        database_url=postgres.app_url(database),
        migration_database_url=postgres.admin_url(database),
        secret_key=SecretStr(SECRET_KEY),
    )


@pytest.fixture
def settings(postgres: EmbeddedPostgres, database: str, tmp_path: Path) -> Settings:
    return settings_of(postgres, database, tmp_path)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The application's own role."""
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def admin_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The owner, who may do what the application may not."""
    engine = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    yield engine
    await engine.dispose()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """The service over real HTTP on loopback."""
    async with TestClient(TestServer(build_app(settings))) as client:
        yield client
