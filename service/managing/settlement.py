"""Commands of settlement: what merchants are paid, months closed, and coins outstanding."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, lift_time_limit, snapshot, transaction
from service.errors import MerchantUnknown, StatementUnknown, ValidationFailed
from service.installation import installation
from service.managing.running import (
    DataOption,
    WithNumbers,
    city_zone,
    console,
    errors,
    from_option,
    in_transaction,
    listing,
    moment,
)
from service.redemption.merchants import require_merchant
from service.settings import Settings, read_settings
from service.settlement import documents, queries
from service.settlement.months import Month
from service.settlement.report import coins_outstanding
from service.settlement.rules import yuan
from service.settlement.settling import Settled, require_over, set_rate, settle

rate_app = typer.Typer(help="What merchants are paid for coins.", no_args_is_help=True)
statement_app = typer.Typer(help="Settlement statements of merchants.", no_args_is_help=True)
report_app = typer.Typer(help="Reports for those who answer for the scheme.", no_args_is_help=True)

LISTED_MAX = 10_000
BAR_CHARACTERS = 24
MonthOption = Annotated[str, typer.Option(help="Such as 2026-11.")]


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ValidationFailed(f"{error}.") from None


@rate_app.command("set", cls=WithNumbers)
def rate_set(
    merchant_id: Annotated[str, typer.Argument()],
    fen_per_1000_coins: Annotated[int, typer.Argument(min=0, max=100_000_000)],
    effective_from: Annotated[
        datetime | None,
        from_option("Without: a minute from now. A moment of the past is taken where no rate was in force then."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Supersede what a merchant is paid, from a moment on; what was captured before stays as it is."""
    starts_at = in_transaction(
        data,
        lambda connection, _: set_rate(
            connection,
            merchant_id=merchant_id,
            fen_per_1000_coins=fen_per_1000_coins,
            effective_from=effective_from,
        ),
    )
    console.print(f"{merchant_id}: {fen_per_1000_coins} fen for 1000 coins from {moment(starts_at, city_zone())}.")


@rate_app.command("list")
def rate_list(data: DataOption = None) -> None:
    """Every merchant's rates, with the moment each takes effect."""
    zone = city_zone()
    table = listing("Merchant", "From", "Fen per 1000 coins")
    for row in in_transaction(data, lambda connection, _: queries.list_rates(connection)):
        table.add_row(row.merchant_id, moment(row.effective_from, zone), str(row.fen_per_1000_coins))
    console.print(table)


def settle_command(
    month: MonthOption,
    merchant: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    output: Annotated[Path | None, typer.Option(help="A directory for each statement's .csv, .xlsx and .html.")] = None,
    data: DataOption = None,
) -> None:
    """Close a month: issue each merchant's settlement statement, once. Run again, it changes nothing."""
    closing = _month(month)

    async def run(settings: Settings) -> list[Settled]:
        engine = create_engine(settings)
        try:
            settled = await _settle_all(engine, settings, closing, merchant)
            if output is not None:
                for each in settled:
                    if each.number is not None:
                        await _export(engine, settings, each.number, output)
            return settled
        finally:
            await engine.dispose()

    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with installation(read_settings(data)) as settings:
        settled = asyncio.run(run(settings))
    if not _tell(settled, closing):
        raise typer.Exit(1)


async def _settle_all(engine: AsyncEngine, settings: Settings, month: Month, only: str | None) -> list[Settled]:
    zone = settings.business_timezone
    async with transaction(engine) as connection:
        await require_over(connection, month, zone)
        merchants = await queries.list_merchants(connection, only)
    if only is not None and not merchants:
        raise MerchantUnknown(f"There is no merchant {only}.")
    settled = []
    with Progress(console=errors, transient=True) as progress:
        for each in progress.track(merchants, description=f"Settling {month}"):
            async with transaction(engine) as connection:
                await lift_time_limit(connection)
                settled.append(await settle(connection, merchant=each, month=month, zone=zone))
    return settled


def _tell(settled: list[Settled], month: Month) -> bool:
    """Print what became of each merchant; False where one could not be settled."""
    table = listing("Merchant", "Statement", "Net coins", "Payable, yuan", "")
    for each in settled:
        if each.number is not None:
            said = "issued" if each.issued else "issued before"
        elif each.unrated_from is not None:
            said = f"[red]{each.unrated} captures and refunds have no rate; see below[/red]"
        elif each.later is not None:
            said = f"{each.later} was closed first: what there was in {month} is on a later statement"
        else:
            continue
        table.add_row(each.merchant_id, each.number or "", f"{each.net_coins:,}", yuan(each.payable_fen), said)
    if table.row_count:
        console.print(table)
        for each in settled:
            if each.unrated_from is not None:
                console.print(_rate_command(each.merchant_id, each.unrated_from), highlight=False, soft_wrap=True)
    else:
        console.print(f"No merchant has anything to settle in {month}.")
    return not any(each.unrated for each in settled)


def _rate_command(merchant_id: str, since: datetime) -> str:
    """What to type so that captures since then have a rate."""
    begins_at = moment(since, city_zone())
    return f"{merchant_id} was never agreed on a rate for these: tanbi rate set {merchant_id} FEN --from {begins_at}"


async def _export(engine: AsyncEngine, settings: Settings, number: str, output: Path) -> None:
    zone = settings.business_timezone
    async with snapshot(engine) as connection:
        found = await queries.find_statement(connection, number)
        if found is None:
            raise StatementUnknown(f"There is no statement {number}.")
        await lift_time_limit(connection)
        left = [
            await document.write(connection, found, zone, output / f"{number}.{ending}")
            for ending, document in documents.DOCUMENTS.items()
        ]
    for finish in left:
        finish()


@statement_app.command("list")
def statement_list(
    month: Annotated[str | None, typer.Option(help="Such as 2026-11.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Only this one's.")] = None,
    data: DataOption = None,
) -> None:
    """Show statements, the newest month first."""
    wanted = None if month is None else _month(month)
    zone = city_zone()
    table = listing("Statement", "Captures", "Refunds", "Net coins", "Payable, yuan", "Uncovered coins", "Issued")

    async def work(connection: AsyncConnection, _settings: Settings) -> queries.Rows:
        if merchant is not None:
            await require_merchant(connection, merchant)
        return await queries.list_statements(
            connection, merchant_id=merchant, month=wanted, before=None, limit=LISTED_MAX
        )

    for row in in_transaction(data, work):
        table.add_row(
            row.number,
            f"{row.captures:,}",
            f"{row.refunds:,}",
            f"{row.net_coins:,}",
            yuan(row.payable_fen),
            f"{row.uncovered_coins:,}",
            moment(row.issued_at, zone),
        )
    console.print(table)


@statement_app.command("export")
def statement_export(
    number: Annotated[str, typer.Argument(help="As `tanbi statement list` shows it.")],
    output: Annotated[Path, typer.Option(help="Where the .csv, .xlsx and .html are written.")] = Path(),
    data: DataOption = None,
) -> None:
    """Write a statement's files."""

    async def run(settings: Settings) -> None:
        engine = create_engine(settings)
        try:
            await _export(engine, settings, number, output)
        finally:
            await engine.dispose()

    output.mkdir(parents=True, exist_ok=True)
    with installation(read_settings(data)) as settings:
        asyncio.run(run(settings))
    console.print(f"{number}.csv, .xlsx and .html are in {output}.")


@report_app.command("coins")
def report_coins(
    first: Annotated[str, typer.Option("--from", help="Such as 2026-01.")],
    last: Annotated[str, typer.Option("--to", help="Such as 2026-11.")],
    data: DataOption = None,
) -> None:
    """Coins issued, redeemed, expired and outstanding, month by month."""
    begin, end = _month(first), _month(last)

    async def run(settings: Settings) -> list[dict[str, Any]]:
        engine = create_engine(settings)
        try:
            # All figures are of one moment: what moves meanwhile is in each of them or in none.
            async with snapshot(engine) as connection:
                await lift_time_limit(connection)
                return await coins_outstanding(connection, first=begin, last=end, zone=settings.business_timezone)
        finally:
            await engine.dispose()

    with installation(read_settings(data)) as settings:
        months = asyncio.run(run(settings))
    table = listing("Month", "Issued", "Redeemed", "Expired", "Adjusted", "Outstanding", "of which held", "")
    most = max((month["outstanding_coins"] for month in months), default=0)
    for month in months:
        adjusted = month["adjusted_in_coins"] - month["adjusted_out_coins"]
        bar = "█" * round(BAR_CHARACTERS * month["outstanding_coins"] / most) if most > 0 else ""
        table.add_row(
            month["month"],
            f"{month['issued_coins']:,}",
            f"{month['redeemed_coins']:,}",
            f"{month['expired_coins']:,}",
            f"{adjusted:+,}" if adjusted else "0",
            f"{month['outstanding_coins']:,}",
            f"{month['held_coins']:,}",
            bar,
        )
    console.print(table)
