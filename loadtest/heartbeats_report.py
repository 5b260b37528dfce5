"""What a fleet's telemetry costs, as a person reads it."""

from rich.console import Console
from rich.table import Table

from loadtest.heartbeats import PAGE_BAR_MS, SHARE_BAR, Cpu, Result
from loadtest.report import table_of


def print_heartbeats(console: Console, result: Result) -> None:
    console.print(table_of(result.run))
    console.print(_cpu_table(result))
    console.print(_listing_table(result))
    met = [
        ("heartbeats", result.load.share, SHARE_BAR, f"{result.load.share:.1%} of one core"),
        (
            "a page of states",
            result.longest_page_ms,
            PAGE_BAR_MS,
            f"{result.longest_page_ms:.1f} ms at most"
            f" (median of the slowest filter {max(pages.median_ms for pages in result.listing):.1f} ms)",
        ),
    ]
    for name, measured, bar, words in met:
        verdict = "bar met" if measured < bar else "MISSED"
        console.print(f"{name}: {words}: {verdict}", highlight=False)


def _cpu_table(result: Result) -> Table:
    table = Table(title="CPU seconds over wall seconds; 1 is one core")
    for name in ("", "service", "PostgreSQL", "together"):
        table.add_column(name, justify="right" if name else "left")
    for name, cpu in (("idle", result.idle), (f"{result.run.requests_per_second:.0f} heartbeats/s", result.load)):
        table.add_row(name, *_shares(cpu))
    table.add_row("the bare handler", f"{result.bare_share:.3f}", "", f"{result.bare_share:.3f}")
    return table


def _shares(cpu: Cpu) -> tuple[str, str, str]:
    service, database = (seconds / cpu.wall_seconds for seconds in (cpu.service_seconds, cpu.database_seconds))
    return f"{service:.3f}", f"{database:.3f}", f"{cpu.share:.3f}"


def _listing_table(result: Result) -> Table:
    table = Table(title=f"GET /v1/bins; the service's own mean is {result.handler_mean_ms:.1f} ms a page")
    table.add_column("filter")
    for name in ("bins", "pages", "median, ms", "longest, ms", "all pages, ms", "the very first, ms"):
        table.add_column(name, justify="right")
    for each in result.listing:
        table.add_row(
            each.query or "none",
            f"{each.bins:,}",
            str(each.pages),
            f"{each.median_ms:.1f}",
            f"{each.max_ms:.1f}",
            f"{each.all_ms:.0f}",
            f"{each.first_ms:.1f}",
        )
    return table
