"""SQL of what is public, one function a statement."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.indicator.queries import portions
from service.tables.places import area
from service.tables.reference import material
from service.tables.volumes import public_volume

# In place of a material, of a month that was looked at and of which nothing is shown.
NOTHING_SHOWN: Final = "-"
# The only number of an advisory lock that is taken to show a month for the first time.
SHOWING_LOCK: Final = 0x53484F57
LOCK = sa.text("SELECT pg_advisory_xact_lock(:lock)")

PLACES = sa.text("""
WITH RECURSIVE below (id, parent_id, kind, name, name_en, depth) AS (
    SELECT id, parent_id, kind, name, name_en, 0 FROM area WHERE id = :area_id
    UNION ALL
    SELECT area.id, area.parent_id, area.kind, area.name, area.name_en, depth + 1
    FROM area JOIN below ON area.parent_id = below.id
)
SELECT id, parent_id, kind, name, name_en FROM below ORDER BY depth, id COLLATE "C"
""")

MONTHS_WITH_VOLUME = sa.text("""
WITH RECURSIVE below (id) AS (
    SELECT id FROM area WHERE id = :area_id
    UNION ALL
    SELECT area.id FROM area JOIN below ON area.parent_id = below.id
)
SELECT DISTINCT volume_month.month
FROM below
JOIN site ON site.area_id = below.id
JOIN volume_month ON volume_month.site_id = site.id
WHERE volume_month.source = 'bin' AND volume_month.drops > 0 AND volume_month.month = ANY (:months)
""")

MONTH_AMOUNTS = sa.text("""
SELECT site.area_id, volume_month.month, volume_month.material_id,
       sum(volume_month.drops)::bigint AS drops, sum(volume_month.grams)::bigint AS grams
FROM site
JOIN volume_month ON volume_month.site_id = site.id
WHERE site.area_id = ANY (:area_ids) AND volume_month.source = 'bin' AND volume_month.month = ANY (:months)
GROUP BY 1, 2, 3
HAVING sum(volume_month.drops) > 0
""")

# Rows are folded in the order of their transactions, so the first that is not folded tells. See folding/queries.py.
FOLDED_SINCE = sa.text("""
SELECT NOT EXISTS (
    SELECT FROM (SELECT received_at FROM weigh_event, fold_position AS position
                 WHERE weigh_event.xid >= position.xid ORDER BY weigh_event.xid LIMIT 1) AS first
    WHERE received_at < :moment
)
""")

# Publications of whole years of districts: those that the public is told of.
OF_A_DISTRICTS_YEAR: Final = """
FROM publication
JOIN area ON area.id = publication.area_id AND area.kind = 'district'
LEFT JOIN publication AS later ON later.restates = publication.number AND later.decision = 'published'
WHERE publication.decision = 'published'
  AND publication.first_day = make_date(extract(year FROM publication.first_day)::int, 1, 1)
  AND publication.last_day = make_date(extract(year FROM publication.first_day)::int, 12, 31)
"""

PUBLIC_NUMBERS = sa.text(f"SELECT publication.number, publication.area_id {OF_A_DISTRICTS_YEAR}")  # our own text

# Without the record, which may be megabytes.
PUBLISHED_YEARS = sa.text(f"""
SELECT publication.number, extract(year FROM publication.first_day)::int AS year,
       encode(publication.digest, 'hex') AS digest, publication.decided_at, publication.restates,
       later.number AS restated_by
{OF_A_DISTRICTS_YEAR}
  AND publication.area_id = :area_id
ORDER BY publication.first_day DESC, publication.number DESC
""")  # noqa: S608  # our own text

PUBLISHED_RECORD = sa.text(f"""
SELECT publication.record
{OF_A_DISTRICTS_YEAR}
  AND publication.number = :number
""")  # our own text


async def read_kinds(connection: AsyncConnection) -> dict[str, str]:
    """The kind of each area."""
    return {row.id: row.kind for row in await connection.execute(sa.select(area.c.id, area.c.kind))}


async def read_places(connection: AsyncConnection, area_id: str) -> Sequence[sa.Row[Any]]:
    """The area and all below it, highest first: id, parent_id, kind, name, name_en."""
    return (await connection.execute(PLACES, {"area_id": area_id})).all()


async def read_materials(connection: AsyncConnection) -> Sequence[Any]:
    """All that there are: id, name, name_en."""
    query = sa.select(material.c.id, material.c.name, material.c.name_en).order_by(material.c.id)
    return (await connection.execute(query)).all()


async def month_amounts(
    connection: AsyncConnection, area_ids: Collection[str], months: Collection[date]
) -> Sequence[sa.Row[Any]]:
    """What bins weighed at the areas' own sites: area_id, month (its first day), material_id, drops, grams."""
    wanted = {"area_ids": list(area_ids), "months": list(months)}
    return await portions(connection, MONTH_AMOUNTS.bindparams(**wanted))


async def is_folded_since(connection: AsyncConnection, moment: datetime) -> bool:
    """Whether every drop that came before a moment is in the volumes."""
    return bool((await connection.execute(FOLDED_SINCE, {"moment": moment})).scalar_one())


async def lock_showing(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else shows a month for the first time."""
    await connection.execute(LOCK, {"lock": SHOWING_LOCK})


async def months_with_volume(connection: AsyncConnection, district_id: str, months: Collection[date]) -> list[date]:
    """Those of the months, by their first days, in which bins weighed anything in the district."""
    wanted = {"area_id": district_id, "months": list(months)}
    return list((await connection.execute(MONTHS_WITH_VOLUME, wanted)).scalars())


async def months_decided(connection: AsyncConnection, district_id: str) -> list[date]:
    """First days of the months of which it is written down what is shown, or that nothing is."""
    query = sa.select(public_volume.c.month).distinct().where(public_volume.c.district_id == district_id)
    return list((await connection.execute(query)).scalars())


async def months_shown(connection: AsyncConnection, district_id: str) -> list[date]:
    """First days of the months of which something is shown, in order."""
    query = (
        sa.select(public_volume.c.month)
        .distinct()
        .where(public_volume.c.district_id == district_id, public_volume.c.material_id != NOTHING_SHOWN)
        .order_by(public_volume.c.month)
    )
    return list((await connection.execute(query)).scalars())


async def insert_shown(connection: AsyncConnection, rows: Iterable[dict[str, Any]]) -> None:
    await connection.execute(sa.insert(public_volume), list(rows))


async def read_shown(
    connection: AsyncConnection, district_id: str, first_month: date, last_month: date
) -> Sequence[Any]:
    """As it was first shown: month, area_id, material_id, grams."""
    query = sa.select(
        public_volume.c.month, public_volume.c.area_id, public_volume.c.material_id, public_volume.c.grams
    ).where(
        public_volume.c.district_id == district_id,
        public_volume.c.month.between(first_month, last_month),
        public_volume.c.material_id != NOTHING_SHOWN,
    )
    return await portions(connection, query)


async def published_years(connection: AsyncConnection, area_id: str) -> Sequence[sa.Row[Any]]:
    """What is published of whole years, newest first, restated ones too: number, year, digest (hexadecimal),
    decided_at, restates, restated_by."""
    return (await connection.execute(PUBLISHED_YEARS, {"area_id": area_id})).all()


async def public_numbers(connection: AsyncConnection) -> dict[int, str]:
    """Of all publications that the public is told of, with their districts."""
    return {row.number: row.area_id for row in await connection.execute(PUBLIC_NUMBERS)}


async def published_record(connection: AsyncConnection, number: int) -> str:
    """Of one of them."""
    return str((await connection.execute(PUBLISHED_RECORD, {"number": number})).scalar_one())
