"""Every metric in one place.

What a process counts is its own; the processes of one port share files, and whichever is asked answers for all of them.
What is read from the database is the same for all replicas and comes from one of them: see figures.py.
No bin, resident or merchant is ever a label. `docs/metrics.md` explains each metric to whoever reads them.
"""

import asyncio
import os
import time
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 250, 500)
# Below 0 the clock is ahead. Beyond the tolerance of signatures nothing is accepted.
SKEW_BUCKETS = (-240.0, -60.0, -15.0, -5.0, -1.0, 1.0, 5.0, 15.0, 60.0, 240.0)
SAMPLE_INTERVAL_SECONDS = 0.25
UNMATCHED = "unmatched"
NO_CODE = "none"


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        # When a series began is of no use here, and would be a series of its own for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tanbi_http_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self._latency = Histogram(
            "tanbi_http_request_seconds",
            "From the request's head to its answer",
            ["route", "method"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._weigh_events = Counter(
            "tanbi_weigh_events", "Weigh events answered, by outcome", ["outcome"], registry=self.registry
        )
        self._telemetry = Counter(
            "tanbi_telemetry_events", "Telemetry events answered, by outcome", ["outcome"], registry=self.registry
        )
        self._clearances = Counter(
            "tanbi_clearances",
            "Clearances answered, by outcome and by what is doubtful about them or why they were not recorded",
            ["outcome", "code"],
            registry=self.registry,
        )
        self._skew = Histogram(
            "tanbi_bin_clock_skew_seconds",
            "How far bins' clocks are behind the service's when they sign; below 0 they are ahead",
            buckets=SKEW_BUCKETS,
            registry=self.registry,
        )
        self._redemptions = Counter(
            "tanbi_redemptions", "Redemptions answered, by outcome", ["outcome"], registry=self.registry
        )
        self._expired_holds = Counter(
            "tanbi_expired_holds", "Holds that the sweeper found expired", registry=self.registry
        )
        self._webhooks = Counter(
            "tanbi_webhook_attempts", "Webhooks sent to merchants, by outcome", ["outcome"], registry=self.registry
        )
        self._batch_size = Histogram(
            "tanbi_groupcommit_batch_size",
            "Items committed together",
            ["queue"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._batch_wait = Histogram(
            "tanbi_groupcommit_wait_seconds",
            "From the first item's arrival to its commit",
            ["queue"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._scrape_errors = Counter(
            "tanbi_scrape_errors",
            "Scrapes whose database figures could not be read in time",
            registry=self.registry,
        )
        self._gauge()
        self._begin_at_zero()
        # Noted while a request runs and counted four times a second, all at once: counting one by one costs each weigh
        # event three times as much, and more where processes share their counts through a file.
        self._noted_outcomes: Counts[str] = Counts()
        self._noted_skews: dict[str, int] = {}
        self._noted_answers: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)

    def _begin_at_zero(self) -> None:
        """From 0 on: a rate does not see the step to a first value."""
        # Children are looked up once: labels() costs more than inc().
        self._outcomes = {
            outcome: self._weigh_events.labels(outcome)
            for outcome in ("credited", "unclaimed", "duplicate", "conflict", "held", "rejected")
        }
        for outcome in ("recorded", "rejected"):
            self._telemetry.labels(outcome)
        self._clearances.labels("recorded", NO_CODE)
        self._redemptions.labels("captured")
        for outcome in ("failed", "gone"):
            self._webhooks.labels(outcome)

    def _gauge(self) -> None:
        self._queue_depth = Gauge(
            "tanbi_groupcommit_queue_depth",
            "Items waiting for a writer",
            ["queue"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._pool_connections = Gauge(
            "tanbi_database_pool_connections",
            "Connections to the database, by pool and state",
            ["pool", "state"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._loop_lag = Gauge(
            "tanbi_event_loop_lag_seconds",
            "How late the event loop was in its last turn",
            multiprocess_mode="livemax",
            registry=self.registry,
        )

    def count_outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        for outcome in outcomes:
            self._noted_outcomes[outcome["outcome"]] += 1

    def count_telemetry(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        for outcome, times in Counts(outcome["outcome"] for outcome in outcomes).items():
            self._telemetry.labels(outcome).inc(times)

    def count_clearances(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        for outcome in outcomes:
            self._clearances.labels(outcome["outcome"], outcome.get("code", NO_CODE)).inc()

    def note_skew(self, bin_id: str, seconds: int) -> None:
        """How far a bin's clock was behind when it signed a request that was accepted; below 0 is ahead.

        What one bin signs within a quarter of a second counts once.
        """
        self._noted_skews[bin_id] = seconds

    def count_redemption(self, outcome: str) -> None:
        """`authorised`, `captured`, `voided` or `refunded`, or the code of the problem it was declined with."""
        self._redemptions.labels(outcome).inc()

    def group_commit(self, queue: str) -> "BatchMetrics":
        """What the group commit of this queue tells of itself."""
        return BatchMetrics(self._batch_size.labels(queue), self._batch_wait.labels(queue))

    def count_expired_holds(self, holds: int) -> None:
        self._expired_holds.inc(holds)

    def count_webhook(self, outcome: str) -> None:
        """Of one attempt: `delivered`, `retried` (it will be), `failed` (it was the last) or `gone` (answered 410)."""
        self._webhooks.labels(outcome).inc()

    def count_scrape_error(self) -> None:
        self._scrape_errors.inc()

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._noted_answers[route, method, status // 100].append(seconds)

    def count_noted(self) -> None:
        """Count what was noted since the last time."""
        for outcome, times in self._noted_outcomes.items():
            self._outcomes[outcome].inc(times)
        self._noted_outcomes.clear()
        for skew_seconds in self._noted_skews.values():
            self._skew.observe(skew_seconds)
        self._noted_skews.clear()
        for (route, method, status_class), latencies in self._noted_answers.items():
            self._requests.labels(route, method, f"{status_class}xx").inc(len(latencies))
            observe = self._latency.labels(route, method).observe
            for seconds in latencies:
                observe(seconds)
        self._noted_answers.clear()

    async def sample_forever(
        self, *, queued_items: Mapping[str, Callable[[], int]], pools: Mapping[str, Callable[[], tuple[int, int]]]
    ) -> None:
        """Look at what has a state instead of events, four times a second; `pools` give connections in use and idle."""
        while True:
            due = time.perf_counter() + SAMPLE_INTERVAL_SECONDS
            await asyncio.sleep(SAMPLE_INTERVAL_SECONDS)
            self._loop_lag.set(max(0.0, time.perf_counter() - due))
            self.count_noted()
            for queue, items in queued_items.items():
                self._queue_depth.labels(queue).set(items())
            for name, pool in pools.items():
                for state, connections in zip(("in_use", "idle"), pool(), strict=True):
                    self._pool_connections.labels(name, state).set(connections)

    def exposition(self, accept: str, figures: Iterable[Metric] = ()) -> tuple[bytes, str]:
        """What Prometheus is told, and its content type: the version that `accept` (a header) asks for.

        Where several processes serve one port, the answer is of all of them.
        """
        self.count_noted()
        encode, content_type = choose_encoder(accept)
        return encode(_Scrape(self._processes(), figures)), content_type

    def _processes(self) -> Collector:
        # The variable decided, when prometheus_client was imported, where values are kept.
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return shared


class BatchMetrics:
    """Histograms of one queue."""

    def __init__(self, size: Histogram, wait: Histogram) -> None:
        self._size = size
        self._wait = wait

    def batch_committed(self, items: int, longest_wait_seconds: float) -> None:
        self._size.observe(items)
        self._wait.observe(longest_wait_seconds)


class _Scrape(Collector):
    """The counts of the processes, and the figures of the database where there are any."""

    def __init__(self, processes: Collector, figures: Iterable[Metric]) -> None:
        self._processes = processes
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield from self._processes.collect()
        yield from self._figures
