"""A running service whose embedded PostgreSQL is killed: real processes, real signals."""

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from service.db import create_engine
from service.embedded import START_SECONDS_MAX, EmbeddedPostgres
from service.installation import installation
from service.recovery import embedded_kept_running
from service.secrets import Keyring
from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.embedded import REPOSITORY, answers, enterable_directory, runs
from tests.world import World, build_world, post, weigh_event


@dataclass(frozen=True)
class Service:
    process: subprocess.Popen[bytes]
    base_url: str
    postgres: EmbeddedPostgres
    world: World

    def kill_postmaster(self) -> int:
        pid = self.postgres.postmaster_pid
        assert pid is not None
        os.kill(pid, SIGKILL)
        return pid

    def stop(self) -> None:
        """As systemd does; however long it takes, it is to end by itself and to leave nothing."""
        self.process.terminate()
        assert self.process.wait() == 0
        assert self.postgres.postmaster_pid is None

    async def outcome_of(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the service makes of an event that its bin sends again, with the same bytes, until acknowledged."""
        # A start of the server ends by then, one way or the other: without it, nothing would ever end the waiting.
        async with asyncio.timeout(START_SECONDS_MAX), aiohttp.ClientSession(self.base_url) as session:
            client: Any = session
            while True:
                assert self.process.poll() is None
                try:
                    response = await post(client, self.world.hmac, event)
                    if response.status == 200:
                        return dict((await response.json())["outcomes"][0])
                    assert response.status == 503, await response.text()
                except aiohttp.ClientError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)


@contextmanager
def service_with(workers: int, data_dir: Path) -> Iterator[Service]:
    """`tanbi serve`, on a database of which this process is no user."""
    with installation(Settings(data_dir=data_dir, secret_key=SecretStr(SECRET_KEY)), create=True) as settings:
        world = asyncio.run(planted(settings))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-c", "from service.cli import main; main()", "serve"]
    process = subprocess.Popen(
        [*command, f"--data={data_dir}", f"--port={port}", f"--workers={workers}"],
        cwd=REPOSITORY,
        env=os.environ | {"TANBI_SECRET_KEY": SECRET_KEY},
    )
    with process:
        try:
            yield Service(process, f"http://127.0.0.1:{port}", EmbeddedPostgres(data_dir), world)
        finally:
            process.terminate()
            process.wait()


async def planted(settings: Settings) -> World:
    engine = create_engine(settings)
    try:
        return await build_world(engine, Keyring.of(settings))
    finally:
        await engine.dispose()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with enterable_directory() as directory:
        yield directory / "data"


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def service(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Service]:
    with service_with(request.param, data_dir) as running:
        yield running


async def test_after_kill_9_of_the_postmaster_a_running_service_credits_again(service: Service) -> None:
    before, after = weigh_event("NK-0002"), weigh_event("NK-0002", sequence=2)
    assert (await service.outcome_of(before))["outcome"] == "credited"
    killed = service.kill_postmaster()
    outcome = await service.outcome_of(after)
    # A duplicate where the answer to its first sending was lost after the commit.
    assert outcome["outcome"] in ("credited", "duplicate")
    assert (outcome["coins"], outcome["balance_coins"]) == (125, 250)
    assert (await service.outcome_of(before))["outcome"] == "duplicate"
    assert service.postgres.postmaster_pid not in (None, killed)
    service.stop()


async def test_a_service_told_to_stop_as_its_postmaster_dies_leaves_no_server(service: Service) -> None:
    await service.outcome_of(weigh_event("NK-0002"))
    killed = service.kill_postmaster()
    service.stop()
    assert not runs(killed)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_worker_that_is_born_while_the_server_is_gone_finds_it_again(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    await asyncio.to_thread(postgres.start)
    assert postgres.postmaster_pid is not None
    os.kill(postgres.postmaster_pid, SIGKILL)
    async with embedded_kept_running(Settings(data_dir=data_dir, database_url=postgres.app_url())):
        assert await answers(postgres)
    await asyncio.to_thread(postgres.stop)


async def test_a_start_on_its_way_when_the_service_ends_is_not_left_behind(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    postgres = EmbeddedPostgres(data_dir)
    await asyncio.to_thread(postgres.start)
    async with embedded_kept_running(Settings(data_dir=data_dir, database_url=postgres.app_url())):
        # Somebody else starts or stops a server as well, which holds up the start until the service is ending.
        gate = os.open(data_dir / "postgres.lock", os.O_RDWR)
        fcntl.flock(gate, fcntl.LOCK_EX)
        assert postgres.postmaster_pid is not None
        os.kill(postgres.postmaster_pid, SIGKILL)
        await until(lambda: "is started again" in caplog.text)
        asyncio.get_running_loop().call_later(0.2, os.close, gate)
    await asyncio.to_thread(postgres.stop)
    await asyncio.get_running_loop().shutdown_default_executor()  # whatever was still at it ends
    assert postgres.postmaster_pid is None


async def test_a_server_that_cannot_be_started_is_tried_again_and_said_in_a_warning(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.recovery.RETRY_SECONDS", 0)
    postgres = EmbeddedPostgres(data_dir)
    await asyncio.to_thread(postgres.start)
    killed = postgres.postmaster_pid
    assert killed is not None
    settings = postgres.cluster_dir / "postgresql.auto.conf"
    async with embedded_kept_running(Settings(data_dir=data_dir, database_url=postgres.app_url())):
        settings.write_text("no_such_setting = 1\n")
        os.kill(killed, SIGKILL)
        await until(lambda: "no_such_setting" in caplog.text)
        settings.write_text("")
        await until(lambda: postgres.postmaster_pid not in (None, killed))
    assert await answers(postgres)
    await asyncio.to_thread(postgres.stop)
    assert {record.levelname for record in caplog.records if record.name == "service.recovery"} == {"WARNING"}


async def test_a_service_on_another_database_starts_no_embedded_server(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, database_url="postgresql+asyncpg://tanbi@db.example/tanbi")
    async with embedded_kept_running(settings):
        await asyncio.sleep(0)  # a watch would begin here
    assert not EmbeddedPostgres(data_dir).data_dir.exists()
