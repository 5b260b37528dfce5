"""Commands for what coins buy, and how many may be spent: offers and limits."""

from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.offers import MachineKind, MerchantOffer, NewOffer, OfferChange
from service.errors import ValidationFailed
from service.limits import LimitKind
from service.managing.running import (
    TIME_EXAMPLE,
    DataOption,
    WithNumbers,
    city_zone,
    console,
    from_option,
    in_transaction,
    listing,
    moment,
    parse_moment,
    typed,
)
from service.redemption.limits import list_limits, set_limit
from service.redemption.merchants import require_merchant
from service.redemption.offer_queries import Rows, merchant_offers_page
from service.redemption.offers import add_offer, change_offer
from service.settings import Settings

offer_app = typer.Typer(help="Offers: what coins buy at merchants.", no_args_is_help=True)
limit_app = typer.Typer(help="Limits on spending.", no_args_is_help=True)

# More than a city has; a listing that is longer is no use in a terminal.
LISTED_MAX = 10_000
NONE = "none"
NUMBER_DIGITS_MAX = 15

OfferIdArgument = Annotated[str, typer.Argument(help="Such as NK-M-01.water-5l.")]
UntilOption = Annotated[str | None, typer.Option(help=f"{TIME_EXAMPLE}; or none.")]
DayMaxOption = Annotated[str | None, typer.Option(help="Pieces a resident may have on a business day, or none.")]


@offer_app.command("add")
def offer_add(
    offer_id: OfferIdArgument,
    merchant: Annotated[str, typer.Option(help="Whose it is.")],
    title: Annotated[str, typer.Option(help="In Chinese.")],
    title_en: Annotated[str, typer.Option(help="In English.")],
    unit: Annotated[str, typer.Option(help="Of one piece, in Chinese, such as 5升.")],
    unit_en: Annotated[str, typer.Option(help="In English, such as 5 l.")],
    coins: Annotated[int, typer.Option(help="The price of one piece.")],
    machine_kind: Annotated[MachineKind | None, typer.Option(help="Its machines; without, its shop.")] = None,
    valid_from: Annotated[datetime | None, from_option("Without: now.")] = None,
    until: UntilOption = None,
    resident_day_max: DayMaxOption = None,
    stock: Annotated[int | None, typer.Option(help="Pieces there are; without, none are counted.")] = None,
    data: DataOption = None,
) -> None:
    """Add an offer to a merchant's catalogue."""
    wanted = typed(
        NewOffer,
        {
            "id": offer_id,
            "title": title,
            "title_en": title_en,
            "unit": unit,
            "unit_en": unit_en,
            "coins": coins,
            "machine_kind": machine_kind,
            "valid_from": None if valid_from is None else valid_from.isoformat(),
            "valid_until": _time(until),
            "resident_day_max": _number(resident_day_max),
            "stock": stock,
        },
    )
    console.print(
        _sentence(in_transaction(data, lambda connection, _: add_offer(connection, merchant, wanted))), highlight=False
    )


@offer_app.command("list")
def offer_list(
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's.")] = None, data: DataOption = None
) -> None:
    """Show offers, those that are over too."""
    zone = city_zone()
    table = listing("Id", "Merchant", "Title", "Unit", "Coins", "A day", "Stock left", "From", "Until")

    async def work(connection: AsyncConnection, _settings: Settings) -> Rows:
        if merchant is not None:
            await require_merchant(connection, merchant)
        return await merchant_offers_page(connection, merchant, after_id="", limit=LISTED_MAX)

    for row in in_transaction(data, work):
        table.add_row(
            row.id,
            row.merchant_id,
            row.title,
            row.unit,
            str(row.coins),
            _said(row.resident_day_max),
            _said(row.stock_left),
            moment(row.valid_from, zone),
            moment(row.valid_until, zone),
        )
    console.print(table)


@offer_app.command("set")
def offer_set(
    offer_id: OfferIdArgument,
    title: Annotated[str | None, typer.Option()] = None,
    title_en: Annotated[str | None, typer.Option()] = None,
    unit: Annotated[str | None, typer.Option()] = None,
    unit_en: Annotated[str | None, typer.Option()] = None,
    coins: Annotated[int | None, typer.Option(help="What was redeemed before keeps its price.")] = None,
    until: UntilOption = None,
    resident_day_max: DayMaxOption = None,
    add_stock: Annotated[int | None, typer.Option(help="Pieces to put in stock; less than 0 takes out.")] = None,
    data: DataOption = None,
) -> None:
    """Change an offer at once; what is not given stays."""
    given: dict[str, Any] = {
        "title": title,
        "title_en": title_en,
        "unit": unit,
        "unit_en": unit_en,
        "coins": coins,
        "add_stock": add_stock,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if until is not None:
        changes["valid_until"] = _time(until)
    if resident_day_max is not None:
        changes["resident_day_max"] = _number(resident_day_max)
    wanted = typed(OfferChange, changes)
    changed = in_transaction(data, lambda connection, _: change_offer(connection, None, offer_id, wanted))
    console.print(_sentence(changed), highlight=False)


@offer_app.command("withdraw")
def offer_withdraw(offer_id: OfferIdArgument, data: DataOption = None) -> None:
    """End an offer now; what is held for it can still be captured."""
    long_ago = typed(OfferChange, {"valid_until": "2000-01-01T00:00:00Z"})
    in_transaction(data, lambda connection, _: change_offer(connection, None, offer_id, long_ago))
    console.print(f"Offer {offer_id} is withdrawn.")


@limit_app.command("set", cls=WithNumbers)
def limit_set(
    kind: Annotated[LimitKind, typer.Argument(help="Of one redemption, of a resident's day, of a merchant's day.")],
    coins: Annotated[str, typer.Argument(help="The most coins, or none for no limit.")],
    merchant: Annotated[
        str | None, typer.Option(help="Only at this merchant, in place of the general limit; not of resident_day.")
    ] = None,
    effective_from: Annotated[
        datetime | None,
        from_option("Without: a minute from now, and a day's limit with the next business day."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Supersede a limit from a moment on; what was granted before stays."""
    most = _number(coins)

    starts_at = in_transaction(
        data,
        lambda connection, settings: set_limit(
            connection,
            kind=kind,
            coins=most,
            merchant_id=merchant,
            effective_from=effective_from,
            zone=settings.business_timezone,
        ),
    )
    said = "no limit" if most is None else f"{most} coins at most"
    where = merchant or ("all merchants together" if kind == "resident_day" else "each merchant without its own")
    console.print(f"{kind}: {said} from {moment(starts_at, city_zone())}, at {where}.", highlight=False)


@limit_app.command("list")
def limit_list(data: DataOption = None) -> None:
    """Show every limit that was ever set, and which are in force. Where a merchant has one of its own, only that holds
    there."""
    zone = city_zone()
    table = listing("Kind", "Merchant", "From", "Coins at most", "Now")
    for row, standing in in_transaction(data, lambda connection, _: list_limits(connection)):
        coins = NONE if row.coins is None else str(row.coins)
        table.add_row(row.kind, row.merchant_id or "", moment(row.effective_from, zone), coins, standing)
    console.print(table)


def _time(text: str | None) -> str | None:
    """RFC 3339 of a time as it is typed. Raises ValidationFailed."""
    if text is None or text == NONE:
        return None
    try:
        return parse_moment(text).isoformat()
    except ValueError as error:
        raise ValidationFailed(f"{error} Or say {NONE}.") from None


def _number(text: str | None) -> int | None:
    """Raises ValidationFailed."""
    if text is None or text == NONE:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX):
        raise ValidationFailed(f"{text} is no whole number; or say {NONE}.")
    return int(text)


def _said(number: int | None) -> str:
    return "" if number is None else str(number)


def _sentence(offer: MerchantOffer) -> str:
    stock = "" if offer.stock_left is None else f", {offer.stock_left} in stock"
    return f"Offer {offer.id}: {offer.title} / {offer.title_en}, {offer.unit_en}, {offer.coins} coins{stock}."
