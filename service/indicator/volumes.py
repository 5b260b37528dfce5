"""Volumes of an area and of all below it, in whole months, with what they are made of."""

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import AreaUnknown
from service.indicator.volume_queries import By, read_groups
from service.tables.places import area


@dataclass(frozen=True, slots=True)
class Mass:
    """Whole grams and drops: what counts, and what waits for a decision and counts nowhere yet."""

    grams: int
    drops: int
    held_grams: int
    held_drops: int


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the total. Months and sources have no names beside their keys."""

    key: str
    name: str | None
    name_en: str | None
    mass: Mass


@dataclass(frozen=True, slots=True)
class Volumes:
    """Groups add up to the total, whatever they are by."""

    area_name: str
    area_name_en: str
    total: Mass
    groups: list[Group]


async def read_volumes(
    connection: AsyncConnection, area_id: str, first_month: date, last_month: date, by: By = "material"
) -> Volumes:
    """What was weighed in an area and all below it, from one month to another, both counted and named by any of their
    days; in groups by material, child area, month or source.

    By area each child counts with all below it, and sites that hang at the area itself count under its own key. In the
    caller's snapshot. Raises AreaUnknown.
    """
    found = (await connection.execute(sa.select(area.c.name, area.c.name_en).where(area.c.id == area_id))).one_or_none()
    if found is None:
        raise AreaUnknown.of(area_id)
    rows = await read_groups(
        connection,
        area_id=area_id,
        first_month=first_month.replace(day=1),
        last_month=last_month.replace(day=1),
        by=by,
    )
    groups = [
        Group(row.key, row.name, row.name_en, Mass(row.grams, row.drops, row.held_grams, row.held_drops))
        for row in rows
    ]
    total = Mass(
        sum(each.mass.grams for each in groups),
        sum(each.mass.drops for each in groups),
        sum(each.mass.held_grams for each in groups),
        sum(each.mass.held_drops for each in groups),
    )
    return Volumes(found.name, found.name_en, total, groups)
