"""Commands for the ledger: how long coins live, and the sums over what is recorded."""

from datetime import date
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from service.business_days import business_today
from service.errors import ValidationFailed
from service.folding.mending import Difference, Mended, Sums
from service.folding.rebuild import rebuild, rebuild_since
from service.ledger.coin_life import list_coin_life, set_coin_life
from service.managing.running import (
    YEARS,
    DataOption,
    FromOption,
    WithNumbers,
    city_zone,
    console,
    errors,
    in_transaction,
    listing,
    moment,
)

coins_app = typer.Typer(help="Coins.", no_args_is_help=True)
life_app = typer.Typer(help="How long coins live.", no_args_is_help=True)
coins_app.add_typer(life_app, name="life")
volumes_app = typer.Typer(help="Sums over weigh events and transfers.", no_args_is_help=True)

MONTHS_MAX = 1200
DIFFERENCES_SHOWN: Final = 20
# Sums were not what their rows add up to. They are now; why they were not is to be found out.
MENDED_STATUS: Final = 1


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


def a_day(text: str) -> date:
    """A business day as it is typed."""
    try:
        day = date.fromisoformat(text) if text.isascii() else None
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise typer.BadParameter(f"{text} is no day such as 2027-01-31")
    return day


@volumes_app.command("rebuild")
def volumes_rebuild(
    since: Annotated[
        date | None,
        typer.Option(
            parser=a_day,
            metavar="DAY",
            help="Only volumes of sites, of the business days from this one on, and of their months."
            " Without: all sums, as is needed after a restore into another cluster.",
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Recompute sums from the rows, while the service runs, and say which volumes differed: status 1 where any did."""

    async def run(connection: AsyncConnection, zone: str) -> Mended:
        today = business_today(zone)
        if since is not None and since > today:
            raise ValidationFailed(
                f"{since} is still to come: there is nothing to recompute. Today is {today}.",
                zh=f"{since} 还没有到，没有可重算的数据。今天是 {today}。",
            )

        def heard(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        if since is None:
            return await rebuild(connection, timezone=zone, shown=DIFFERENCES_SHOWN, progress=heard)
        return await rebuild_since(connection, since=since, timezone=zone, shown=DIFFERENCES_SHOWN, progress=heard)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("Recomputing months" if since else "Recomputing", total=None)
        mended = in_transaction(
            data, lambda connection, settings: run(connection, settings.business_timezone), as_owner=True
        )
    _tell(mended, "All sums are recomputed" if since is None else f"Volumes from {since} on are recomputed")
    if mended.count:
        raise typer.Exit(MENDED_STATUS)


def _tell(mended: Mended, done: str) -> None:
    if not mended.count:
        console.print(f"{done}; in the volumes of sites there was nothing to change.", highlight=False)
        return
    table = listing("Day or month", "Site", "Material", "Source", "Before", "After")
    for each in mended.first:
        table.add_row(_named(each), each.site_id, each.material_id, each.source, _said(each.before), _said(each.after))
    console.print(table)
    rows = "1 row of volumes was" if mended.count == 1 else f"{mended.count:,} rows of volumes were"
    shown = f" Shown are the first {len(mended.first)}." if mended.count > len(mended.first) else ""
    console.print(f"{done}; {rows} not what the events add up to, and are mended.{shown}", highlight=False)


def _named(difference: Difference) -> str:
    return f"{difference.first_day:%Y-%m}" if difference.each == "month" else f"{difference.first_day}"


def _said(sums: Sums | None) -> str:
    if sums is None:
        return "nothing"
    held = f"; held {sums.held_grams:,} g, {sums.held_drops:,} drops" if sums.held_drops or sums.held_grams else ""
    return f"{sums.grams:,} g, {sums.drops:,} drops{held}"
