"""Several processes on one port, as `tanbi serve --workers 2` runs them: which of them answers must not matter."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.world import World

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Served:
    """The master's process, and where its workers listen."""

    master: psutil.Process
    base_url: str

    def workers(self) -> list[psutil.Process]:
        return self.master.children()

    async def get(self, path: str) -> str:
        """Over a connection of its own, so that any worker may take it."""
        async with aiohttp.ClientSession() as session, session.get(self.base_url + path) as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def samples(self) -> Samples:
        families = text_string_to_metric_families(await self.get("/metrics"))
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


@pytest.fixture
async def served(world: World, settings: Settings, tmp_path: Path) -> AsyncIterator[Served]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TANBI_")}
    environment = {
        **ours,
        "TANBI_DATA_DIR": str(tmp_path),
        "TANBI_DATABASE_URL": settings.database_url or "",
        "TANBI_SECRET_KEY": SECRET_KEY,
    }
    tanbi = Path(sys.executable).with_name("tanbi")
    process = subprocess.Popen([tanbi, "serve", "--workers", "2", "--port", "0"], env=environment)  # noqa: ASYNC220
    try:
        master = psutil.Process(process.pid)
        served = Served(master, f"http://127.0.0.1:{await port_of(master)}")
        while len(served.workers()) < 2 or not await _answers(served):
            assert process.poll() is None, "the service ended"
            await asyncio.sleep(0.05)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)


async def port_of(master: psutil.Process) -> int:
    while True:
        for connection in master.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                port: int = connection.laddr.port
                return port
        await asyncio.sleep(0.05)


async def _answers(served: Served) -> bool:
    try:
        await served.get("/readyz")
    except (aiohttp.ClientError, AssertionError):
        return False
    return True


class Held:
    """While it lasts, a worker is stopped, and the other has to answer."""

    def __init__(self, worker: psutil.Process) -> None:
        self._worker = worker

    def __enter__(self) -> None:
        self._worker.suspend()

    def __exit__(self, *_: object) -> None:
        self._worker.resume()


async def counted(served: Served, requests: int) -> None:
    """Processes count what they noted four times a second: wait until each has."""
    while (await served.samples()).get(LIVEZ) != requests:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def shared_files(workers: list[psutil.Process]) -> list[Path]:
    """Where these processes keep their counts."""
    return [Path(file.path) for worker in workers for file in worker.memory_maps() if "tanbi-metrics-" in file.path]


LIVEZ = ("tanbi_http_requests_total", frozenset({("route", "/livez"), ("method", "GET"), ("status", "2xx")}))


async def test_counts_add_up_over_the_processes_whichever_answers(served: Served) -> None:
    one, two = served.workers()
    for stopped, requests in ((one, 7), (two, 5)):
        with Held(stopped):
            for _ in range(requests):
                await served.get("/livez")
    await counted(served, 12)
    for stopped in (one, two):
        with Held(stopped):
            assert (await served.samples())[LIVEZ] == 12


async def test_either_process_tells_the_databases_figures_once(served: Served) -> None:
    outstanding = ("tanbi_coins_outstanding", frozenset[tuple[str, str]]())

    async def until_they_are_told() -> None:
        while outstanding not in await served.samples():  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    # The first fold takes long: who is stopped in it keeps its lock until the database ends what idles.
    await until_they_are_told()
    for stopped in served.workers():
        with Held(stopped):
            # The lease is of both, and one of them may have been holding it when it was stopped.
            await until_they_are_told()
            text = await served.get("/metrics")
            assert text.count("\ntanbi_coins_outstanding ") == 1


async def test_a_process_that_died_leaves_its_counts_and_not_its_gauges(served: Served) -> None:
    one, two = served.workers()
    with Held(two):
        for _ in range(3):
            await served.get("/livez")
    await counted(served, 3)
    [directory] = {file.parent for file in shared_files([one])}
    one.kill()
    while one in served.workers() or len(served.workers()) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    left = {path.name for path in directory.glob(f"*_{one.pid}.db")}
    assert left == {f"counter_{one.pid}.db", f"histogram_{one.pid}.db"}
    await counted(served, 3)


async def test_the_processes_end_and_take_their_files_along(served: Served) -> None:
    workers = served.workers()
    files = shared_files(workers)
    assert len(files) >= 2 * len(workers)
    served.master.terminate()
    await asyncio.to_thread(psutil.wait_procs, [served.master, *workers])
    assert not [file for file in files if file.parent.exists()]
    with pytest.raises(aiohttp.ClientConnectionError):
        await served.get("/livez")
