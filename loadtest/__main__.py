"""`python -m loadtest`: load for a service on this machine, and the handler that it is compared with."""

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvloop
from rich.console import Console

from loadtest import compare as comparing
from loadtest.bare import serve_bare
from loadtest.closed import run_closed
from loadtest.compare_report import line_of, print_comparison
from loadtest.connections import UnreadableAnswer
from loadtest.crash import Ordeal, run_crash
from loadtest.crash_report import line_of_fault, print_crash
from loadtest.demo import Demo, UnreadableDemo, read_demo
from loadtest.drops import Drops
from loadtest.heartbeats import Effort as Heard
from loadtest.heartbeats import FleetNotHeard, ListingFailed, run_heartbeats
from loadtest.heartbeats_report import print_heartbeats
from loadtest.installation import CannotStart, NoDatabase, tanbi_command
from loadtest.open import run_open
from loadtest.planting import NotFolded
from loadtest.report import bar, table_of
from loadtest.requests import Prepared, Renderer, StaleRequests
from loadtest.result import LoadResult
from loadtest.rows import ROWS, RowName
from loadtest.settling import SettlingFailed, Step, line_of_step, run_settling
from loadtest.subject import Effort, Measure
from loadtest.target import NotATarget, NotLoopback, Target, target_of
from loadtest.volumes import Effort as Year
from loadtest.volumes import NoRoom, QueryFailed, run_volumes
from loadtest.volumes_report import print_volumes
from schemas.signatures import Algorithm
from schemas.weigh_events import BATCH_EVENTS_MAX

CONNECTIONS_MAX = 1024
REQUESTS_MAX = 500_000
SECONDS_MAX = 200
RATE_MAX = 100_000
BARE_SECONDS_MAX = 3600

ROUNDS_MAX = 20
MEASURE_SECONDS_MAX = 30
WORKERS_MAX = 16
CRASH_SECONDS_MAX = 3600
KILLS_MAX = 200
REPLICAS_MAX = 8
CAPTURES_MAX = 5_000_000
BINS_MAX = 20_000
HEARD_SECONDS_MAX = 240
EVENTS_MAX = 100_000_000
REPEATS_MAX = 1000

EXPECTED = (
    CannotStart,
    FleetNotHeard,
    ListingFailed,
    NoDatabase,
    NoRoom,
    NotATarget,
    NotFolded,
    NotLoopback,
    QueryFailed,
    SettlingFailed,
    StaleRequests,
    UnreadableAnswer,
    UnreadableDemo,
)

TanbiOption = Annotated[
    Path | None, typer.Option("--tanbi", help="The command to start; the one beside this Python where it is not named.")
]
OutputOption = Annotated[Path | None, typer.Option(help="Write the result as JSON to this file.")]

cli = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_show_locals=False)


@cli.command()
def bare(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seconds: Annotated[int, typer.Option(min=1, max=BARE_SECONDS_MAX, help="Stop by itself after so long.")] = 600,
) -> None:
    """Serve the bare handler on 127.0.0.1; prints {"port": …} when it listens. SIGTERM stops it."""
    try:
        uvloop.run(serve_bare(port, seconds, lambda bound: print(json.dumps({"port": bound}), flush=True)))
    except OSError as error:
        refuse(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Give another --port.")


@cli.command()
def run(
    demo_json: Annotated[Path, typer.Argument(help="The demo.json that `tanbi demo` wrote.")],
    base_url: Annotated[str | None, typer.Option(help="Instead of the one in demo.json; this machine only.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=CONNECTIONS_MAX)] = 64,
    requests: Annotated[int, typer.Option(min=1, max=REQUESTS_MAX, help="At most so many.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=0.1, max=SECONDS_MAX, help="For at most so long.")] = 30,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=RATE_MAX, help="Open loop at so many requests/s; closed loop without.")
    ] = None,
    events_each: Annotated[int, typer.Option(min=1, max=BATCH_EVENTS_MAX, help="Events a request.")] = 1,
    algorithm: Annotated[Algorithm, typer.Option(help="Only bins that sign with it.")] = Algorithm.HMAC_SHA256,
    seed: Annotated[int, typer.Option(help="For the draws of cards, materials and weights.")] = 1,
    output: OutputOption = None,
) -> None:
    """Load a service with signed weigh events: closed loop, or open loop with --rate."""
    console = Console(stderr=True)
    if rate is not None:
        requests = max(1, min(requests, int(rate * seconds)))
    try:
        demo = read_demo(demo_json)
        target = target_of(base_url or demo.base_url)
        with bar(console, "rendering", requests) as rendered:
            prepared = renderer_for(demo, target, algorithm, seed).render(
                requests, created=int(time.time()), events_each=events_each, progress=rendered
            )
        with bar(console, "running", requests) as answered:
            result = drive(target, prepared, connections, seconds, rate, answered)
    except EXPECTED as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"Nobody answers at {target.authority}: {error.strerror}. Start the service first.")
    console.print(table_of(result))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")


@cli.command()
def compare(
    rounds: Annotated[int, typer.Option(min=1, max=ROUNDS_MAX, help="A verdict takes at least three.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, max=MEASURE_SECONDS_MAX, help="Of each measure.")] = 4,
    only: Annotated[list[RowName] | None, typer.Option(help="Only these rows; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option(help="One tiny round without verdicts: does everything run?")] = False,
    workers: Annotated[int, typer.Option(min=1, max=WORKERS_MAX, help="Processes of the service.")] = 1,
    seed: Annotated[int, typer.Option(help="For the draws of cards, materials and weights.")] = 1,
    tanbi: TanbiOption = None,
    output: OutputOption = None,
) -> None:
    """Measure the service side by side with a bare handler, single transactions, COPY and itself. Takes minutes."""
    console = Console(stderr=True)
    rows = [row for row in ROWS if not only or row.name in only]
    effort = comparing.QUICK if quick else Effort(seconds=seconds, workers=workers)
    rounds = 1 if quick else rounds
    steps = rounds * len(comparing.subjects_of(rows))

    def measured(number: int, name: str, measure: Measure) -> None:
        console.print(line_of(number, name, measure), highlight=False, soft_wrap=True)

    try:
        with ending_cleanly(), bar(console, "comparing", steps) as done:
            result = comparing.compare(
                tanbi or tanbi_command(),
                rounds=rounds,
                effort=effort,
                rows=rows,
                judged=not quick,
                seed=seed,
                began=done,
                measured=measured,
            )
    except EXPECTED as error:
        refuse(str(error))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    print_comparison(console, result)


@cli.command()
def crash(
    seconds: Annotated[float, typer.Option(min=1, max=CRASH_SECONDS_MAX, help="The load lasts at least so long.")] = 60,
    kills: Annotated[int, typer.Option(min=0, max=KILLS_MAX, help="Of the service and of PostgreSQL in turn.")] = 6,
    replicas: Annotated[int, typer.Option(min=1, max=REPLICAS_MAX, help="Processes on one database.")] = 2,
    seed: Annotated[int, typer.Option(help="For the load and the moments of the kills.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep the data directory with all logs, also when all is well.")] = False,
    tanbi: TanbiOption = None,
    output: OutputOption = None,
) -> None:
    """Kill the service and PostgreSQL under load, and prove that nothing was lost: status 1 where something was."""
    console = Console(stderr=True)
    try:
        with ending_cleanly(), bar(console, "breaking", math.ceil(seconds)) as done:
            result = uvloop.run(
                run_crash(
                    tanbi or tanbi_command(),
                    Ordeal(seconds=seconds, kills=kills, replicas=replicas, seed=seed, keep=keep),
                    progress=lambda passed: done(int(passed)),
                    told=lambda fault: console.print(line_of_fault(fault), highlight=False, soft_wrap=True),
                )
            )
    except EXPECTED as error:
        refuse(str(error))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    print_crash(console, result)
    if not result.passed:
        raise typer.Exit(1)


@cli.command("settle")
def settle_month(
    captures: Annotated[int, typer.Option(min=100, max=CAPTURES_MAX, help="At one merchant, in one month.")] = 500_000,
    tanbi: TanbiOption = None,
    output: OutputOption = None,
) -> None:
    """Close a month of one merchant with many captures and read its statement as files: time and memory of each."""
    console = Console(stderr=True)

    def told(step: Step) -> None:
        console.print(line_of_step(step), highlight=False)

    try:
        with ending_cleanly():
            result = run_settling(tanbi or tanbi_command(), captures=captures, told=told)
    except EXPECTED as error:
        refuse(str(error))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")


@cli.command()
def heartbeats(
    bins: Annotated[int, typer.Option(min=10, max=BINS_MAX, help="With HMAC keys.")] = 10_000,
    interval_seconds: Annotated[float, typer.Option(min=1, max=3600, help="Each bin is heard so often.")] = 30,
    seconds: Annotated[float, typer.Option(min=1, max=HEARD_SECONDS_MAX, help="Measured for so long.")] = 120,
    seed: Annotated[int, typer.Option(help="For what the bins measure.")] = 1,
    tanbi: TanbiOption = None,
    output: OutputOption = None,
) -> None:
    """Measure what a fleet's telemetry costs in CPU time, and how long its states take to list."""
    console = Console(stderr=True)
    effort = Heard(bins=bins, interval_seconds=interval_seconds, seconds=seconds, seed=seed)
    try:
        with ending_cleanly():
            result = run_heartbeats(tanbi or tanbi_command(), effort, lambda step: console.print(f"{step} …"))
    except EXPECTED as error:
        refuse(str(error))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    print_heartbeats(console, result)


@cli.command()
def volumes(
    events: Annotated[int, typer.Option(min=10_000, max=EVENTS_MAX, help="Of a year of one district.")] = 20_000_000,
    few: Annotated[int, typer.Option(min=1000, max=EVENTS_MAX, help="Beside them, in another database.")] = 200_000,
    repeats: Annotated[int, typer.Option(min=5, max=REPEATS_MAX, help="Of each query.")] = 50,
    seed: Annotated[int, typer.Option(help="For the draws of bins, materials and weights.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep the data directory with the many events.")] = False,
    tanbi: TanbiOption = None,
    output: OutputOption = None,
) -> None:
    """Measure how long a district's year and month take to read with few and with many events, and what many cost."""
    console = Console(stderr=True)
    effort = Year(events=events, few=few, repeats=repeats, seed=seed, keep=keep)
    try:
        with ending_cleanly(), bar(console, "copying", events + few) as copied:
            result = run_volumes(
                tanbi or tanbi_command(),
                effort,
                told=lambda step: console.print(step, highlight=False, soft_wrap=True),
                copied=copied,
            )
    except EXPECTED as error:
        refuse(str(error))
    if output is not None:
        output.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    print_volumes(console, result)


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that no service is left behind."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def renderer_for(demo: Demo, target: Target, algorithm: Algorithm, seed: int) -> Renderer:
    """A renderer for the demo's bins of this algorithm. Raises UnreadableDemo where it has none, or no cards."""
    bins = demo.bins_with(algorithm)
    if not bins or not demo.cards:
        raise UnreadableDemo(f"The demo has {len(bins)} {algorithm} bins and {len(demo.cards)} cards: load needs both.")
    # A bin's sequence never falls: milliseconds since 1970 lie above those of any earlier run.
    drops = Drops([item.bin_id for item in bins], demo.cards, seed=seed, first_sequence=time.time_ns() // 1_000_000)
    return Renderer(target, bins, drops)


def drive(
    target: Target,
    prepared: Prepared,
    connections: int,
    seconds: float,
    rate: float | None,
    progress: Callable[[int], None],
) -> LoadResult:
    """One run on uvloop: open loop where there is a rate, closed loop otherwise."""
    if rate is None:
        return uvloop.run(run_closed(target, prepared, connections=connections, seconds_max=seconds, progress=progress))
    return uvloop.run(run_open(target, prepared, rate_per_second=rate, connections=connections, progress=progress))


def refuse(words: str) -> NoReturn:
    """Say what is wrong and end with status 2."""
    Console(stderr=True).print(words, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    cli()
