"""A merchant's catalogue, and what of all catalogues a resident sees."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MerchantName
from schemas.offers import (
    MerchantOffer,
    MerchantOffers,
    NewOffer,
    Offer,
    OfferChange,
    OfferPlace,
    Offers,
    OfferSite,
    encode_offer_cursor,
)
from service.db import violated_constraint
from service.errors import MerchantUnknown, OfferExists, OfferUnknown, StockTooSmall, ValidationFailed
from service.redemption import offer_queries
from service.redemption.offer_queries import Around


async def add_offer(connection: AsyncConnection, merchant_id: str, wanted: NewOffer) -> MerchantOffer:
    """A new offer of a merchant.

    Raises OfferExists, whoever's the other is; MerchantUnknown; or ValidationFailed where it would end before it
    begins.
    """
    values = wanted.model_dump(exclude={"stock"})
    try:
        row = await offer_queries.insert_offer(connection, merchant_id=merchant_id, stock_added=wanted.stock, **values)
    except IntegrityError as error:
        match violated_constraint(error):
            case "pk_offer":
                raise OfferExists from None
            case "fk_offer_merchant_id_merchant":
                raise MerchantUnknown(f"There is no merchant {merchant_id}.") from None
            case "ck_offer_validity":
                raise _ends_too_early() from None
        raise
    if row.valid_until == row.valid_from:
        raise _ends_too_early()
    return _own(row)


async def change_offer(
    connection: AsyncConnection, merchant_id: str | None, offer_id: str, wanted: OfferChange
) -> MerchantOffer:
    """A merchant's offer changed at once; with `merchant_id` None, whoever's it is.

    What is redeemed at the same moment has the offer either before or after it. Raises OfferUnknown or StockTooSmall.
    """
    changes = wanted.changes()
    pieces = changes.pop("add_stock", None)
    if pieces is not None:
        # Added by the database: to set a number would undo what was redeemed since it was read.
        changes["stock_added"] = offer_queries.stock_with(pieces)
    if changes.get("valid_until") is not None:
        changes["valid_until"] = offer_queries.ends_at(changes["valid_until"])
    try:
        row = await offer_queries.update_offer(connection, offer_id, merchant_id, changes)
    except IntegrityError as error:
        if violated_constraint(error) == "ck_offer_stock":
            raise StockTooSmall from None
        raise
    if row is None:
        raise OfferUnknown("You have no offer with this id." if merchant_id else f"There is no offer {offer_id}.")
    return _own(row)


async def list_own_offers(
    connection: AsyncConnection, merchant_id: str, *, after: OfferPlace | None, limit: int
) -> MerchantOffers:
    """One page of a merchant's offers, by id, from the one after `after` on."""
    # One more than is shown tells whether there is a next page.
    rows = await offer_queries.merchant_offers_page(
        connection, merchant_id, after_id=after.offer_id if after else "", limit=limit + 1
    )
    shown = rows[:limit]
    return MerchantOffers(
        offers=[_own(row) for row in shown],
        next_cursor=encode_offer_cursor(OfferPlace(0, shown[-1].id)) if len(rows) > limit else None,
    )


async def list_offers(
    connection: AsyncConnection,
    *,
    around: Around | None,
    merchant_id: str | None,
    machine_kind: str | None,
    after: OfferPlace | None,
    limit: int,
) -> Offers:
    """One page of the offers that are valid now, nearest first, from the one after `after` on."""
    rows = await offer_queries.valid_offers_page(
        connection, around=around, merchant_id=merchant_id, machine_kind=machine_kind, after=after, limit=limit + 1
    )
    shown = rows[:limit]
    sites: dict[str, list[sa.Row[Any]]] = {row.id: [] for row in shown}
    for each in await offer_queries.sites_of_offers(connection, list(sites), around):
        sites[each.offer_id].append(each)
    return Offers(
        offers=[_shown(row, sites[row.id]) for row in shown],
        next_cursor=encode_offer_cursor(OfferPlace(shown[-1].distance_m, shown[-1].id)) if len(rows) > limit else None,
    )


def _own(row: sa.Row[Any]) -> MerchantOffer:
    return MerchantOffer.model_validate(row, from_attributes=True)


def _shown(row: sa.Row[Any], sites: list[sa.Row[Any]]) -> Offer:
    return Offer(
        id=row.id,
        title=row.title,
        title_en=row.title_en,
        unit=row.unit,
        unit_en=row.unit_en,
        coins=row.coins,
        merchant=MerchantName(id=row.merchant_id, name=row.merchant_name),
        machine_kind=row.machine_kind,
        valid_until=row.valid_until,
        resident_day_max=row.resident_day_max,
        stock_left=row.stock_left,
        sites=[OfferSite.model_validate(each, from_attributes=True) for each in sites],
        site_count=sites[0].site_count if sites else 0,
    )


def _ends_too_early() -> ValidationFailed:
    detail = "An offer ends after it begins."
    return ValidationFailed(detail, errors=[{"pointer": "/valid_until", "code": "ends_too_early", "detail": detail}])
