"""Commands that show which boxes were emptied."""

from datetime import datetime
from typing import Annotated

import typer

from schemas.clearances import CLEARANCES_LIMIT_MAX, ClearanceRecord, ClearancesQuery
from service.managing.bins import CursorOption
from service.managing.running import (
    DataOption,
    city_zone,
    console,
    in_transaction,
    listing,
    moment,
    moment_option,
    typed,
)
from service.weighing.clearance_reading import read_clearances

clearance_app = typer.Typer(help="Boxes that were emptied.", no_args_is_help=True)

SinceOption = Annotated[datetime | None, moment_option("--since", "Emptied then or later.")]


@clearance_app.command("list")
def clearance_list(
    bin_id: Annotated[str | None, typer.Option("--bin", help="Of this bin only.")] = None,
    material: Annotated[str | None, typer.Option(help="Of this material's box only.")] = None,
    code: Annotated[
        str | None, typer.Option(help="With this code, such as emptied_mass_short; any: those that are doubtful.")
    ] = None,
    since: SinceOption = None,
    cursor: CursorOption = None,
    data: DataOption = None,
) -> None:
    """Show emptyings, newest first, each held against what was dropped since the one before."""
    query = typed(
        ClearancesQuery,
        {
            "bin": bin_id,
            "material": material,
            "code": code,
            "since": since,
            "cursor": cursor,
            "limit": CLEARANCES_LIMIT_MAX,
        },
    )
    page = in_transaction(data, lambda connection, _: read_clearances(connection, query))
    zone = city_zone()
    table = listing(
        *("Bin", "Material", "Emptied", "By", "Before, g", "Removed, g", "Expected, g", "Difference, g"),
        *("Permissible, g", "Code"),
    )
    for each in page.clearances:
        table.add_row(
            each.bin_id,
            each.material,
            moment(each.occurred_at, zone),
            each.collector,
            str(each.mass_before_grams),
            str(each.removed_grams),
            *("" if grams is None else str(grams) for grams in (each.expected_grams, each.difference_grams)),
            _permissible(each),
            f"{each.code or ''}{' (rejected)' if each.outcome == 'rejected' else ''}",
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


def _permissible(each: ClearanceRecord) -> str:
    if each.permissible_grams is None:
        return ""
    return f"{each.permissible_grams}{'' if each.within_permissible else ' (beyond)'}"
