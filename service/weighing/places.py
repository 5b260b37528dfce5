"""Areas and sites, materials and tariffs, as operators set them up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import violated_constraint
from service.errors import (
    AreaExists,
    AreaUnknown,
    MaterialExists,
    MaterialUnknown,
    SiteExists,
    SiteUnknown,
    TariffExists,
    TariffInThePast,
    ValidationFailed,
)
from service.moments import whole_second
from service.reference import raise_revision
from service.tables.places import area, site
from service.tables.reference import material, tariff

AreaKind = Literal["city", "district", "subdistrict", "community"]
SiteKind = Literal["community", "commercial", "industrial", "scenic"]

POSITION_NOT_ON_EARTH = "A latitude is from -90 to 90 degrees, a longitude from -180 to 180."

# Every process has read a new tariff by then: none credits an event by the old one after the new one holds.
TARIFF_LEAD = timedelta(minutes=1)


class Position(NamedTuple):
    """Degrees, WGS 84."""

    latitude: float
    longitude: float


async def add_area(
    connection: AsyncConnection, *, area_id: str, parent_id: str | None, kind: AreaKind, name: str, name_en: str
) -> None:
    """Raises AreaExists, AreaUnknown for the parent, or ValidationFailed: a city alone has no parent."""
    try:
        await connection.execute(
            sa.insert(area).values(id=area_id, parent_id=parent_id, kind=kind, name=name, name_en=name_en)
        )
    except IntegrityError as error:
        constraint = violated_constraint(error)
        if constraint == "pk_area":
            raise AreaExists(f"There is an area {area_id} already.") from None
        if constraint == "fk_area_parent_id_area":
            raise AreaUnknown(f"There is no area {parent_id} to be its parent.") from None
        if constraint == "ck_area_parent":
            raise ValidationFailed("A city has no parent, and every other area has one.") from None
        raise


async def list_areas(connection: AsyncConnection) -> Sequence[Any]:
    """Every area with the columns of its table, by id."""
    return (await connection.execute(sa.select(area).order_by(area.c.id))).all()


async def add_site(
    connection: AsyncConnection,
    *,
    site_id: str,
    area_id: str,
    kind: SiteKind,
    name: str,
    name_en: str,
    position: Position | None = None,
) -> None:
    """Raises SiteExists, AreaUnknown, or ValidationFailed for a position that is not on earth."""
    values = {"id": site_id, "area_id": area_id, "kind": kind, "name": name, "name_en": name_en}
    if position is not None:
        values |= position._asdict()
    try:
        await connection.execute(sa.insert(site).values(values))
    except IntegrityError as error:
        match violated_constraint(error):
            case "pk_site":
                raise SiteExists(f"There is a site {site_id} already.") from None
            case "fk_site_area_id_area":
                raise AreaUnknown(f"There is no area {area_id}.") from None
            case "ck_site_position":
                raise ValidationFailed(POSITION_NOT_ON_EARTH) from None
        raise


async def list_sites(connection: AsyncConnection) -> Sequence[Any]:
    """Every site with the columns of its table, by id."""
    return (await connection.execute(sa.select(site).order_by(site.c.id))).all()


async def place_site(connection: AsyncConnection, site_id: str, position: Position) -> None:
    """Where a site is, measured now or measured better. Raises SiteUnknown or ValidationFailed."""
    try:
        placed = await connection.execute(
            sa.update(site).where(site.c.id == site_id).values(position._asdict()).returning(site.c.id)
        )
    except IntegrityError as error:
        if violated_constraint(error) == "ck_site_position":
            raise ValidationFailed(POSITION_NOT_ON_EARTH) from None
        raise
    if placed.one_or_none() is None:
        raise SiteUnknown(f"There is no site {site_id}.")


async def add_material(connection: AsyncConnection, *, material_id: str, name: str, name_en: str) -> None:
    """Its drops are held until it has a tariff. Raises MaterialExists."""
    try:
        await connection.execute(sa.insert(material).values(id=material_id, name=name, name_en=name_en))
    except IntegrityError as error:
        if violated_constraint(error) == "pk_material":
            raise MaterialExists(f"There is a material {material_id} already.") from None
        raise
    await raise_revision(connection)


async def list_materials(connection: AsyncConnection) -> Sequence[Any]:
    """Every material with the columns of its table and the tariff in force, coins_per_kg; None before its first."""
    now = (
        sa.select(tariff.c.coins_per_kg)
        .where(tariff.c.material_id == material.c.id, tariff.c.effective_from <= sa.func.now())
        .order_by(tariff.c.effective_from.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (await connection.execute(sa.select(material, now.label("coins_per_kg")).order_by(material.c.id))).all()


async def list_tariffs(connection: AsyncConnection) -> Sequence[Any]:
    """Every tariff that was ever set, by material in the order of time."""
    return (await connection.execute(sa.select(tariff).order_by(tariff.c.material_id, tariff.c.effective_from))).all()


async def set_tariff(
    connection: AsyncConnection, *, material_id: str, coins_per_kg: int, effective_from: datetime | None
) -> datetime:
    """Supersede a material's tariff from a moment on, at the earliest in a minute; when it takes effect.

    What was earned before stays. Raises MaterialUnknown, TariffInThePast, TariffExists, or ValidationFailed for fewer
    than 0 coins.
    """
    earliest = whole_second(datetime.now(UTC) + TARIFF_LEAD)
    starts_at = earliest if effective_from is None else effective_from
    if starts_at < earliest:
        raise TariffInThePast
    try:
        await connection.execute(
            sa.insert(tariff).values(material_id=material_id, effective_from=starts_at, coins_per_kg=coins_per_kg)
        )
    except IntegrityError as error:
        constraint = violated_constraint(error)
        if constraint == "fk_tariff_material_id_material":
            raise MaterialUnknown(f"There is no material {material_id}.") from None
        if constraint == "pk_tariff":
            raise TariffExists from None
        if constraint == "ck_tariff_coins_per_kg":
            raise ValidationFailed("A tariff is 0 coins per kilogram or more.") from None
        raise
    await raise_revision(connection)
    return starts_at
