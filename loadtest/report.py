"""A run as a person reads it: a table, and a bar while it lasts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from loadtest.result import LoadResult, Spread


@contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; what is yielded takes how many of `total` are done.

    It draws only when told (1 ms each time, measured) and only on a terminal: a thread that draws by itself would take
    the interpreter from what is being measured.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.update(task, completed=done, refresh=True)


def table_of(result: LoadResult) -> Table:
    """One run as a table of names and values."""
    table = Table(title=f"{result.loop} loop, {result.connections} connections, {result.events_each} events a request")
    table.add_column("")
    table.add_column("measured", justify="right")
    if result.due_per_second is not None:
        table.add_row("requests due/s", f"{result.due_per_second:,.0f}")
    table.add_row("requests/s", f"{result.requests_per_second:,.0f}")
    table.add_row("events/s", f"{result.events_per_second:,.0f}")
    table.add_row("requests, events", f"{result.requests:,}, {result.events:,}")
    table.add_row("seconds", f"{result.seconds:.2f}")
    table.add_row("statuses", counts_text(result.statuses))
    table.add_row("outcomes", counts_text(result.outcomes))
    table.add_row("failed, unanswered, repeated", f"{result.failed:,}, {result.unanswered:,}, {result.repeated:,}")
    table.add_row("latency ms: p50, p90, p99, p99.9, max", spread_text(result.latency_ms))
    if result.loop == "open":
        table.add_row("found no free connection", f"{result.queued or 0:,}")
        table.add_row("lateness ms: p50, p90, p99, p99.9, max", spread_text(result.lateness_ms))
    table.add_row("generator on a core", f"{result.generator_cpu_share:.0%}")
    if result.generator_wait_share is not None:
        table.add_row("generator waiting for a core", f"{result.generator_wait_share:.0%}")
    table.add_row("generator was the limit", "yes: distrust this" if result.generator_was_the_limit else "no")
    return table


def counts_text(counts: dict[str, int]) -> str:
    """`200: 1,000, 503: 2`; a dash for none."""
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "–"


def spread_text(spread: Spread | None) -> str:
    """The percentiles in a row; a dash for none."""
    if spread is None:
        return "–"
    return ", ".join(f"{value:.2f}" for value in (spread.p50, spread.p90, spread.p99, spread.p99_9, spread.max))
