"""What a fleet's telemetry costs, and how long its states take to list.

The fleet tells its state at an even rate, as an open loop: each bin once in `interval_seconds`. Cost is the CPU time of
the service's processes and of all of PostgreSQL's, also of those that end meanwhile, over wall time: 1 is one core. The
generator's is not in it. Before, the same processes are watched with nothing to do: that cost is in the figure, too.

Pages are asked for one after the other; their time is from the request to the last byte, so a little more than the
service's own.
"""

import asyncio
import http.client
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

from loadtest.closed import run_closed
from loadtest.fleet import Heartbeats, let_some_go_away, plant_fleet, settle
from loadtest.installation import Installation, ServiceProcess, cpu_seconds_of, family_of
from loadtest.measures import bare_handler
from loadtest.open import run_open
from loadtest.requests import BinKey
from loadtest.result import LoadResult
from loadtest.server_time import read_server_time
from loadtest.target import Target

DEMO_RESIDENTS = 10
CONNECTIONS = 256
WARM_UP_CONNECTIONS = 64
WARM_UP_SECONDS_MAX = 200.0
IDLE_SECONDS = 10.0
PAGE_LIMIT = 1000
PAGE_TIMES = 5
ANSWER_SECONDS_MAX = 30.0
SHARE_BAR = 0.15
PAGE_BAR_MS = 50.0
BARE_SECONDS_MAX = 30.0
BARE_COMMAND = {"loadtest", "bare"}


class FleetNotHeard(Exception):
    """Not every bin was heard before the measure; the message tells what was answered."""


class ListingFailed(Exception):
    """A page of states was not answered as it should be; the message ends with what was said."""


@dataclass(frozen=True, slots=True)
class Effort:
    """So many bins, each heard once in `interval_seconds`, for `seconds`."""

    bins: int
    interval_seconds: float
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of the service and of the database in `wall_seconds`."""

    wall_seconds: float
    service_seconds: float
    database_seconds: float

    @property
    def share(self) -> float:
        """Of one core, both together."""
        return (self.service_seconds + self.database_seconds) / self.wall_seconds


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages of one filter, PAGE_TIMES over: milliseconds of each, and from the first request to the last byte of the
    last page. `first_ms` is of the very first, for which the service and the database have nothing prepared."""

    query: str
    pages: int
    bins: int
    median_ms: float
    max_ms: float
    all_ms: float
    first_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    effort: Effort
    idle: Cpu
    load: Cpu
    # What the bare handler takes for the same requests at the same rate, of one core.
    bare_share: float
    run: LoadResult
    listing: list[Pages]
    # Of all pages, as its own histogram has it.
    handler_mean_ms: float

    @property
    def longest_page_ms(self) -> float:
        """Of all answers, the very first ones among them."""
        return max(max(pages.max_ms, pages.first_ms) for pages in self.listing)

    @property
    def passed(self) -> bool:
        """Whether both bars are met, and every event was recorded."""
        return (
            self.load.share < SHARE_BAR
            and self.longest_page_ms < PAGE_BAR_MS
            and self.run.outcomes == {"recorded": self.run.requests}
        )

    def as_json(self) -> dict[str, object]:
        shares = {"idle_share": self.idle.share, "load_share": self.load.share, "passed": self.passed}
        return {**asdict(self), **shares}


def run_heartbeats(command: Path, effort: Effort, told: Callable[[str], None]) -> Result:
    """Raises CannotStart, NoDatabase, StaleRequests, UnreadableAnswer, FleetNotHeard and ListingFailed."""
    with Installation(command) as installation:
        told("planting the fleet")
        installation.demo(DEMO_RESIDENTS).stop()
        operator_key = json.loads(installation.demo_json.read_text())["operator_key"]
        service = installation.serve()
        service.wait_until_it_answers()
        fleet = asyncio.run(_plant(installation, effort.bins))
        heartbeats = Heartbeats(service.target, fleet, seed=effort.seed)
        told("hearing of every bin once")
        _tell_all(service.target, heartbeats, effort.bins)
        asyncio.run(_with(installation, settle))
        told("watching it idle")
        meter = Meter(installation, service)
        time.sleep(IDLE_SECONDS)
        idle = meter.read()
        rate = effort.bins / effort.interval_seconds
        told(f"{rate:.0f} heartbeats a second for {effort.seconds:.0f} s")
        prepared = heartbeats.render(math.ceil(rate * effort.seconds), created=int(time.time()))
        meter = Meter(installation, service)
        run = uvloop.run(run_open(service.target, prepared, rate_per_second=rate, connections=CONNECTIONS))
        load = meter.read()
        asyncio.run(_with(installation, let_some_go_away))
        told("listing states")
        listing = list(_list(service.target, operator_key))
        handler_ms = handler_mean_ms(service.target)
    told("the same heartbeats to the bare handler")
    return Result(effort, idle, load, _bare_share(effort, fleet), run, listing, handler_ms)


def _bare_share(effort: Effort, fleet: Sequence[BinKey]) -> float:
    """CPU seconds over wall seconds of a handler that does nothing but answer, at the same rate."""
    seconds, rate = min(effort.seconds, BARE_SECONDS_MAX), effort.bins / effort.interval_seconds
    with bare_handler() as target:
        [handler] = [child for child in psutil.Process().children() if set(child.cmdline()) >= BARE_COMMAND]
        heartbeats = Heartbeats(target, fleet, seed=effort.seed)
        prepared = heartbeats.render(math.ceil(rate * seconds), created=int(time.time()))
        before, began = cpu_seconds_of([handler]), time.monotonic()
        uvloop.run(run_open(target, prepared, rate_per_second=rate, connections=CONNECTIONS))
        return (cpu_seconds_of([handler]) - before) / (time.monotonic() - began)


class Meter:
    """CPU time from its making to `read()`."""

    def __init__(self, installation: Installation, service: ServiceProcess) -> None:
        self._installation = installation
        self._service = service
        self._wall = time.monotonic()
        self._before = self._used()

    def read(self) -> Cpu:
        service, database = self._used()
        return Cpu(time.monotonic() - self._wall, service - self._before[0], database - self._before[1])

    def _used(self) -> tuple[float, float]:
        postmaster = self._installation.postmaster()
        database = 0.0
        if postmaster is not None:
            database = cpu_seconds_of(family_of(postmaster.pid))
            # What ended and was waited for, such as autovacuum's workers, is the postmaster's by now.
            ended = psutil.Process(postmaster.pid).cpu_times()
            database += ended.children_user + ended.children_system
        return cpu_seconds_of(self._service.members()), database


def _tell_all(target: Target, heartbeats: Heartbeats, bins: int) -> None:
    """Every bin is heard once, so that its key is known and its row is there. Raises FleetNotHeard."""
    prepared = heartbeats.render(bins, created=int(time.time()))
    run = uvloop.run(run_closed(target, prepared, connections=WARM_UP_CONNECTIONS, seconds_max=WARM_UP_SECONDS_MAX))
    if run.outcomes != {"recorded": bins}:
        raise FleetNotHeard(f"Of {bins} bins, {run.outcomes or 'none'} were heard; answers by status: {run.statuses}.")


async def _plant(installation: Installation, bins: int) -> Sequence[BinKey]:
    connection = await installation.connect()
    try:
        return await plant_fleet(connection, installation.master_key, bins, some_suspended=True)
    finally:
        await connection.close()


async def _with(installation: Installation, work: Callable[[Any], Any]) -> None:
    connection = await installation.connect()
    try:
        await work(connection)
    finally:
        await connection.close()


QUERIES = (
    "",
    "state=active",
    "state=suspended",
    "offline=true",
    "offline=false",
    "wants_emptying=true",
    "wants_emptying=false",
    "alarm=any",
    "alarm=battery",
    "alarm=smoke",
    "area=nankai",
    "area=xuefu",
    "site=xuefu-1",
    "model=A1",
    "state=active&offline=true&wants_emptying=true&area=nankai&model=B1",
)


def _list(target: Target, key: str) -> Iterator[Pages]:
    for query in QUERIES:
        first: list[float] = []
        times: list[float] = []
        pages, bins, _ = _walk(target, key, query, first)
        all_ms = [_walk(target, key, query, times)[2] for _ in range(PAGE_TIMES)]
        yield Pages(query, pages, bins, statistics.median(times), max(times), statistics.median(all_ms), first[0])


def _walk(target: Target, key: str, query: str, times: list[float]) -> tuple[int, int, float]:
    """All pages of a query: how many, the bins on them, and how long they took together, in milliseconds."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=ANSWER_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {key}"}
    pages = bins = 0
    cursor = ""
    walked_ms = 0.0
    try:
        while True:
            begun = time.perf_counter()
            connection.request("GET", f"/v1/bins?limit={PAGE_LIMIT}&{query}{cursor}", headers=headers)
            response = connection.getresponse()
            body = response.read()
            times.append((time.perf_counter() - begun) * 1000)
            walked_ms += times[-1]
            if response.status != 200:
                raise ListingFailed(f"/v1/bins?{query} is answered with {response.status}: {body.decode()[:500]}")
            page = json.loads(body)
            pages, bins = pages + 1, bins + len(page["bins"])
            if page["next_cursor"] is None:
                return pages, bins, walked_ms
            cursor = f"&cursor={page['next_cursor']}"
    finally:
        connection.close()


def handler_mean_ms(target: Target) -> float:
    """Of GET /v1/bins, as the service's own metrics have it."""
    told = read_server_time(target, "/v1/bins")
    return told.seconds / told.requests * 1000
