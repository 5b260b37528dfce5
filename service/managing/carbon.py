"""Commands for carbon factor sets: which there are, which is in force, and how others come in."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.carbon import FactorSet, FactorSetRequest
from service.business_days import business_day
from service.carbon.choosing import choose_set, list_choices
from service.carbon.factor_sets import add_set, list_sets, read_set
from service.carbon.importing import judge_file
from service.carbon.reading import COLUMNS, HEADERS, FactorFile, read_factors
from service.carbon.rules import SINCE_EVER
from service.carbon.shipped import SHIPPED
from service.db import database_now
from service.errors import ValidationFailed
from service.managing.naming import day_text
from service.managing.running import DataOption, NameEnOption, NameOption, console, in_transaction, listing, typed

carbon_app = typer.Typer(help="Carbon factor sets: what a kilogram of each material avoids.", no_args_is_help=True)

SetArgument = Annotated[str, typer.Argument(metavar="SET", help="Such as uk.desnz.2025.")]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(day_text(text))
    except ValidationFailed:
        raise typer.BadParameter(
            f"{text} 不是日期，请写成 2027-01-01。{text} is no day; say one such as 2027-01-01."
        ) from None


@carbon_app.command("list")
def carbon_list(data: DataOption = None) -> None:
    """Show every factor set, and when each is in force."""
    table = listing("Id", "Name", "Factors", "In force", "Source")
    for each in in_transaction(data, lambda connection, _: list_sets(connection)).sets:
        table.add_row(each.id, f"{each.name} {each.name_en}", str(len(each.factors)), _in_force(each), each.source)
    console.print(table)


@carbon_app.command("show")
def carbon_show(set_id: SetArgument, data: DataOption = None) -> None:
    """Show a factor set whole."""
    found = in_transaction(data, lambda connection, _: read_set(connection, set_id))
    for line in (f"{found.id}: {found.name} · {found.name_en}", f"Source: {found.source}", found.note):
        if line is not None:
            console.print(line, highlight=False, markup=False)
    console.print(f"In force: {_in_force(found)}", highlight=False)
    table = listing("Material", "CO2e avoided, mg/kg", "Stands for")
    for factor in found.factors:
        table.add_row(factor.material, str(factor.milligrams_co2e_per_kg), factor.stands_for)
    console.print(table)


@carbon_app.command("import")
def carbon_import(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            readable=True,
            help=f"CSV from a spreadsheet; the first row is {' or '.join(','.join(header) for header in HEADERS)}.",
        ),
    ],
    set_id: Annotated[str, typer.Option("--id", help="Who, which method, which edition: uk.desnz.2025.")],
    name: NameOption,
    name_en: NameEnOption,
    source: Annotated[str, typer.Option(help="Who published it, which edition, and where it was taken from.")],
    note: Annotated[str | None, typer.Option(help="What it counts, or how materials were mapped.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported; change nothing.")] = False,
    data: DataOption = None,
) -> None:
    """Import a factor set from a file, whole or not at all; it counts for nothing until it is chosen."""
    read = read_factors(file)
    described = {"id": set_id, "name": name, "name_en": name_en, "source": source, "note": note}
    new = in_transaction(data, lambda connection, _: _import(connection, read, described, dry_run=dry_run))
    if not new:
        console.print(f"{set_id} is there already, with the very same content; nothing was changed.", highlight=False)
    elif dry_run:
        console.print(f"{set_id}: {len(read.rows)} factors would be imported; nothing was changed.", highlight=False)
    else:
        console.print(f"{set_id}: {len(read.rows)} factors are imported. {HOW_TO_CHOOSE} {set_id}", highlight=False)


HOW_TO_CHOOSE = "They count from the day on that you choose: tanbi carbon choose"


async def _import(
    connection: AsyncConnection, read: FactorFile, described: dict[str, str | None], *, dry_run: bool
) -> bool:
    """Every row is shown first. Raises ValidationFailed with every mistake, and FactorSetDiffers."""
    judged = await judge_file(connection, read)
    wrong = {mistake.row for mistake in judged.mistakes}
    table = listing("Row", *COLUMNS, "")
    for row in read.rows:
        table.add_row(str(row.row), *row.cells, "mistake" if row.row in wrong else "good")
    console.print(table)
    if judged.mistakes:
        told = "\n".join(str(mistake) for mistake in judged.mistakes)
        told_zh = "\n".join(mistake.zh for mistake in judged.mistakes)
        raise ValidationFailed(
            f"Nothing was imported; mistakes: {len(judged.mistakes)}.\n{told}",
            zh=f"未导入任何数据，错误 {len(judged.mistakes)} 处，请改正后重新导入：\n{told_zh}",
        )
    factors = [row.factor.model_dump() for row in read.rows if row.factor is not None]
    wanted = typed(FactorSetRequest, {**described, "factors": factors})
    async with connection.begin_nested() as trial:
        new = await add_set(connection, wanted)
        if dry_run:
            await trial.rollback()
    return new


@carbon_app.command("adopt")
def carbon_adopt(data: DataOption = None) -> None:
    """Add the factor sets that come with the service; they count for nothing until one is chosen."""

    async def adopt(connection: AsyncConnection, _: object) -> list[bool]:
        return [await add_set(connection, each) for each in SHIPPED]

    for each, new in zip(SHIPPED, in_transaction(data, adopt), strict=True):
        console.print(f"{each.id} {'is added' if new else 'was there already'}: {each.name_en}.", highlight=False)


@carbon_app.command("choose")
def carbon_choose(
    set_id: SetArgument,
    effective_from: Annotated[
        date | None,
        typer.Option(
            "--from",
            parser=_day,
            metavar="DAY",
            help="A business day that is still to come, such as 2027-01-01. Without: tomorrow; the very first choice"
            " then counts for all that was ever dropped.",
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Put a factor set in force from a business day on; what was dropped before counts as before, for ever."""
    from_day = in_transaction(
        data,
        lambda connection, settings: choose_set(
            connection, set_id, effective_from=effective_from, zone=settings.business_timezone
        ),
    )
    if from_day == SINCE_EVER:
        console.print(f"{set_id} counts for all that was ever dropped, and from now on.", highlight=False)
    else:
        console.print(
            f"{set_id} counts for what is dropped from {from_day} on; what was dropped before counts as before.",
            highlight=False,
        )


@carbon_app.command("choices")
def carbon_choices(data: DataOption = None) -> None:
    """Show every choice that was ever made, and which is in force."""

    async def read(connection: AsyncConnection, zone: str) -> list[tuple[str, str, str]]:
        today = business_day(await database_now(connection), zone)
        return [
            ("since ever" if row.effective_from == SINCE_EVER else str(row.effective_from), row.set_id, standing)
            for row, standing in await list_choices(connection, today)
        ]

    table = listing("From", "Set", "Now")
    for row in in_transaction(data, lambda connection, settings: read(connection, settings.business_timezone)):
        table.add_row(*row)
    console.print(table)


def _in_force(each: FactorSet) -> str:
    spans = [
        ("since ever" if span.first_day is None else f"from {span.first_day}")
        + ("" if span.last_day is None else f" to {span.last_day}")
        for span in each.in_force
    ]
    return ", ".join(spans) or "never chosen"
