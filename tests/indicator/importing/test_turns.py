"""Imports at once, over HTTP: few are held, one is worked on, and trying one out waits for none that records."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from service.app import build_app
from service.errors import ImportsBusy
from service.indicator import import_routes
from service.indicator.importing import imports, reading
from service.indicator.importing.turns import PLACES, RETRY_AFTER_SECONDS, Turns
from service.settings import Settings
from tests.indicator.calls import Caller
from tests.indicator.sheets_sent import plain, plain_sheet, send, sent
from tests.indicator.test_routes import problem

SLOW = "slow.csv"


class Slow:
    """Files of this name are not read before they are let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.read = 0
        self.begun = threading.Event()

    def read_sheet(self, *args: Any, **how: Any) -> reading.Sheet:
        if how["file_name"] == SLOW:
            self.read += 1
            self.begun.set()
            self.let.wait()
        return reading.read_sheet(*args, **how)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    found = Slow()
    monkeypatch.setattr(imports, "read_sheet", found.read_sheet)
    yield found
    found.let.set()


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are held."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def list_of(held: Path, pattern: str = "*") -> list[Path]:
    return list(held.glob(pattern))


async def until(held: Path, files: int) -> None:
    while True:
        if len(list_of(held, "tanbi-import-*/sheet")) == files:
            return
        await asyncio.sleep(0.01)


def months(operator: Caller, count: int, **query: str) -> list[asyncio.Task[ClientResponse]]:
    """As many files, each of a month of its own."""
    bodies = [plain_sheet(plain(period=f"2025-{month:02}")) for month in range(1, count + 1)]
    return [asyncio.create_task(send(operator, body, file_name=SLOW, **query)) for body in bodies]


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_who_comes_beyond_a_few_hears_when_to_come_again_and_no_file_is_kept(
    dry_run: str, operator: Caller, slow: Slow, held: Path
) -> None:
    waiting = months(operator, PLACES, dry_run=dry_run)
    await until(held, PLACES)
    beyond = await send(operator, plain_sheet(plain(kind="burned")), dry_run=dry_run)
    assert beyond.headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
    assert await problem(beyond) == (503, "imports_busy", [])
    assert len(list_of(held)) == PLACES
    slow.let.set()
    assert [each.status for each in await asyncio.gather(*waiting)] == [200] * PLACES
    # All places are free again, and nothing is left on disk.
    again = await asyncio.gather(*months(operator, PLACES, dry_run=dry_run))
    assert [each.status for each in again] == [200] * PLACES
    assert list_of(held) == []


async def test_they_are_worked_on_one_after_the_other(operator: Caller, slow: Slow, held: Path) -> None:
    waiting = months(operator, 3)
    await until(held, 3)
    # A dry run is not kept waiting, and takes none of their places.
    assert (await sent(operator, plain_sheet(plain(kind="burned")), dry_run="true"))["counts"]["new"] == 1
    assert slow.read == 1
    slow.let.set()
    assert [each.status for each in await asyncio.gather(*waiting)] == [200] * 3


async def test_a_dry_run_keeps_nobody_waiting_who_records(operator: Caller, slow: Slow, held: Path) -> None:
    trying = months(operator, PLACES, dry_run="true")
    await until(held, PLACES)
    assert (await sent(operator, plain_sheet(plain(kind="burned"))))["counts"]["new"] == 1
    slow.let.set()
    assert [each.status for each in await asyncio.gather(*trying)] == [200] * PLACES


async def test_a_wait_ends(settings: Settings, keys: dict[str, str], slow: Slow, held: Path) -> None:
    """Whoever waited for too long is told what one without a place is."""
    app = build_app(settings)
    async with TestClient(TestServer(app)) as client:
        operator = Caller(client, keys["operator"])
        app[import_routes.IMPORTING]._wait_seconds_max = 0.05
        [first] = months(operator, 1)
        await asyncio.to_thread(slow.begun.wait)
        waited = await send(operator, plain_sheet(plain(kind="burned")))
        assert await problem(waited) == (503, "imports_busy", [])
        assert len(list_of(held)) == 1
        slow.let.set()
        assert (await first).status == 200
        # It has left the queue: the next one has its turn.
        assert (await sent(operator, plain_sheet(plain(kind="burned"))))["counts"]["new"] == 1


async def test_a_place_is_free_again_after_a_failure() -> None:
    turns = Turns(places=1)
    with pytest.raises(ZeroDivisionError), turns.place():
        async with turns.turn():
            raise ZeroDivisionError
    with turns.place(), pytest.raises(ImportsBusy), turns.place():
        pass
    with turns.place():
        async with turns.turn():
            pass
