"""A run of kills as a person reads it."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from loadtest.crash import CrashResult
from loadtest.faults import Fault
from loadtest.report import counts_text

FINDINGS_SHOWN_EACH = 5


def line_of_fault(fault: Fault) -> str:
    """One kill, as it is printed when it is over."""
    return (
        f"{fault.at_seconds:6.1f} s  kill -9 of {fault.kind}: brought back by {fault.brought_back_by}, "
        f"all replicas acknowledge again after {fault.back_seconds:.1f} s"
    )


def print_crash(console: Console, result: CrashResult) -> None:
    """What was sent, what was broken, and whether anything was lost."""
    console.print(table_of(result))
    console.print(table_of_phases(result))
    console.print(f"declined: {counts_text(result.declines)}", highlight=False)
    incidents = result.statuses.get("500", 0)
    if incidents:
        console.print(
            f"{incidents} answers were 500: nothing is lost by it, but no bin should see one; --keep the logs"
        )
    if result.kept is not None:
        console.print(f"The data directory is kept: {result.kept}", soft_wrap=True)
    if result.passed:
        console.print(f"nothing lost, nothing doubled: {', '.join(result.checks)} agree with what clients were told")
        return
    counts = Counter(finding.code for finding in result.findings)
    console.print(f"NOT as it must be: {counts_text(dict(counts))}", style="red bold")
    for code in counts:
        for finding in [finding for finding in result.findings if finding.code == code][:FINDINGS_SHOWN_EACH]:
            console.print(f"{code}: {finding.detail}", style="red", markup=False, highlight=False, soft_wrap=True)


def table_of(result: CrashResult) -> Table:
    """The run as a table of names and values."""
    kills = Counter(str(fault.kind) for fault in result.faults)
    table = Table(title=f"{result.ordeal.replicas} replicas, {result.seconds:.0f} s, seed {result.ordeal.seed}")
    table.add_column("")
    table.add_column("counted", justify="right")
    table.add_row("kills survived", counts_text(dict(kills)))
    table.add_row("answers cut off", f"{result.cuts:,}")
    for title, counts in (
        ("events", result.events),
        ("redemptions", result.redemptions),
        ("requests", result.requests),
        ("statuses", result.statuses),
    ):
        for name, count in counts.items():
            table.add_row(f"{title}: {name.replace('_', ' ')}", f"{count:,}")
    return table


def table_of_phases(result: CrashResult) -> Table:
    """The calls about redemptions, by phase."""
    columns = ("sent", "done", "declined", "replayed", "repeated", "broken", "kills")
    table = Table(title="Redemptions by phase; kills while such calls were under way")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for counts in result.phases:
        table.add_row(counts.phase.value, *(f"{getattr(counts, column):,}" for column in columns))
    return table
