"""Commands for what coins buy, and how many may be spent: offers and limits."""

from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import pydantic
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.offers import MachineKind, MerchantOffer, NewOffer, OfferChange
from service.errors import ValidationFailed
from service.limits import LimitKind, LimitRow
from service.managing.running import (
    TIME_EXAMPLE,
    TIME_FORMAT,
    DataOption,
    console,
    from_option,
    in_transaction,
    listing,
)
from service.redemption.limits import list_limits, set_limit
from service.redemption.offer_queries import merchant_offers_page
from service.redemption.offers import add_offer, change_offer
from service.settings import Settings

offer_app = typer.Typer(help="Offers: what coins buy at merchants.", no_args_is_help=True)
limit_app = typer.Typer(help="Limits on spending.", no_args_is_help=True)

Model = TypeVar("Model", bound=pydantic.BaseModel)
# More than a city has; a listing that is longer is no use in a terminal.
LISTED_MAX = 10_000
NONE = "none"
NUMBER_DIGITS_MAX = 15

OfferIdArgument = Annotated[str, typer.Argument(help="Such as NK-M-01.water-5l.")]
UntilOption = Annotated[str | None, typer.Option(help=f"{TIME_EXAMPLE}, or none.")]
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
    wanted = _checked(
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
    table = listing("Id", "Merchant", "Title", "Unit", "Coins", "A day", "Stock left", "From", "Until")
    for row in in_transaction(
        data, lambda connection, _: merchant_offers_page(connection, merchant, after_id="", limit=LISTED_MAX)
    ):
        until = "" if row.valid_until is None else row.valid_until.isoformat(timespec="seconds")
        table.add_row(
            row.id,
            row.merchant_id,
            row.title,
            row.unit,
            str(row.coins),
            _said(row.resident_day_max),
            _said(row.stock_left),
            row.valid_from.isoformat(timespec="seconds"),
            until,
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
    wanted = _checked(OfferChange, changes)
    changed = in_transaction(data, lambda connection, _: change_offer(connection, None, offer_id, wanted))
    console.print(_sentence(changed), highlight=False)


@offer_app.command("withdraw")
def offer_withdraw(offer_id: OfferIdArgument, data: DataOption = None) -> None:
    """End an offer now; what is held for it can still be captured."""
    long_ago = _checked(OfferChange, {"valid_until": "2000-01-01T00:00:00Z"})
    in_transaction(data, lambda connection, _: change_offer(connection, None, offer_id, long_ago))
    console.print(f"Offer {offer_id} is withdrawn.")


@limit_app.command("set")
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

    async def work(connection: AsyncConnection, settings: Settings) -> str:
        zone = settings.business_timezone
        starts_at = await set_limit(
            connection, kind=kind, coins=most, merchant_id=merchant, effective_from=effective_from, zone=zone
        )
        return starts_at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")

    starts_at = in_transaction(data, work)
    said = "no limit" if most is None else f"{most} coins at most"
    where = merchant or ("all merchants together" if kind == "resident_day" else "each merchant without its own")
    console.print(f"{kind}: {said} from {starts_at}, at {where}.", highlight=False)


@limit_app.command("list")
def limit_list(data: DataOption = None) -> None:
    """Show every limit that was ever set; each is in force until the next of its kind and merchant."""

    async def work(connection: AsyncConnection, settings: Settings) -> tuple[list[LimitRow], ZoneInfo]:
        return await list_limits(connection), ZoneInfo(settings.business_timezone)

    rows, zone = in_transaction(data, work)
    table = listing("Kind", "Merchant", "From", "Coins at most")
    for row in rows:
        begins = row.effective_from.astimezone(zone).isoformat(timespec="seconds")
        table.add_row(row.kind, row.merchant_id or "", begins, NONE if row.coins is None else str(row.coins))
    console.print(table)


def _checked(model: type[Model], values: dict[str, Any]) -> Model:
    """`values` as a caller of the API would send them. Raises ValidationFailed."""
    try:
        # As JSON: only so are strings taken for times.
        return model.model_validate_json(pydantic.TypeAdapter(dict[str, Any]).dump_json(values))
    except pydantic.ValidationError as error:
        found = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in found["loc"])
        raise ValidationFailed(f"{name}: {found['msg']}." if name else f"{found['msg']}.") from None


def _time(text: str | None) -> str | None:
    """RFC 3339 of a time as it is typed. Raises ValidationFailed."""
    if text is None or text == NONE:
        return None
    try:
        return datetime.strptime(text, TIME_FORMAT).isoformat()  # noqa: DTZ007, it has %z
    except ValueError:
        raise ValidationFailed(f"{text} is no time. {TIME_EXAMPLE}, or {NONE}.") from None


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
