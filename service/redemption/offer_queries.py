"""SQL of offers, one function a statement."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.offers import SITES_PER_OFFER_MAX, OfferPlace
from service.tables import machine, merchant, offer, site

Rows = Sequence[sa.Row[*tuple[Any, ...]]]

# The mean radius of the earth (IUGG).
EARTH_RADIUS_M = 6_371_008.8
# Farther than any site is; where the offers stand whose sites nobody has measured.
NOWHERE_M = 40_000_000

STOCK_LEFT = (offer.c.stock_added - offer.c.stock_taken).label("stock_left")
OF_MERCHANT = (
    offer.c.id,
    offer.c.title,
    offer.c.title_en,
    offer.c.unit,
    offer.c.unit_en,
    offer.c.coins,
    offer.c.machine_kind,
    offer.c.valid_from,
    offer.c.valid_until,
    offer.c.resident_day_max,
    STOCK_LEFT,
)


class Around(NamedTuple):
    """A point in degrees, and how far from it, in metres; None: anywhere."""

    latitude: float
    longitude: float
    radius_m: int | None

    @classmethod
    def of(cls, latitude: float | None, longitude: float | None, radius_m: int | None) -> "Around | None":
        """None where there is no point."""
        return None if latitude is None or longitude is None else cls(latitude, longitude, radius_m)


async def insert_offer(connection: AsyncConnection, **values: Any) -> sa.Row[*tuple[Any, ...]]:
    """The new offer, valid from now on where nothing else is said."""
    if values["valid_from"] is None:
        values["valid_from"] = sa.func.now()
    return (await connection.execute(sa.insert(offer).values(values).returning(*OF_MERCHANT))).one()


async def update_offer(
    connection: AsyncConnection, offer_id: str, merchant_id: str | None, changes: dict[str, Any]
) -> sa.Row[*tuple[Any, ...]] | None:
    """The offer as it is after `changes`, by column; None where the merchant, or any for None, has none of this id."""
    return (
        await connection.execute(
            sa.update(offer)
            .where(offer.c.id == offer_id, sa.true() if merchant_id is None else offer.c.merchant_id == merchant_id)
            .values(changes)
            .returning(*OF_MERCHANT)
        )
    ).one_or_none()


def ends_at(wanted: Any) -> sa.ColumnElement[Any]:
    """The end of an offer: `wanted` or, where that has passed, this moment; one that is over has ended already.

    One that has not begun ends when it would have.
    """
    wanted = sa.cast(wanted, offer.c.valid_until.type)
    return sa.case(
        (wanted > sa.func.now(), sa.func.greatest(wanted, offer.c.valid_from)),
        (offer.c.valid_until <= sa.func.now(), offer.c.valid_until),
        else_=sa.func.greatest(sa.func.now(), offer.c.valid_from),
    )


def stock_with(pieces: int) -> sa.ColumnElement[int]:
    return sa.func.coalesce(offer.c.stock_added, 0) + pieces


async def merchant_offers_page(
    connection: AsyncConnection, merchant_id: str | None, *, after_id: str, limit: int
) -> Rows:
    """A merchant's offers, or everyone's, in the order of their ids; with the merchant's id."""
    return (
        await connection.execute(
            sa.select(*OF_MERCHANT, offer.c.merchant_id)
            .where(offer.c.id > after_id, sa.true() if merchant_id is None else offer.c.merchant_id == merchant_id)
            .order_by(offer.c.id)
            .limit(limit)
        )
    ).all()


async def valid_offers_page(
    connection: AsyncConnection,
    *,
    around: Around | None,
    merchant_id: str | None,
    machine_kind: str | None,
    after: OfferPlace | None,
    limit: int,
) -> Rows:
    """Offers that are valid now, with their merchant's name and the place of their nearest site in the list."""
    outlets = _outlets(around).subquery()
    nearest = sa.func.min(outlets.c.distance_m)
    placed = (
        sa.select(
            *OF_MERCHANT,
            offer.c.merchant_id,
            merchant.c.name.label("merchant_name"),
            sa.func.coalesce(nearest, NOWHERE_M).label("distance_m"),
        )
        .join(merchant, merchant.c.id == offer.c.merchant_id)
        .join(outlets, outlets.c.offer_id == offer.c.id, isouter=around is None or around.radius_m is None)
        .where(
            offer.c.valid_from <= sa.func.now(),
            sa.or_(offer.c.valid_until.is_(None), offer.c.valid_until > sa.func.now()),
            *([] if merchant_id is None else [offer.c.merchant_id == merchant_id]),
            *([] if machine_kind is None else [offer.c.machine_kind == machine_kind]),
        )
        .group_by(offer.c.id, merchant.c.id)
        .subquery()
    )
    page = sa.select(placed).order_by(placed.c.distance_m, placed.c.id).limit(limit)
    if after is not None:
        page = page.where(sa.tuple_(placed.c.distance_m, placed.c.id) > (after.distance_m, after.offer_id))
    return (await connection.execute(page)).all()


async def sites_of_offers(connection: AsyncConnection, offer_ids: Sequence[str], around: Around | None) -> Rows:
    """For each of these offers its nearest sites, in order, and how many there are."""
    outlets = _outlets(around).subquery()
    order = (outlets.c.distance_m.nulls_last(), outlets.c.id)
    of_all = sa.select(
        outlets,
        sa.func.row_number().over(partition_by=outlets.c.offer_id, order_by=order).label("place"),
        sa.func.count().over(partition_by=outlets.c.offer_id).label("site_count"),
    )
    ranked = of_all.where(outlets.c.offer_id.in_(offer_ids)).subquery()
    return (
        await connection.execute(
            sa.select(ranked).where(ranked.c.place <= SITES_PER_OFFER_MAX).order_by(ranked.c.offer_id, ranked.c.place)
        )
    ).all()


def _outlets(around: Around | None) -> sa.Select[*tuple[Any, ...]]:
    """Where each offer is to be had: the sites of its merchant's machines of its kind, or of the merchant's shop."""
    # Several machines of a kind may stand at one site: UNION counts it once.
    at = sa.union(
        sa.select(offer.c.id.label("offer_id"), machine.c.site_id).join(
            machine, sa.and_(machine.c.merchant_id == offer.c.merchant_id, machine.c.kind == offer.c.machine_kind)
        ),
        sa.select(offer.c.id, merchant.c.site_id)
        .join(merchant, merchant.c.id == offer.c.merchant_id)
        .where(offer.c.machine_kind.is_(None)),
    ).subquery()
    distance_m = sa.cast(sa.null(), sa.Integer) if around is None else _distance_m(around)
    found = sa.select(
        at.c.offer_id,
        site.c.id,
        site.c.name,
        site.c.name_en,
        site.c.latitude,
        site.c.longitude,
        distance_m.label("distance_m"),
    ).join(site, site.c.id == at.c.site_id)
    if around is None or around.radius_m is None:
        return found
    return found.where(distance_m <= around.radius_m)


def _distance_m(around: Around) -> sa.ColumnElement[int]:
    """From the point to a site along a great circle (haversine), in whole metres; null where it was not measured."""
    here, there = sa.literal(around.latitude), site.c.latitude
    across = sa.func.power(sa.func.sind((there - here) / 2), 2)
    along = sa.func.power(sa.func.sind((site.c.longitude - sa.literal(around.longitude)) / 2), 2)
    half_chord_squared = across + sa.func.cosd(here) * sa.func.cosd(there) * along
    # Rounding may carry it above 1 at the other end of the world. Not LEAST, which leaves out nulls.
    at_most_one = sa.case((half_chord_squared > 1, 1.0), else_=half_chord_squared)
    angle = 2 * sa.func.asin(sa.func.sqrt(at_most_one))
    return sa.cast(sa.literal(EARTH_RADIUS_M) * angle, sa.Integer)
