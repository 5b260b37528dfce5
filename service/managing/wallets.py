"""The command that shows an operator a wallet, before they decide on it."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.residents import CreditTransfer, Transfer, Transfers
from service.adjustments.queries import resident_exists
from service.errors import ResidentUnknown
from service.ledger.book import Wallet
from service.ledger.coin_life import Expiring, next_expiring
from service.ledger.queries import read_wallet
from service.managing.running import DataOption, city_zone, console, in_transaction, listing, moment
from service.residents.statement import read_statement
from service.settings import Settings

wallet_app = typer.Typer(help="Residents' wallets.", no_args_is_help=True)


@wallet_app.command("show")
def wallet_show(
    resident_id: Annotated[int, typer.Argument(help="Whose wallet.", min=1, max=2**63 - 1)],
    limit: Annotated[int, typer.Option(min=1, max=100, help="The newest so many transfers.")] = 20,
    before: Annotated[int | None, typer.Option(help="Those older than this one.", min=1, max=2**63 - 1)] = None,
    data: DataOption = None,
) -> None:
    """Show what a wallet has, what of it expires next, and its newest transfers; nothing is changed."""

    async def work(connection: AsyncConnection, settings: Settings) -> tuple[Wallet, Expiring | None, Transfers]:
        if not await resident_exists(connection, resident_id, demo=settings.demo):
            raise ResidentUnknown(f"There is no resident {resident_id}.")
        wallet = await read_wallet(connection, resident_id)
        expiring = await next_expiring(connection, resident_id, wallet.posted, zone=settings.business_timezone)
        return wallet, expiring, await read_statement(connection, resident_id, before_id=before, limit=limit)

    wallet, expiring, page = in_transaction(data, work)
    zone = city_zone()
    next_to_expire = (
        "none expire" if expiring is None else f"{expiring.coins} expire at {moment(expiring.expires_at, zone)}"
    )
    console.print(
        f"Resident {resident_id}: {wallet.posted - wallet.held} coins to spend, {wallet.held} held; {next_to_expire}.",
        highlight=False,
    )
    table = listing("Transfer", "When", "Kind", "Coins", "Of")
    for each in page.transfers:
        table.add_row(str(each.id), moment(each.created_at, zone), each.kind, f"{each.coins:+d}", _named(each))
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --before {page.transfers[-1].id}")


def _named(transfer: Transfer) -> str:
    """What a transfer names, besides its wallet."""
    if isinstance(transfer, CreditTransfer):
        return f"{transfer.weight_grams} g {transfer.material}"
    told = transfer.model_dump(include={"merchant", "redemption_id", "reverses_id", "reason"}, exclude_none=True)
    names = []
    if "merchant" in told:
        names.append(told["merchant"]["id"])
    if "redemption_id" in told:
        names.append(f"redemption {told['redemption_id']}")
    if "reverses_id" in told:
        names.append(f"transfer {told['reverses_id']}")
    if "reason" in told:
        names.append(told["reason"])
    return ", ".join(names)
