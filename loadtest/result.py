"""What a run found: counts, rates, latencies, and whether the generator itself was the limit."""

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from loadtest.generator import Load
from schemas.telemetry import TelemetryOutcome
from schemas.weigh_events import Outcome

LATENCY_MICROSECONDS_MAX = 600_000_000
SIGNIFICANT_DIGITS = 3

BUSY_SHARE_MAX = 0.9
LATENESS_MS_MIN = 1.0
LATENESS_SHARE_MAX = 0.25


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a time in milliseconds, each to three significant digits, and the mean."""

    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One run of load.

    - `requests`: sent, or in an open loop due; each is counted once: in `statuses` when answered, in `failed` when
      SENDS_MAX connections closed on it, in `unanswered` when time was up first.
    - `events`: in requests answered with 200; `outcomes` counts what those answers say of them.
    - `seconds`: from the first send to the last answer; the rates are answered requests, and `events`, over it.
    - `repeated`: sends beyond the first of a request, after its connection closed.
    - `latency_ms`: in a closed loop from send to answer, in an open loop from when the request was due, whenever it was
      sent. What failed or stayed unanswered is in it with the time it had waited, a lower bound.
    - `queued` (open loop): requests that found no free connection when they were due.
    - `lateness_ms` (open loop): from when a request was due to when the generator turned to it.
    - `generator_cpu_share`: CPU time of the generator's process over wall time; `generator_wait_share`: what it spent
      ready to run while others had the core, None where the system does not say.
    - `generator_was_the_limit`: it was on a core, or waiting for one, for more than BUSY_SHARE_MAX of the time, so that
      the service waited for it; or, in an open loop, the 99th percentile of lateness is above LATENESS_MS_MIN and above
      LATENESS_SHARE_MAX of that of latency. The figures then are the generator's, not the service's.
    """

    loop: Literal["closed", "open"]
    connections: int
    events_each: int
    due_per_second: float | None
    requests: int
    events: int
    seconds: float
    requests_per_second: float
    events_per_second: float
    statuses: dict[str, int]
    outcomes: dict[str, int]
    failed: int
    unanswered: int
    repeated: int
    queued: int | None
    latency_ms: Spread | None
    lateness_ms: Spread | None
    generator_cpu_share: float
    generator_wait_share: float | None
    generator_was_the_limit: bool

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return asdict(self)


class Tally:
    """Counts of a run as it goes. Latencies are kept raw: the histogram, ten times as dear a value, comes after."""

    __slots__ = ("events", "events_each", "failed", "latencies", "open", "outcomes", "statuses")

    def __init__(self, events_each: int) -> None:
        self.events_each = events_each
        self.statuses: dict[int, int] = {}
        self.outcomes: dict[bytes, int] = {f'"{name}"'.encode(): 0 for name in (*Outcome, *TelemetryOutcome)}
        self.events = 0
        self.failed = 0
        self.open = 0
        self.latencies = array("d")

    def answered(self, seconds: float, status: int, body: bytes) -> None:
        """One request was answered after `seconds`."""
        self.latencies.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status != 200:
            return
        self.events += self.events_each
        counted = 0
        # Most are credited, and an answer is rarely mixed: one search is then all.
        for outcome in self.outcomes:
            found = body.count(outcome)
            if found:
                self.outcomes[outcome] += found
                counted += found
                if counted >= self.events_each:
                    return

    def gave_up(self, seconds: float) -> None:
        """One request failed after `seconds`."""
        self.latencies.append(seconds)
        self.failed += 1

    def unanswered(self, since: Sequence[float], now: float) -> None:
        """Requests still wait when the time is up; `since` when, and `now`, in seconds of perf_counter."""
        self.latencies.extend(now - moment for moment in since)
        self.open += len(since)


def result_of(
    tally: Tally,
    load: Load,
    *,
    loop: Literal["closed", "open"],
    connections: int,
    due_per_second: float | None,
    seconds: float,
    repeated: int,
    queued: int | None = None,
    lateness: "array[float] | None" = None,
) -> LoadResult:
    """The record of a run that took `seconds`; the names are those of LoadResult."""
    latency_ms, lateness_ms = spread_of(tally.latencies), spread_of(lateness) if lateness else None
    answered = sum(tally.statuses.values())
    return LoadResult(
        loop=loop,
        connections=connections,
        events_each=tally.events_each,
        due_per_second=due_per_second,
        requests=answered + tally.failed + tally.open,
        events=tally.events,
        seconds=seconds,
        requests_per_second=answered / seconds if seconds else 0.0,
        events_per_second=tally.events / seconds if seconds else 0.0,
        statuses={str(status): count for status, count in sorted(tally.statuses.items())},
        outcomes={name.decode().strip('"'): count for name, count in tally.outcomes.items() if count},
        failed=tally.failed,
        unanswered=tally.open,
        repeated=repeated,
        queued=queued,
        latency_ms=latency_ms,
        lateness_ms=lateness_ms,
        generator_cpu_share=load.cpu_share,
        generator_wait_share=load.wait_share,
        generator_was_the_limit=was_the_limit(load, latency_ms, lateness_ms),
    )


def was_the_limit(load: Load, latency_ms: Spread | None, lateness_ms: Spread | None) -> bool:
    """The rule of LoadResult.generator_was_the_limit."""
    if load.cpu_share + (load.wait_share or 0.0) > BUSY_SHARE_MAX:
        return True
    if latency_ms is None or lateness_ms is None:
        return False
    return lateness_ms.p99 > max(LATENESS_MS_MIN, LATENESS_SHARE_MAX * latency_ms.p99)


def spread_of(seconds: "array[float]") -> Spread | None:
    """The spread of times in seconds, by HdrHistogram; None of none. Beyond LATENCY_MICROSECONDS_MAX counts as that."""
    if not seconds:
        return None
    histogram = HdrHistogram(1, LATENCY_MICROSECONDS_MAX, SIGNIFICANT_DIGITS)
    for value in seconds:
        histogram.record_value(min(max(round(value * 1e6), 1), LATENCY_MICROSECONDS_MAX))
    p50, p90, p99, p99_9 = (histogram.get_value_at_percentile(share) / 1000 for share in (50, 90, 99, 99.9))
    return Spread(p50, p90, p99, p99_9, max=max(seconds) * 1000, mean=sum(seconds) / len(seconds) * 1000)
