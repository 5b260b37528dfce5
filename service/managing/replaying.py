"""The command that tries rules on what happened."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.db import create_engine, lift_time_limit, snapshot
from service.errors import ValidationFailed
from service.managing.running import DataOption, console, errors, listing, managed, moment, moment_option
from service.settings import Settings
from service.weighing.plausibility_rules import Trial, try_rules
from service.weighing.replaying import Comparison, Decided, Example, Replay, Sum, replay

CHANGES_EXAMPLE = '{"heavy_drop": {"action": "reject", "parameters": {"grams_max": 20000}}}'


def rules_replay(
    since: Annotated[datetime, moment_option("--since", "Events that were received since then.")],
    rules: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help=f"Rules to try, as JSON: {CHANGES_EXAMPLE}. What it does not name stays as it is in force.",
        ),
    ] = None,
    standard: Annotated[bool, typer.Option("--standard", help="Try the shipped set, under what --rules says.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, writable=True, help="Also write what was found as JSON.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Run changed rules over what happened and say what would differ. Nothing is changed.

    Each drop is decided twice, by the rules as they are and by the changed ones as if they had always been in force, in
    the order in which they came; the three days before --since are read too, so that bins and days are known. Without
    --rules and --standard it says how well past decisions are reproduced. Of a scale and its certificate no history is
    kept: they are taken as they are now.
    """
    wanted = {} if rules is None else _read(rules)

    async def run(settings: Settings, progress: Callable[[int, int], None]) -> tuple[Trial, Replay]:
        engine = create_engine(settings)
        try:
            async with snapshot(engine) as connection:
                await lift_time_limit(connection)
                trial = await try_rules(connection, wanted, standard=standard)
                return trial, await replay(
                    connection,
                    trial,
                    since=since,
                    zone=settings.business_timezone,
                    age_days_max=settings.event_age_days_max,
                    progress=progress,
                )
        finally:
            await engine.dispose()

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with managed(data) as settings, Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("Replaying", total=None)
        trial, found = asyncio.run(run(settings, lambda done, of: bar.update(task, completed=done, total=of)))
    _tell(found, settings.business_timezone)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(_as_json(since, trial, found), ensure_ascii=False, indent=2) + "\n")
        except OSError as error:
            raise ValidationFailed(f"{json_file} cannot be written: {error.strerror}.") from None


def _read(path: Path) -> object:
    """Raises ValidationFailed."""
    try:
        read: object = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        raise ValidationFailed(f"{path} is no JSON. Rules are written as {CHANGES_EXAMPLE}.") from None
    return read


def _tell(found: Replay, zone: str) -> None:
    compared, differences = found.compared, found.differences
    console.print(
        f"Replayed {compared.drops:,} drops and {compared.clearances:,} emptyings,"
        f" after {found.warmed_up:,} before them, in {found.seconds:.1f} s.",
        highlight=False,
    )
    stored = "stored decision is" if found.unlike.count == 1 else "stored decisions are"
    console.print(
        f"{found.unlike.count:,} {stored} not what the rules as they are come to in this replay.", highlight=False
    )
    if not differences.sums:
        console.print("Nothing would differ.")
        return
    table = listing("As it is", "As it would be", "Drops", "Emptyings", "Kilograms", "Coins")
    in_order = sorted(differences.sums.items(), key=lambda each: (-each[1].drops - each[1].clearances, str(each[0])))
    for (before, after), of_both in in_order:
        table.add_row(_said(before), _said(after), *_figures(of_both))
    table.add_section()
    table.add_row("all", "", *_figures(_total(differences)))
    console.print(table)
    examples = listing("Bin", "Event", "Occurred", "As it is", "As it would be")
    examples.title = f"The first {len(differences.examples)}"
    for each in differences.examples:
        examples.add_row(
            each.bin_id, each.event_id, moment(_at(each, zone), zone), _said(each.before), _said(each.after)
        )
    console.print(examples)


def _figures(of: Sum) -> tuple[str, str, str, str]:
    return f"{of.drops:,}", f"{of.clearances:,}", f"{of.grams / 1000:,.3f}", f"{of.coins:,}"


def _total(comparison: Comparison) -> Sum:
    sums = comparison.sums.values()
    return Sum(
        sum(each.drops for each in sums),
        sum(each.clearances for each in sums),
        sum(each.grams for each in sums),
        sum(each.coins for each in sums),
    )


def _said(decided: Decided) -> str:
    return decided.verdict if decided.code is None else f"{decided.verdict}: {decided.code}"


def _at(example: Example, zone: str) -> datetime:
    return datetime.fromtimestamp(example.occurred_at, ZoneInfo(zone))


def _as_json(since: datetime, trial: Trial, found: Replay) -> dict[str, Any]:
    return {
        "since": since.isoformat(),
        "rules": {each.code: {"action": each.action, "parameters": each.parameters} for each in trial.changes},
        "compared": _sum_as_json(found.compared),
        "warmed_up": found.warmed_up,
        "seconds": round(found.seconds, 3),
        "differences": _comparison_as_json(found.differences),
        "not_reproduced": _comparison_as_json(found.unlike),
    }


def _comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "total": _sum_as_json(_total(comparison)),
        "by_decision": [
            {"from": before._asdict(), "to": after._asdict(), **_sum_as_json(of_both)}
            for (before, after), of_both in comparison.sums.items()
        ],
        "examples": [
            {
                "bin_id": each.bin_id,
                "event_id": each.event_id,
                "occurred_at": _at(each, "UTC").isoformat(),
                "from": each.before._asdict(),
                "to": each.after._asdict(),
            }
            for each in comparison.examples
        ],
    }


def _sum_as_json(of: Sum) -> dict[str, int]:
    return {"drops": of.drops, "clearances": of.clearances, "grams": of.grams, "coins": of.coins}
