"""What an operator sees of `tanbi verify`: a progress bar while it runs, then a table, then the rows that break one."""

import asyncio

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.db import create_engine
from service.settings import Settings
from service.verifying.check import Check, CheckResult
from service.verifying.verify import CHECKS, verify
from service.verifying.verify import Progress as ShowProgress


def verify_and_report(settings: Settings, console: Console) -> bool:
    """True where every invariant holds. Blocking."""
    with Progress(
        *Progress.get_default_columns()[:2],
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=len(CHECKS))

        def show(done: int, check: Check | None) -> None:
            bar.update(task, completed=done, description=check.name if check else "")

        results = asyncio.run(_run(settings, show))
    console.print(_table(results))
    broken = [result for result in results if not result.holds]
    for result in broken:
        console.print(f"\n[red]{result.check.name}[/red] (invariant {result.check.invariant}): {result.check.sentence}")
        console.print(f"{result.breaches} breach(es), the first of them:")
        for row in result.rows:
            # A bin chooses the ids of its events, and [/] in one of them is no markup.
            console.print(
                "  " + ", ".join(f"{name}={value}" for name, value in row.items()), highlight=False, markup=False
            )
    verdict = (
        f"[red]{len(broken)} of {len(results)} checks failed[/red]" if broken else "[green]all checks hold[/green]"
    )
    console.print(f"\n{verdict}")
    return not broken


async def _run(settings: Settings, show: ShowProgress) -> list[CheckResult]:
    engine = create_engine(settings)
    try:
        return await verify(engine, settings, progress=show)
    finally:
        await engine.dispose()


def _table(results: list[CheckResult]) -> Table:
    table = Table("Invariant", "Check", "Holds", "Seconds", caption="docs/checks.md says what each asks")
    for result in results:
        holds = "[green]yes[/green]" if result.holds else f"[red]{result.breaches} breach(es)[/red]"
        table.add_row(str(result.check.invariant), result.check.name, holds, f"{result.seconds:.2f}")
    return table
