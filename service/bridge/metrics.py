"""What a bridge counts; `docs/metrics.md` explains it."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from service.bridge.topics import PATHS
from service.metrics import LATENCY_BUCKETS

RESULTS = ("decided", "refused", "given_back")


class BridgeMetrics:
    """The metrics of one bridge."""

    def __init__(self) -> None:
        # When a series began is of no use here, and would be a series of its own for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.is_connected = False
        self.registry = CollectorRegistry()
        self._messages = Counter(
            "tanbi_bridge_messages",
            "Messages done with, by topic and result",
            ["topic", "result"],
            registry=self.registry,
        )
        self._retries = Counter(
            "tanbi_bridge_retries", "Requests that were not decided, by reason", ["reason"], registry=self.registry
        )
        self._seconds = Histogram(
            "tanbi_bridge_message_seconds",
            "From a message's arrival to its answer",
            buckets=(*LATENCY_BUCKETS, 30.0, 60.0),
            registry=self.registry,
        )
        self._in_flight = Gauge("tanbi_bridge_in_flight", "Messages that wait for their answer", registry=self.registry)
        self._connected = Gauge("tanbi_bridge_connected", "Whether messages can come", registry=self.registry)
        # From 0 on: a rate does not see the step to a first value.
        for kind in PATHS:
            for result in RESULTS:
                self._messages.labels(kind, result)

    @contextmanager
    def connected(self) -> Iterator[None]:
        self._connected.set(1)
        self.is_connected = True
        try:
            yield
        finally:
            self._connected.set(0)
            self.is_connected = False

    @contextmanager
    def carrying(self) -> Iterator[None]:
        with self._in_flight.track_inprogress(), self._seconds.time():
            yield

    def count_message(self, kind: str, result: str) -> None:
        """`decided` (2xx), `refused` (4xx) or `given_back` (anything else)."""
        self._messages.labels(kind, result).inc()

    def count_retry(self, reason: str) -> None:
        """A status, or `no_answer`."""
        self._retries.labels(reason).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """What Prometheus is told, and its content type: the version that `accept` (a header) asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
