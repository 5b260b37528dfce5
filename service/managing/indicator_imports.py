"""Commands for sheets of inputs: the template, importing one with what each row does, and what was imported."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from pydantic_core import to_json
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.imports import (
    IMPORTS_LIMIT_MAX,
    ImportResult,
    ImportsQuery,
    ImportSummary,
    TemplateFormat,
    TemplateQuery,
    UnitName,
)
from service.auth import Operator
from service.business_days import business_today
from service.db import wait_for_locks
from service.errors import ImportRefused, ValidationFailed
from service.indicator.importing.imports import Progress as Watch
from service.indicator.importing.imports import Stage, Upload, import_file, read_imports
from service.indicator.importing.template_file import write_template
from service.indicator.inputs import RECORDERS
from service.managing.amounts import EFFECTS, amount_text
from service.managing.operating import KeyFileOption, as_operator
from service.managing.owing import show_due
from service.managing.running import DataOption, city_zone, console, errors, in_transaction, listing, moment, typed
from service.problems import problem_document
from service.settings import Settings

# Its commands stand among those of `tanbi indicator`.
imports_app = typer.Typer()

# As many as a person reads; --json has more.
SHOWN_MAX: Final = 40
STAGES: Final[Mapping[Stage, str]] = {"checking": "检查 checking", "recording": "录入 recording"}


@imports_app.command("import")
def indicator_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A sheet, .csv or .xlsx.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record nothing; show what would be.")] = False,
    sheet: Annotated[
        str | None, typer.Option(help="Of a workbook: its sheet. Without: the one with the header.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of the answer, as JSON.")] = False,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Import a sheet of inputs: all of it, or nothing where anything is wrong. The same file again changes nothing."""
    with tempfile.TemporaryDirectory(prefix="tanbi-import-") as directory, _progress() as watch:

        async def work(connection: AsyncConnection, operator: Operator, settings: Settings) -> ImportResult:
            await wait_for_locks(connection)
            return await import_file(
                connection,
                Upload(_kept(file, Path(directory), settings), file.name, sheet, settings.import_bytes_max),
                dry_run=dry_run,
                imported_by=operator.key_id,
                today=business_today(settings.business_timezone),
                zone=settings.business_timezone,
                progress=watch,
            )

        try:
            found: ImportResult | ImportRefused = as_operator(data, key_file, RECORDERS, work)
        except ImportRefused as refused:
            found = refused
    if isinstance(found, ImportRefused):
        if as_json:
            typer.echo(to_json(problem_document(found), indent=2))
        else:
            _show_errors(found.errors, found.members["errors_more"])
            console.print("[red]未录入任何数据。Nothing was recorded.[/red]")
        raise typer.Exit(1)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show(found)
    if found.errors:
        raise typer.Exit(1)


def _kept(file: Path, directory: Path, settings: Settings) -> Path:
    """A copy that nobody changes while it is read; of what is too large none, for that is refused by its size."""
    if file.stat().st_size > settings.import_bytes_max:
        return file
    return shutil.copyfile(file, directory / "sheet")


@contextmanager
def _progress() -> Iterator[Watch]:
    """Nothing is seen of it where the output is piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        tasks = {stage: progress.add_task(words, total=1.0, visible=False) for stage, words in STAGES.items()}

        def watch(stage: Stage, share: float) -> None:
            progress.update(tasks[stage], completed=share, visible=True)

        yield watch


def _show(found: ImportResult) -> None:
    if found.imported_before is not None:
        _show_imported(found.imported_before)
        if not found.dry_run:
            return
    changes = [each for each in found.effects if each.effect != "unchanged"]
    if changes:
        table = listing("行 Row", "Effect", "Area", "Period", "Kind", "Source", "Material", "Before", "After")
        for each in changes[:SHOWN_MAX]:
            places = (each.area, each.period, each.kind, each.source, each.material or "")
            table.add_row(
                str(each.row),
                EFFECTS[each.effect],
                *map(Text, places),
                "" if each.before is None else amount_text(each.kind, each.before),
                "–" if each.amount is None else amount_text(each.kind, each.amount),
            )
        console.print(table)
    all_changes = found.counts.new + found.counts.correction + found.counts.withdrawal
    if all_changes > SHOWN_MAX:
        console.print(f"… and {all_changes - min(len(changes), SHOWN_MAX)} more changes.")
    show_due(found.newly_due, found.newly_due_more)
    for notice in found.notices:
        console.print(f"[yellow]{notice.zh}\n{notice.en}[/yellow]", highlight=False)
    if found.errors:
        _show_errors([each.model_dump() for each in found.errors], found.errors_more)
    counts = ", ".join(f"{getattr(found.counts, name)} {words}" for name, words in EFFECTS.items())
    console.print(f"{found.rows} rows: {counts}, {found.counts.errors} 错误 errors.", highlight=False)
    if found.import_id is None:
        console.print("[bold]试运行，未录入任何数据。A dry run: nothing was recorded.[/bold]")
    else:
        console.print(f"[green]已导入 Imported: {found.import_id}[/green]", highlight=False)


def _show_imported(before: ImportSummary) -> None:
    at = moment(before.imported_at, city_zone())
    console.print(
        f"该文件已于 {at} 由 {before.imported_by} 导入。This file was imported at {at} by {before.imported_by}, as"
        f" {before.file_name}: import {before.id}. It is not imported again.",
        highlight=False,
        markup=False,
    )


def _show_errors(found: Any, more: int) -> None:
    table = listing("行 Row", "列 Column", "错误", "Error", keeps_shape=True)
    for each in found[:SHOWN_MAX]:
        row = "" if each["row"] is None else str(each["row"])
        column = " ".join(part for part in (each["column"], each["column_name"]) if part is not None)
        table.add_row(row, *map(Text, (column, each["zh"], each["en"])))
    console.print(table)
    hidden = len(found[SHOWN_MAX:]) + more
    if hidden:
        console.print(f"… and {hidden} more errors.")


@imports_app.command("template")
def indicator_template(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="What to write, .xlsx or .csv.")],
    unit: Annotated[str, typer.Option(help=f"Of its amounts: {', '.join(get_args(UnitName))}.")] = "t",
    data: DataOption = None,
) -> None:
    """Write the sheet to fill in; a workbook has the areas, kinds and materials to choose from."""
    ending = file.suffix.removeprefix(".").lower()
    if ending not in get_args(TemplateFormat):
        raise ValidationFailed(
            f"{file} is no name of a sheet: name one that ends in .xlsx or .csv.",
            zh=f"“{file}”不是表格的文件名，请以 .xlsx 或 .csv 结尾。",
        )
    query = typed(TemplateQuery, {"format": ending, "unit": unit})
    if file.exists():
        raise ValidationFailed(
            f"{file} is there already, and may be filled in. Name another.",
            zh=f"文件“{file}”已存在，可能已填写。请换一个文件名。",
        )
    in_transaction(data, lambda connection, _: write_template(connection, file, query.format, unit=query.unit))
    console.print(
        f"请填写 fill in: {file}, 再试导入 then try it: `tanbi indicator import {file} --dry-run`.", highlight=False
    )


@imports_app.command("imports")
def indicator_imports(
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    data: DataOption = None,
) -> None:
    """Show the files that were imported, newest first."""
    query = typed(ImportsQuery, {"cursor": cursor, "limit": IMPORTS_LIMIT_MAX})
    page = in_transaction(data, lambda connection, _: read_imports(connection, query))
    zone = city_zone()
    table = listing("Id", "File", "Rows", "By", "At", "SHA-256")
    for each in page.imports:
        at = moment(each.imported_at, zone)
        table.add_row(str(each.id), Text(each.file_name), str(each.rows), Text(each.imported_by), at, each.sha256)
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")
