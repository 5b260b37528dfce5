"""What a district's year costs to read, as a person reads it."""

import statistics

from rich.console import Console
from rich.table import Table

from loadtest.volumes import RATIO_BAR, SERVER_BAR_MS, Loaded, Result


def print_volumes(console: Console, result: Result) -> None:
    console.print(_loaded_table(result.few, result.many))
    console.print(_queries_table(result))
    for name, measured, met in (
        ("slowest median at the server", f"{result.slowest_ms:.1f} ms", result.slowest_ms < SERVER_BAR_MS),
        ("highest ratio of medians", f"{result.highest_ratio:.2f}", result.highest_ratio <= RATIO_BAR),
    ):
        console.print(f"{name}: {measured}: {'bar met' if met else 'MISSED'}", highlight=False)
    if result.data_dir is not None:
        console.print(f"Kept: {result.data_dir}", highlight=False)


def _loaded_table(*loaded: Loaded) -> Table:
    table = Table(title="What was loaded")
    for name in (
        "events",
        "COPY, events/s",
        "folding, events/s",
        "bytes an event",
        "rows of volume",
        "of volume_month",
    ):
        table.add_column(name, justify="right")
    for each in loaded:
        events, days, months = each.stored
        table.add_row(
            f"{each.events:,}",
            f"{each.events / each.copy_seconds:,.0f}",
            f"{each.events / each.fold_seconds:,.0f}",
            f"{(events.table_bytes + events.index_bytes) / each.events:.0f}",
            f"{days.rows:,}",
            f"{months.rows:,}",
        )
    return table


def _queries_table(result: Result) -> Table:
    table = Table(title=f"ms; {result.few.events:,} events ÷ {result.many.events:,} events, by turns")
    table.add_column("")
    for name in ("server, median", "server, p95", "client, median", "ratio of medians"):
        table.add_column(name, justify="right")
    for each in result.compared:
        table.add_row(
            each.many.query,
            f"{each.few.median_ms:.1f} ÷ {each.many.median_ms:.1f}",
            f"{each.few.p95_ms:.1f} ÷ {each.many.p95_ms:.1f}",
            f"{statistics.median(each.few.client_ms):.1f} ÷ {statistics.median(each.many.client_ms):.1f}",
            f"{each.ratio:.2f}",
        )
    return table
