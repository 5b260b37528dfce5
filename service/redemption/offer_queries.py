"""SQL of offers, one function a statement."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.offers import SITES_PER_OFFER_MAX, OfferPlace
from service.tables.people import machine, merchant
from service.tables.places import site
from service.tables.redemption import offer

Rows = Sequence[sa.Row[*tuple[Any, ...]]]

# The mean radius of the earth (IUGG).
EARTH_RADIUS_M = 6_371_008.8
# Farther than any site is; where the offers stand whose sites nobody has measured.
NOWHERE_M = 40_000_000
# Beside the kinds of machines, where an offer is of none.
SHOP = ""

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
    # Read once, for what is shown and for whose sites are asked for.
    valid = (
        sa.select(*OF_MERCHANT, offer.c.merchant_id)
        .where(
            offer.c.valid_from <= sa.func.now(),
            sa.or_(offer.c.valid_until.is_(None), offer.c.valid_until > sa.func.now()),
            *([] if merchant_id is None else [offer.c.merchant_id == merchant_id]),
            *([] if machine_kind is None else [offer.c.machine_kind == machine_kind]),
        )
        .cte("valid")
    )
    found = sa.select(valid, merchant.c.name.label("merchant_name")).join(
        merchant, merchant.c.id == valid.c.merchant_id
    )
    if around is None:
        placed = found.add_columns(sa.literal(NOWHERE_M).label("distance_m")).subquery()
    else:
        outlets = _outlets(sa.select(valid.c.merchant_id), around).subquery()
        kind = (outlets.c.merchant_id, outlets.c.machine_kind)
        nearest = sa.select(*kind, sa.func.min(outlets.c.distance_m).label("distance_m")).group_by(*kind).subquery()
        placed = (
            found.add_columns(sa.func.coalesce(nearest.c.distance_m, NOWHERE_M).label("distance_m"))
            .join(nearest, _had_at(valid, nearest), isouter=around.radius_m is None)
            .subquery()
        )
    page = sa.select(placed).order_by(placed.c.distance_m, placed.c.id).limit(limit)
    if after is not None:
        page = page.where(sa.tuple_(placed.c.distance_m, placed.c.id) > (after.distance_m, after.offer_id))
    return (await connection.execute(page)).all()


async def sites_of_offers(connection: AsyncConnection, offer_ids: Sequence[str], around: Around | None) -> Rows:
    """For each of these offers its nearest sites, in order, and how many there are."""
    outlets = _outlets(sa.select(offer.c.merchant_id).where(offer.c.id.in_(offer_ids)), around).subquery()
    kind = (outlets.c.merchant_id, outlets.c.machine_kind)
    order = (outlets.c.distance_m.nulls_last(), outlets.c.id)
    # Ranked once for all offers of one merchant and kind.
    ranked = sa.select(
        outlets,
        sa.func.row_number().over(partition_by=kind, order_by=order).label("place"),
        sa.func.count().over(partition_by=kind).label("site_count"),
    ).subquery()
    return (
        await connection.execute(
            sa.select(offer.c.id.label("offer_id"), ranked)
            .join(ranked, _had_at(offer, ranked))
            .where(offer.c.id.in_(offer_ids), ranked.c.place <= SITES_PER_OFFER_MAX)
            .order_by(offer.c.id, ranked.c.place)
        )
    ).all()


def _had_at(offers: sa.FromClause, outlets: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(
        outlets.c.merchant_id == offers.c.merchant_id,
        outlets.c.machine_kind == sa.func.coalesce(offers.c.machine_kind, SHOP),
    )


def _outlets(merchants: sa.Select[*tuple[Any, ...]], around: Around | None) -> sa.Select[*tuple[Any, ...]]:
    """Where offers of these merchants are to be had, by kind: the sites of their machines of it, or of their shop."""
    at = sa.union_all(
        # Several machines of a kind may stand at one site.
        sa.select(machine.c.merchant_id, machine.c.kind.label("machine_kind"), machine.c.site_id)
        .where(machine.c.merchant_id.in_(merchants))
        .distinct(),
        sa.select(merchant.c.id, sa.literal(SHOP), merchant.c.site_id).where(merchant.c.id.in_(merchants)),
    ).subquery()
    distance_m = sa.cast(sa.null(), sa.Integer) if around is None else _distance_m(around)
    found = sa.select(
        at.c.merchant_id,
        at.c.machine_kind,
        site.c.id,
        site.c.name,
        site.c.name_en,
        site.c.latitude,
        site.c.longitude,
        distance_m.label("distance_m"),
    ).join(site, site.c.id == at.c.site_id)
    if around is None or around.radius_m is None:
        return found
    return found.where(*_box(around, around.radius_m), distance_m <= around.radius_m)


def _box(around: Around, radius_m: int) -> list[sa.ColumnElement[bool]]:
    """Degrees between which all sites lie that are so near: compared sooner than a distance is worked out."""
    # What is half a metre farther is rounded to the radius.
    angle = (radius_m + 1) / EARTH_RADIUS_M
    north = math.degrees(angle)
    box: list[sa.ColumnElement[bool]] = [site.c.latitude.between(around.latitude - north, around.latitude + north)]
    if abs(around.latitude) + north < 90:
        east = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(around.latitude))))
        # Across the 180th degree one side's numbers are not beside the other's.
        if abs(around.longitude) + east <= 180:
            box.append(site.c.longitude.between(around.longitude - east, around.longitude + east))
    return box


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
