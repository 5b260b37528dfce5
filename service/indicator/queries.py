"""SQL of the indicator, one function a statement."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from service.indicator.rules import Recorded
from service.periods import Period
from service.tables import area, indicator_input, site, volume

# The first of two numbers that name an advisory lock; the second is a hash of what is recorded.
INPUT_LOCK = 0x494E5054
LOCK_INPUT = sa.text("SELECT pg_advisory_xact_lock(:lock, hashtext(:name))")

SUBTREE = sa.text("""
WITH RECURSIVE below (id, parent_id) AS (
    SELECT id, NULL::text FROM area WHERE id = :area_id
    UNION
    SELECT area.id, area.parent_id FROM area JOIN below ON area.parent_id = below.id
)
SELECT id, parent_id FROM below
""")

TARGETS_UPWARDS = sa.text("""
WITH RECURSIVE above (id, parent_id, distance) AS (
    SELECT id, parent_id, 0 FROM area WHERE id = :area_id
    UNION ALL
    SELECT area.id, area.parent_id, distance + 1 FROM area JOIN above ON area.id = above.parent_id
)
SELECT target.area_id, target.year, target.rate_per_mille
FROM above JOIN target ON target.area_id = above.id
ORDER BY distance, target.year
""")

# Of a day on which all is held nothing is known yet.
BIN_VOLUME = sa.text("""
SELECT coalesce(sum(volume.grams), 0)::bigint AS grams, coalesce(sum(volume.held_grams), 0)::bigint AS held_grams,
       count(DISTINCT volume.day) FILTER (WHERE volume.drops > 0) AS days,
       count(DISTINCT volume.site_id) FILTER (WHERE volume.drops > 0) AS sites_with_volume,
       (SELECT count(*) FROM site WHERE area_id = ANY (:area_ids)) AS sites
FROM volume
JOIN site ON site.id = volume.site_id
WHERE site.area_id = ANY (:area_ids) AND volume.day BETWEEN :first_day AND :last_day AND volume.source = 'bin'
""")


async def read_area(connection: AsyncConnection, area_id: str) -> sa.Row[Any] | None:
    return (await connection.execute(sa.select(area).where(area.c.id == area_id))).one_or_none()


async def read_subtree(connection: AsyncConnection, area_id: str) -> dict[str, str | None]:
    """The area and all below it, each with its parent; the area itself with none."""
    found = await connection.execute(SUBTREE, {"area_id": area_id})
    return {row.id: row.parent_id for row in found}


async def read_areas(connection: AsyncConnection) -> Sequence[sa.Row[str, str | None, str]]:
    """The whole tree: id, parent_id, kind."""
    return (await connection.execute(sa.select(area.c.id, area.c.parent_id, area.c.kind))).all()


async def latest_inputs(connection: AsyncConnection, year: int, area_ids: Sequence[str] | None) -> list[Recorded]:
    """What counts of the inputs of a year and its months, in these areas or in all."""
    key = (
        indicator_input.c.area_id,
        indicator_input.c.first_day,
        indicator_input.c.last_day,
        indicator_input.c.kind,
        indicator_input.c.source,
    )
    query = (
        sa.select(indicator_input)
        .ext(distinct_on(*key))
        .where(indicator_input.c.first_day >= date(year, 1, 1), indicator_input.c.last_day <= date(year, 12, 31))
        .order_by(*key, indicator_input.c.version.desc())
    )
    if area_ids is not None:
        query = query.where(indicator_input.c.area_id == sa.any_(sa.literal(area_ids, sa.ARRAY(sa.Text))))
    return [
        Recorded(
            area_id=row.area_id,
            period=Period.of_days(row.first_day, row.last_day),
            kind=row.kind,
            source=row.source,
            version=row.version,
            grams=row.grams,
            document=row.document,
            recorded_at=row.created_at,
        )
        for row in await connection.execute(query)
    ]


async def bin_volume(
    connection: AsyncConnection, area_ids: Sequence[str], first_day: date, last_day: date
) -> sa.Row[Any]:
    """What bins in these areas weighed: grams, held_grams, days and sites_with_volume, and how many sites there are."""
    return (
        await connection.execute(BIN_VOLUME, {"area_ids": list(area_ids), "first_day": first_day, "last_day": last_day})
    ).one()


async def bin_volume_by_area_and_month(connection: AsyncConnection, year: int) -> list[tuple[str, int, int]]:
    """(area, month, grams) of a year, of each area that has sites itself."""
    month = sa.cast(sa.extract("month", volume.c.day), sa.Integer)
    found = await connection.execute(
        sa.select(site.c.area_id, month, sa.cast(sa.func.sum(volume.c.grams), sa.BigInteger))
        .join(site, site.c.id == volume.c.site_id)
        .where(volume.c.day.between(date(year, 1, 1), date(year, 12, 31)), volume.c.source == "bin")
        .group_by(site.c.area_id, month)
    )
    return [(area_id, number, grams) for area_id, number, grams in found]


async def targets_upwards(connection: AsyncConnection, area_id: str) -> Sequence[sa.Row[Any]]:
    """area_id, year, rate_per_mille: the area's own targets first, then those of each area above it."""
    return (await connection.execute(TARGETS_UPWARDS, {"area_id": area_id})).all()


async def lock_input(connection: AsyncConnection, area_id: str, kind: str, source: str) -> None:
    """Until the transaction ends nobody else records this kind and source of this area: what overlaps stays so.

    A hash of the names is locked; names that share one wait for each other without need.
    """
    name = "\x1f".join((area_id, kind, source))
    await connection.execute(LOCK_INPUT, {"lock": INPUT_LOCK, "name": name})


async def versions_overlapping(
    connection: AsyncConnection, *, area_id: str, kind: str, source: str, first_day: date, last_day: date
) -> Sequence[sa.Row[date, date, int]]:
    """first_day, last_day and highest version of each period that shares a day with this one."""
    return (
        await connection.execute(
            sa.select(
                indicator_input.c.first_day,
                indicator_input.c.last_day,
                sa.func.max(indicator_input.c.version).label("version"),
            )
            .where(
                indicator_input.c.area_id == area_id,
                indicator_input.c.kind == kind,
                indicator_input.c.source == source,
                indicator_input.c.first_day <= last_day,
                indicator_input.c.last_day >= first_day,
            )
            .group_by(indicator_input.c.first_day, indicator_input.c.last_day)
            .order_by(indicator_input.c.first_day)
        )
    ).all()


async def insert_input(connection: AsyncConnection, *, recorded_by: UUID, **values: Any) -> sa.Row[Any]:
    """The new row's id and created_at."""
    return (
        await connection.execute(
            sa.insert(indicator_input)
            .values(recorded_by=recorded_by, **values)
            .returning(indicator_input.c.id, indicator_input.c.created_at)
        )
    ).one()


async def inputs_page(
    connection: AsyncConnection, *, area_id: str | None, period: Period | None, before_id: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Inputs, newest first, every version, with whether a later one superseded it."""
    later = indicator_input.alias("later")
    superseded = sa.exists().where(
        later.c.area_id == indicator_input.c.area_id,
        later.c.first_day == indicator_input.c.first_day,
        later.c.last_day == indicator_input.c.last_day,
        later.c.kind == indicator_input.c.kind,
        later.c.source == indicator_input.c.source,
        later.c.version > indicator_input.c.version,
    )
    query = sa.select(indicator_input, superseded.label("superseded")).order_by(indicator_input.c.id.desc())
    if area_id is not None:
        query = query.where(indicator_input.c.area_id == area_id)
    if period is not None:
        query = query.where(
            indicator_input.c.first_day >= period.first_day, indicator_input.c.last_day <= period.last_day
        )
    if before_id is not None:
        query = query.where(indicator_input.c.id < before_id)
    return (await connection.execute(query.limit(limit))).all()
