"""A service on a fresh database under load, and the figures that come of it."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import psutil
import uvloop

from loadtest.closed import run_closed
from loadtest.demo import read_demo
from loadtest.drops import Drops
from loadtest.fleet import plant_fleet
from loadtest.installation import Installation, ServiceProcess, cpu_seconds_of, family_of
from loadtest.open import run_open
from loadtest.requests import BinKey, Prepared, Renderer
from loadtest.result import LoadResult
from loadtest.target import Target
from schemas.signatures import Algorithm

IN_FLIGHT = 128
IN_FLIGHT_FEW = 16
REDEMPTIONS_IN_FLIGHT = (16, 64)
# An open loop needs a connection for each request that waits: enough for a stall of a tenth of a second.
OPEN_CONNECTIONS = 512
BATCH_EVENTS = 100
BATCHES_IN_FLIGHT = 16
# How many more requests are prepared than the warm-up answered in the same time.
SPARE = 1.4
# 250 to 1 000 bytes each, all of them in memory.
EVENTS_MAX = 400_000
BATCHES_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    - `seconds`: of each measure; what is measured by turns has them cut into `slices`.
    - `warm_up_seconds`, `warm_up_requests`, `warm_up_batches`: the most of each warm-up.
    - `residents`: of the sample data; `redeemers` have coins to spend at `merchants`.
    - `memory_events`: before the first and the second look at memory, with `rest_seconds` before each.
    - `copy_rows`: of a COPY; `statement_transfers`: of the short and of the long statement.
    - `workers`: of the service.
    - `fresh`: without it one database serves all subjects, and nobody waits until it is at rest.
    """

    seconds: float = 4.0
    warm_up_seconds: float = 1.0
    warm_up_requests: int = 20_000
    warm_up_batches: int = 500
    residents: int = 2000
    memory_events: tuple[int, int] = (100_000, 1_000_000)
    rest_seconds: float = 1.0
    copy_rows: int = 200_000
    workers: int = 1
    redeemers: int = 10_000
    merchants: int = 1_000
    statement_transfers: tuple[int, int] = (100, 1_000_000)
    slices: int = 4
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: `value` in `unit`, what makes it doubtful (`notes`), and the whole record that it comes from.

    `service_cpu_share` and `database_cpu_share` are CPU time over wall time, 1 is one core; None where there is none.
    """

    value: float
    unit: str
    generator_cpu_share: float | None
    generator_was_the_limit: bool | None
    notes: list[str] = field(default_factory=list)
    service_cpu_share: float | None = None
    database_cpu_share: float | None = None
    detail: dict[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return asdict(self)


Measures = dict[str, Measure]
Fleets = dict[Algorithm, list[BinKey]]


async def plant_fleets(installation: Installation) -> Fleets:
    """A bin of each algorithm for each request in flight: each has a connection of its own, as bins have."""
    connection = await installation.connect()
    try:
        return {
            algorithm: await plant_fleet(connection, installation.master_key, IN_FLIGHT, algorithm=algorithm)
            for algorithm in Algorithm
        }
    finally:
        await connection.close()


class Loader:
    """Puts load on one target, and sizes it by what the warm-up answered."""

    def __init__(self, target: Target, bins: list[BinKey], cards: list[str], effort: Effort, seed: int) -> None:
        # A bin's sequence never falls: milliseconds since 1970 lie above those of any earlier run.
        first = time.time_ns() // 1_000_000
        self._target = target
        self._effort = effort
        self._renderer = Renderer(
            target, bins, Drops([item.bin_id for item in bins], cards, seed=seed, first_sequence=first)
        )
        self._rate = 0.0

    def warm_up(self, events_each: int = 1) -> None:
        """Load that is not measured: plans, caches and connections are what they are in service."""
        count = self._effort.warm_up_requests if events_each == 1 else self._effort.warm_up_batches
        in_flight = IN_FLIGHT if events_each == 1 else BATCHES_IN_FLIGHT
        seconds = self._effort.warm_up_seconds
        self._rate = self._closed(count, in_flight, seconds, events_each).requests_per_second

    def closed(self, in_flight: int, seconds: float, events_each: int = 1) -> LoadResult:
        """A closed loop of so many in flight."""
        return self._closed(math.ceil(self._rate * seconds * SPARE) + 1, in_flight, seconds, events_each)

    def open(self, rate: float, seconds: float) -> LoadResult:
        """An open loop of one event a request."""
        prepared = self._render(max(1, math.ceil(rate * seconds)), 1)
        return uvloop.run(
            run_open(self._target, prepared, rate_per_second=max(rate, 1.0), connections=OPEN_CONNECTIONS)
        )

    def batches(self, count: int) -> LoadResult:
        """So many batches, however long they take up to a minute."""
        return self._closed(count, BATCHES_IN_FLIGHT, BATCHES_SECONDS_MAX, BATCH_EVENTS)

    def _closed(self, count: int, in_flight: int, seconds: float, events_each: int) -> LoadResult:
        prepared = self._render(min(count, EVENTS_MAX // events_each), events_each)
        return uvloop.run(run_closed(self._target, prepared, connections=in_flight, seconds_max=seconds))

    def _render(self, count: int, events_each: int) -> Prepared:
        return self._renderer.render(count, created=int(time.time()), events_each=events_each)


class Subject:
    """A fresh installation with its service, under load."""

    def __init__(
        self, installation: Installation, service: ServiceProcess, fleets: Fleets, effort: Effort, seed: int
    ) -> None:
        self.installation = installation
        self.service = service
        self.fleets = fleets
        self._effort = effort
        self._seed = seed

    def loader(self, algorithm: Algorithm) -> Loader:
        """Load from the bins that sign with this algorithm."""
        cards = list(read_demo(self.installation.demo_json).cards)
        return Loader(self.service.target, self.fleets[algorithm], cards, self._effort, self._seed)

    def watched(self, load: Callable[[], LoadResult]) -> tuple[LoadResult, float, float]:
        """A run, with the CPU shares of the service and of the database while it lasted."""
        postmaster = self.installation.postmaster()
        database = family_of(postmaster.pid) if postmaster else []
        service_before, database_before = self._cpu(database)
        result = load()
        service_after, database_after = self._cpu(database)
        # Over the run alone: while its requests are rendered, both have nothing to do.
        seconds = result.seconds or math.nan
        return result, (service_after - service_before) / seconds, (database_after - database_before) / seconds

    def _cpu(self, database: list[psutil.Process]) -> tuple[float, float]:
        return cpu_seconds_of(self.service.members()), cpu_seconds_of(database)

    def rate(self, load: Callable[[], LoadResult]) -> Measure:
        """Events a second of a run."""
        return measure_of(*self.watched(load), unit="events/s", value=lambda result: result.events_per_second)


class Bench:
    """Where subjects come from: a service for each on a copy of the template's database, or without `effort.fresh` the
    template itself with its demo for all of them."""

    def __init__(self, template: Installation, demo: ServiceProcess, fleets: Fleets, effort: Effort) -> None:
        self.effort = effort
        self._template = template
        self._demo = demo
        self._fleets = fleets
        if effort.fresh:
            demo.stop()

    @contextmanager
    def subject(self, seed: int) -> Iterator[Subject]:
        """A service under load while the block lasts. Raises CannotStart."""
        if not self.effort.fresh:
            yield Subject(self._template, self._demo, self._fleets, self.effort, seed)
            return
        with Installation(self._template.command, like=self._template) as installation:
            service = installation.serve(workers=self.effort.workers)
            service.wait_until_it_answers()
            yield Subject(installation, service, self._fleets, self.effort, seed)


def measure_of(
    result: LoadResult,
    service_cpu_share: float | None,
    database_cpu_share: float | None,
    *,
    unit: str,
    value: Callable[[LoadResult], float],
) -> Measure:
    """A run as a figure, with what makes it doubtful."""
    return Measure(
        value=value(result),
        unit=unit,
        generator_cpu_share=result.generator_cpu_share,
        generator_was_the_limit=result.generator_was_the_limit,
        notes=notes_of(result),
        service_cpu_share=service_cpu_share,
        database_cpu_share=database_cpu_share,
        detail=result.as_json(),
    )


def notes_of(result: LoadResult) -> list[str]:
    """What makes the figure of a run of events doubtful; nothing where all went as it should."""
    notes = doubts_of(result, "200")
    if result.outcomes.get("credited") != result.events:
        notes.append(f"of {result.events} events, {result.outcomes}")
    return notes


def doubts_of(result: LoadResult, status: str) -> list[str]:
    """What makes the figure of any run doubtful, where each answer should have this status."""
    notes = []
    if set(result.statuses) != {status}:
        notes.append(f"answered with {result.statuses}")
    if result.failed or result.unanswered or result.repeated:
        notes.append(f"{result.failed} failed, {result.unanswered} unanswered, {result.repeated} repeated")
    if result.generator_was_the_limit:
        notes.append("the generator was the limit")
    return notes


def median_ms(result: LoadResult) -> float:
    """The median latency in milliseconds."""
    return result.latency_ms.p50 if result.latency_ms else math.nan


def p99_ms(result: LoadResult) -> float:
    """The 99th percentile of latency in milliseconds."""
    return result.latency_ms.p99 if result.latency_ms else math.nan
