"""How long a district's year and month take to read with few and with many events, and how fast these are folded.

Two installations stand side by side, one with few events of a year and one with many; each is asked in turn, over HTTP,
one request at a time, so that whatever else the machine does meets both alike. The time of a request is the service's
own: what its histogram of requests has grown by, from the request's head to its answer. Beside it is the client's, from
the first byte sent to the last received.
"""

import asyncio
import http.client
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from loadtest.baselines import Connection
from loadtest.installation import Installation, ServiceProcess, environment
from loadtest.planting import NotFolded
from loadtest.server_time import read_server_time
from loadtest.volume_planting import last_year, plant_city, plant_events, settle

ZONE = ZoneInfo("Asia/Shanghai")
DISTRICT = "nankai"
DEMO_RESIDENTS = 10
SITES = 300
BINS_EACH = 2
WARM_UPS = 3
# Of many, for one event: its row, its index entries, their WAL, and half as much again.
ROOM_BYTES_EACH = 1000
ROOM_BYTES = 4 * 2**30
FOLD_SECONDS_MAX = 3600.0
REBUILD_SECONDS_MAX = 3600.0
ANSWER_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1
SERVER_BAR_MS = 30.0
RATIO_BAR = 1.5

FOLDED = "SELECT position.xid > coalesce((SELECT max(xid) FROM weigh_event), 0) FROM fold_position AS position"
TABLES = ("weigh_event", "volume", "volume_month")
SIZE = """
SELECT pg_table_size($1::regclass) AS table_bytes, pg_indexes_size($1::regclass) AS index_bytes,
       (SELECT reltuples::bigint FROM pg_class WHERE oid = $1::regclass) AS rows
"""

RATE, VOLUMES = "/v1/indicator/recycling-rate", "/v1/indicator/volumes"


class NoRoom(Exception):
    """There is too little room on the disk for so many events."""


class QueryFailed(Exception):
    """A request or a command did not do what it should; the message ends with what was said."""


@dataclass(frozen=True, slots=True)
class Effort:
    """`events` of a year, beside a `few` of the same year; each query `repeats` times."""

    events: int
    few: int
    repeats: int
    seed: int
    keep: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What a table takes, and about how many rows it has."""

    table: str
    rows: int
    table_bytes: int
    index_bytes: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Events that were copied and folded, in seconds, and what they take."""

    events: int
    copy_seconds: float
    fold_seconds: float
    stored: list[Stored]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`tanbi volumes rebuild --since` of a day, as a process of its own, and the events of the days since."""

    since: str
    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one installation: milliseconds of each request, at the server and at the client."""

    query: str
    server_ms: list[float]
    client_ms: list[float]

    @property
    def median_ms(self) -> float:
        """At the server."""
        return statistics.median(self.server_ms)

    @property
    def p95_ms(self) -> float:
        """At the server."""
        return sorted(self.server_ms)[int(0.95 * (len(self.server_ms) - 1))]


@dataclass(frozen=True, slots=True)
class Compared:
    """The same query with few events and with many."""

    few: Asked
    many: Asked

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return self.many.median_ms / self.few.median_ms


@dataclass(frozen=True, slots=True)
class Result:
    effort: Effort
    few: Loaded
    many: Loaded
    rebuilt: list[Rebuilt]
    compared: list[Compared]
    data_dir: str | None

    @property
    def slowest_ms(self) -> float:
        """The highest median of all queries with many events."""
        return max(each.many.median_ms for each in self.compared)

    @property
    def highest_ratio(self) -> float:
        return max(each.ratio for each in self.compared)

    @property
    def passed(self) -> bool:
        return self.slowest_ms < SERVER_BAR_MS and self.highest_ratio <= RATIO_BAR

    def as_json(self) -> dict[str, object]:
        figures = {"slowest_ms": self.slowest_ms, "highest_ratio": self.highest_ratio, "passed": self.passed}
        return {**asdict(self), **figures}


@dataclass(frozen=True, slots=True)
class Subject:
    """An installation with its service and an operator's key."""

    installation: Installation
    service: ServiceProcess
    key: str


def run_volumes(command: Path, effort: Effort, *, told: Callable[[str], None], copied: Callable[[int], None]) -> Result:
    """Raises NoRoom, CannotStart, NoDatabase, NotFolded and QueryFailed. `copied` hears of the events of both."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    needed = ROOM_BYTES + (effort.events + effort.few) * ROOM_BYTES_EACH
    if free < needed:
        raise NoRoom(f"{NoRoom.__doc__} It needs about {needed / 2**30:.0f} GiB; {free / 2**30:.0f} are free.")
    year, begins_at, ends_at = last_year(datetime.now(UTC), ZONE)
    with ExitStack() as stack:
        few, many = (stack.enter_context(Installation(command)) for _ in range(2))
        many.keep = effort.keep
        subjects = [_start(each) for each in (few, many)]
        loaded: list[Loaded] = []
        for subject, events in zip(subjects, (effort.few, effort.events), strict=True):
            told(f"copying and folding {events:,} events of {year}")
            heard = partial(_heard, copied, sum(each.events for each in loaded))
            loaded.append(asyncio.run(_load(subject, events, effort.seed, begins_at, ends_at, heard)))
            told(line_of_loading(loaded[-1]))
        rebuilt = []
        for since in (f"{year}-12-01", f"{year}-01-01"):
            rebuilt.append(_rebuild(many, since))
            told(f"tanbi volumes rebuild --since {since}: nothing to change, {rebuilt[-1].seconds:.1f} s")
        told(f"asking {effort.repeats} times")
        compared = _compare(subjects[0], subjects[1], year, effort.repeats)
    return Result(effort, loaded[0], loaded[1], rebuilt, compared, str(many.data_dir) if effort.keep else None)


def _heard(copied: Callable[[int], None], before: int, done: int) -> None:
    copied(before + done)


def line_of_loading(loaded: Loaded) -> str:
    """What was loaded, as it is printed when it is there."""
    return (
        f"{loaded.events:,} events: COPY {loaded.events / loaded.copy_seconds:,.0f}/s,"
        f" folding {loaded.events / loaded.fold_seconds:,.0f}/s"
    )


def _start(installation: Installation) -> Subject:
    installation.demo(DEMO_RESIDENTS).stop()
    service = installation.serve()
    service.wait_until_it_answers()
    return Subject(installation, service, json.loads(installation.demo_json.read_text())["operator_key"])


async def _load(
    subject: Subject, events: int, seed: int, begins_at: datetime, ends_at: datetime, copied: Callable[[int], None]
) -> Loaded:
    connection = await subject.installation.connect()
    try:
        with subject.service.paused():
            city = await plant_city(
                connection,
                district=DISTRICT,
                sites=SITES,
                bins_each=BINS_EACH,
                begins_at=begins_at,
                ends_at=ends_at,
            )
            copy_seconds = await plant_events(connection, city, events=events, seed=seed, progress=copied)
            await settle(connection)
            began = time.monotonic()
        await _wait_until_folded(connection)
        fold_seconds = time.monotonic() - began
        await settle(connection)
        stored = [Stored(table, **dict(await connection.fetchrow(SIZE, table) or {})) for table in TABLES]
    finally:
        await connection.close()
    return Loaded(events, copy_seconds, fold_seconds, stored)


async def _wait_until_folded(connection: Connection) -> None:
    """Raises NotFolded."""
    deadline = time.monotonic() + FOLD_SECONDS_MAX
    while not await connection.fetchval(FOLDED):
        if time.monotonic() > deadline:
            raise NotFolded(NotFolded.__doc__)
        await asyncio.sleep(POLL_SECONDS)


def _rebuild(installation: Installation, since: str) -> Rebuilt:
    """Raises QueryFailed where it finds anything to change."""
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        [str(installation.command), "volumes", "rebuild", "--since", since, "--data", str(installation.data_dir)],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=REBUILD_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise QueryFailed(
            f"`tanbi volumes rebuild --since {since}` ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
    seconds = time.monotonic() - began
    return Rebuilt(since, asyncio.run(_events_since(installation, since)), seconds)


async def _events_since(installation: Installation, since: str) -> int:
    connection = await installation.connect()
    try:
        events: int = await connection.fetchval(
            "SELECT sum(drops)::bigint FROM volume WHERE day >= $1::text::date", since
        )
    finally:
        await connection.close()
    return events


def _compare(few: Subject, many: Subject, year: int, repeats: int) -> list[Compared]:
    """Each query once, of the one and of the other, and so on. Raises QueryFailed."""
    queries = queries_of(year)
    compared = [Compared(Asked(name, [], []), Asked(name, [], [])) for name, _, _ in queries]
    for number in range(WARM_UPS + repeats):
        for each, (_, path, query) in zip(compared, queries, strict=True):
            turns = [(few, each.few), (many, each.many)]
            # By turns also who comes first.
            for subject, asked in turns if number % 2 else reversed(turns):
                server_ms, client_ms = _ask(subject, path, query)
                if number >= WARM_UPS:
                    asked.server_ms.append(server_ms)
                    asked.client_ms.append(client_ms)
    return compared


def queries_of(year: int) -> Sequence[tuple[str, str, str]]:
    """Name, route and query of what an operator asks of the district: its year and a month."""
    periods = (("year", f"{year}"), ("month", f"{year}-11"))
    return [
        *((f"rate, {name}", RATE, f"area={DISTRICT}&period={period}") for name, period in periods),
        *(
            (f"volumes by {by}, {name}", VOLUMES, f"area={DISTRICT}&period={period}&by={by}")
            for by in ("material", "area", "month")
            for name, period in periods
        ),
    ]


def _ask(subject: Subject, route: str, query: str) -> tuple[float, float]:
    """Milliseconds at the server and at the client."""
    target = subject.service.target
    before = read_server_time(target, route)
    connection = http.client.HTTPConnection(target.host, target.port, timeout=ANSWER_SECONDS_MAX)
    began = time.perf_counter()
    try:
        connection.request("GET", f"{route}?{query}", headers={"Authorization": f"Bearer {subject.key}"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    client_ms = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise QueryFailed(f"{route}?{query} is answered with {response.status}: {body.decode()[:500]}")
    after = read_server_time(target, route)
    if after.requests != before.requests + 1:
        raise QueryFailed(f"The service counted {after.requests - before.requests} requests where one was sent.")
    return (after.seconds - before.seconds) * 1000, client_ms
