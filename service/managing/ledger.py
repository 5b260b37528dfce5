"""Commands for the ledger: how long coins live, and the sums over what is recorded."""

from typing import Annotated

import typer

from service.folding.rebuild import rebuild
from service.ledger.coin_life import list_coin_life, set_coin_life
from service.managing.running import (
    DataOption,
    FromOption,
    WithNumbers,
    city_zone,
    console,
    in_transaction,
    listing,
    moment,
)

coins_app = typer.Typer(help="Coins.", no_args_is_help=True)
life_app = typer.Typer(help="How long coins live.", no_args_is_help=True)
coins_app.add_typer(life_app, name="life")
volumes_app = typer.Typer(help="Sums over weigh events and transfers.", no_args_is_help=True)

MONTHS_MAX = 1200


def months_or_never(text: str) -> int:
    """0 for never, which is no number of months."""
    if text == "never":
        return 0
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MONTHS_MAX:
        raise typer.BadParameter(f"say 1 to {MONTHS_MAX} months, or never")
    return int(text)


def in_words(months: int | None) -> str:
    if months is None:
        return "never expire"
    return f"expire at the end of the day {months} month{'' if months == 1 else 's'} later"


@life_app.command("set", cls=WithNumbers)
def life_set(
    months: Annotated[int, typer.Argument(parser=months_or_never, metavar="MONTHS|never")],
    effective_from: FromOption = None,
    data: DataOption = None,
) -> None:
    """Supersede how long coins live that are earned from a moment on; coins earned before keep their life."""
    starts_at = in_transaction(
        data,
        lambda connection, settings: set_coin_life(
            connection, months=months or None, effective_from=effective_from, zone=settings.business_timezone
        ),
    )
    console.print(f"Coins earned from {moment(starts_at, city_zone())} on {in_words(months or None)}.")


@life_app.command("list")
def life_list(data: DataOption = None) -> None:
    """Show every rule; before the first, coins never expire."""
    zone = city_zone()
    table = listing("Earned from", "Coins")
    for row in in_transaction(data, lambda connection, _: list_coin_life(connection)):
        table.add_row(moment(row.effective_from, zone), in_words(row.months))
    console.print(table)


@volumes_app.command("rebuild")
def volumes_rebuild(data: DataOption = None) -> None:
    """Recompute all sums from the rows, while the service runs; needed after a restore into another cluster."""
    in_transaction(
        data,
        lambda connection, settings: rebuild(connection, timezone=settings.business_timezone),
        as_owner=True,
    )
    console.print("All sums are recomputed.")
