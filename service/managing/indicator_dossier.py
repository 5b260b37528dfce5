"""The command that writes the year's dossier (一标一档)."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from schemas.indicator import DossierQuery
from service.business_days import business_today
from service.db import create_engine, lift_time_limit, snapshot
from service.indicator.dossier import Gathered, gather_dossier
from service.indicator.dossier_files import FORMATS, file_name, write_file
from service.managing.naming import read_known
from service.managing.running import DataOption, console, errors, managed, typed
from service.settings import Settings

dossier_app = typer.Typer()


@dossier_app.command("dossier")
def indicator_dossier(
    area: Annotated[str, typer.Option(help="By id or name, such as nankai.")],
    year: Annotated[int, typer.Option(help="Such as 2025.")],
    output: Annotated[Path, typer.Option(help="A directory for the .xlsx and the .html.")],
    data: DataOption = None,
) -> None:
    """Write the year's dossier (一标一档): a workbook with every input and its source, and a page to print.

    The figure is by the formula of what is published of the year, and by the district's where nothing is. A year that
    is not over is marked as a draft.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with managed(data) as settings, Progress(*columns, console=errors, disable=not errors.is_terminal) as said:
        task = said.add_task("Reading what is recorded", total=None)
        query, gathered = asyncio.run(_gather(settings, area, year))
        output.mkdir(parents=True, exist_ok=True)
        for ending in FORMATS:
            path = output / file_name(query.area, query.year, ending)
            said.update(task, description=f"Writing {path}")
            # Whole or not at all: what is half-written has another name.
            part = path.with_name(f".{path.name}.part")
            try:
                write_file(gathered, ending, settings.business_timezone, part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            console.print(f"{path}", highlight=False, soft_wrap=True)
        said.update(task, description="Written")


async def _gather(settings: Settings, area: str, year: int) -> tuple[DossierQuery, Gathered]:
    engine = create_engine(settings)
    try:
        async with snapshot(engine) as connection:
            await lift_time_limit(connection)
            known = await read_known(connection)
            query = typed(DossierQuery, {"area": known.area(area), "year": year, "format": FORMATS[0]})
            gathered = await gather_dossier(
                connection,
                area_id=query.area,
                year=query.year,
                formula_id=settings.indicator_formula,
                today=business_today(settings.business_timezone),
                made_at=datetime.now(UTC),
            )
            return query, gathered
    finally:
        await engine.dispose()
