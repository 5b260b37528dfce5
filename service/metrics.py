"""Every metric in one place.

Counters and histograms are of this process: Prometheus adds them up over processes and replicas. What is read from the
database is the same for all, so only the replica that holds the fold worker's lease exports it (`DatabaseFigures`).
No bin, resident or merchant is ever a label.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 250, 500)
LOOP_LAG_INTERVAL_SECONDS = 0.25
UNMATCHED = "unmatched"


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
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
        self._redemptions = Counter(
            "tanbi_redemptions", "Redemptions answered, by outcome", ["outcome"], registry=self.registry
        )
        self._batch_size = Histogram(
            "tanbi_groupcommit_batch_size",
            "Items committed together",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._batch_wait = Histogram(
            "tanbi_groupcommit_wait_seconds",
            "From the first item's arrival to its commit",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "tanbi_groupcommit_queue_depth",
            "Items waiting for a writer",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.pool_connections = Gauge(
            "tanbi_database_pool_connections",
            "Connections of the pool",
            ["state"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._loop_lag = Gauge(
            "tanbi_event_loop_lag_seconds",
            "How late the event loop was in its last turn",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        # Children are looked up once: labels() costs more than inc().
        self._outcomes = {
            outcome: self._weigh_events.labels(outcome)
            for outcome in ("credited", "unclaimed", "duplicate", "conflict", "held", "rejected")
        }
        self._by_route: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def count_outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        for outcome in outcomes:
            self._outcomes[outcome["outcome"]].inc()

    def count_redemption(self, outcome: str) -> None:
        """`captured`, or the code of the problem it was declined with."""
        self._redemptions.labels(outcome).inc()

    def batch_committed(self, items: int, longest_wait_seconds: float) -> None:
        self._batch_size.observe(items)
        self._batch_wait.observe(longest_wait_seconds)

    def queue_changed(self, items: int) -> None:
        self._queue_depth.set(items)

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        status_class = status // 100
        key = (route, method, status_class)
        found = self._by_route.get(key)
        if found is None:
            found = self._requests.labels(route, method, f"{status_class}xx"), self._latency.labels(route, method)
            self._by_route[key] = found
        found[0].inc()
        found[1].observe(seconds)

    async def watch_loop_forever(self) -> None:
        while True:
            due = time.perf_counter() + LOOP_LAG_INTERVAL_SECONDS
            await asyncio.sleep(LOOP_LAG_INTERVAL_SECONDS)
            self._loop_lag.set(max(0.0, time.perf_counter() - due))


def metrics_middleware(metrics: Metrics) -> Middleware:
    """Counts by route template, so that ids in paths never become labels."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else UNMATCHED
        # Any token may be sent as a method; only known ones become labels.
        method = request.method if request.method in hdrs.METH_ALL else "OTHER"
        metrics.request_answered(route, method, response.status, time.perf_counter() - started)
        return response

    return count
