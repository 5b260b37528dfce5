"""What `compare` measures: what is done, in which order, and what comes of it. Each begins with a fresh database."""

import json
import math
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from loadtest.baselines import BaselineResult, run_copy, run_transactions
from loadtest.installation import CannotStart
from loadtest.requests import BinKey
from loadtest.subject import (
    BATCH_EVENTS,
    BATCHES_IN_FLIGHT,
    IN_FLIGHT,
    IN_FLIGHT_FEW,
    Bench,
    Loader,
    Measure,
    Measures,
    measure_of,
    median_ms,
    notes_of,
    p99_ms,
)
from loadtest.target import Target
from schemas.signatures import Algorithm, SigningKey

BARE_SECONDS_MAX = 600
TRANSACTIONS_PER_SECOND_MAX = 12_000
MEMORY_CHUNK_BATCHES = 500


def measure_bare(bench: Bench, seed: int) -> Measures:
    """The bare handler, IN_FLIGHT in flight: it takes the same requests, from bins that nobody knows."""
    bins = [
        BinKey(f"NK-{number:04}", SigningKey(f"NK-{number:04}", Algorithm.HMAC_SHA256, secrets.token_bytes(32)))
        for number in range(1, IN_FLIGHT + 1)
    ]
    cards = [f"04A2{number:010X}" for number in range(bench.effort.residents)]
    with bare_handler() as target:
        loader = Loader(target, bins, cards, bench.effort, seed)
        loader.warm_up()
        result = loader.closed(IN_FLIGHT, bench.effort.seconds)
    return {"bare": measure_of(result, None, None, unit="requests/s", value=lambda it: it.requests_per_second)}


@contextmanager
def bare_handler() -> Iterator[Target]:
    """`python -m loadtest bare` as a process of its own. Raises CannotStart."""
    command = [sys.executable, "-m", "loadtest", "bare", "--seconds", str(BARE_SECONDS_MAX)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise CannotStart("The bare handler ended before it listened.")
            yield Target("127.0.0.1", json.loads(line)["port"])
        finally:
            process.terminate()


def measure_single(bench: Bench, seed: int) -> Measures:
    """One event a request, HMAC: many and few in flight, one alone, and half of the highest rate in an open loop."""
    with bench.subject(seed) as it:
        loader = it.loader(Algorithm.HMAC_SHA256)
        loader.warm_up()
        many = it.rate(lambda: loader.closed(IN_FLIGHT, bench.effort.seconds))
        few = it.rate(lambda: loader.closed(IN_FLIGHT_FEW, bench.effort.seconds))
        lone = measure_of(
            *it.watched(lambda: loader.closed(1, bench.effort.seconds)), unit="ms, median", value=median_ms
        )
        highest = max(many.value, few.value)
        half = measure_of(
            *it.watched(lambda: loader.open(highest / 2, bench.effort.seconds)), unit="ms, p99", value=p99_ms
        )
    return {"single": many, "single_16": few, "lone": lone, "half_rate": half}


def measure_ed25519(bench: Bench, seed: int) -> Measures:
    """As `single`, from bins that sign with Ed25519."""
    with bench.subject(seed) as it:
        loader = it.loader(Algorithm.ED25519)
        loader.warm_up()
        return {"ed25519": it.rate(lambda: loader.closed(IN_FLIGHT, bench.effort.seconds))}


def measure_batches(bench: Bench, seed: int) -> Measures:
    """BATCH_EVENTS events a request, HMAC."""
    with bench.subject(seed) as it:
        loader = it.loader(Algorithm.HMAC_SHA256)
        loader.warm_up(BATCH_EVENTS)
        return {"batches": it.rate(lambda: loader.closed(BATCHES_IN_FLIGHT, bench.effort.seconds, BATCH_EVENTS))}


def measure_transactions(bench: Bench, seed: int) -> Measures:
    """One transaction an event without HTTP: in three round trips (`transactions`) and in one (`statements`)."""
    return {
        "transactions": measure_without_http(bench, seed, whole=True),
        "statements": measure_without_http(bench, seed, whole=False),
    }


def measure_without_http(bench: Bench, seed: int, *, whole: bool) -> Measure:
    """One kind of run_transactions on the database of a paused service, after a warm-up."""
    with bench.subject(seed) as it, it.service.paused():

        def run(seconds: float, seed: int) -> BaselineResult:
            count = math.ceil(TRANSACTIONS_PER_SECOND_MAX * seconds)
            work = run_transactions(
                it.installation.connect, events_max=count, seconds_max=seconds, whole=whole, seed=seed
            )
            return uvloop.run(work)

        run(bench.effort.warm_up_seconds, seed)
        # Other draws than the warm-up's, or all would be duplicates.
        return baseline_measure(run(bench.effort.seconds, ~seed), "events/s")


def measure_copy(bench: Bench, seed: int) -> Measures:
    """COPY on the database of a paused service; see run_copy."""
    with bench.subject(seed) as it, it.service.paused():
        result = uvloop.run(
            run_copy(it.installation.connect, rows=bench.effort.copy_rows, seconds_max=bench.effort.seconds, seed=seed)
        )
    return {"copy": baseline_measure(result, "rows/s")}


def baseline_measure(result: BaselineResult, unit: str) -> Measure:
    """A run without HTTP as a figure."""
    return Measure(
        value=result.events_per_second,
        unit=unit,
        generator_cpu_share=result.generator_cpu_share,
        generator_was_the_limit=result.generator_was_the_limit,
        notes=["the client was the limit"] if result.generator_was_the_limit else [],
        detail=result.as_json(),
    )


def measure_memory(bench: Bench, seed: int) -> Measures:
    """Resident memory of the service after so many events and after more, in batches to get there soon."""
    figures: Measures = {}
    events, notes = 0, list[str]()
    with bench.subject(seed) as it:
        loader = it.loader(Algorithm.HMAC_SHA256)
        seen = {0: it.service.resident_bytes()}
        for name, goal in zip(("memory_early", "memory_late"), bench.effort.memory_events, strict=True):
            while events < goal:
                result = loader.batches(min(MEMORY_CHUNK_BATCHES, math.ceil((goal - events) / BATCH_EVENTS)))
                if not result.events:
                    raise CannotStart(f"The service takes no batches: it answers {result.statuses}.")
                events += result.events
                seen[events] = it.service.resident_bytes()
                notes += [note for note in notes_of(result) if "limit" not in note]
            time.sleep(bench.effort.rest_seconds)
            figures[name] = Measure(
                value=it.service.resident_bytes() / 2**20,
                unit=f"MiB after {events:,}",
                generator_cpu_share=None,
                generator_was_the_limit=None,
                notes=notes,
                detail={"events": events, "resident_bytes_by_events": {str(at): size for at, size in seen.items()}},
            )
    return figures
