"""SQL of volumes of areas, read from the sums by month; one function a statement.

What is asked for is whole months of an area with all below it: 300 sites with six materials are 21 600 rows a year by
month and 657 000 by day.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.sites_below import MONTHS_BELOW, MONTHS_OF_PLACES, PLACES
from service.tables.places import site
from service.tables.volumes import volume_month

By = Literal["material", "area", "month", "source"]

SUMS: Final = """
sum(volume.grams)::bigint AS grams, sum(volume.drops)::bigint AS drops,
sum(volume.held_grams)::bigint AS held_grams, sum(volume.held_drops)::bigint AS held_drops
"""
ASKED: Final = "AND volume.month BETWEEN :first_month AND :last_month"
WEIGHED: Final = f"{MONTHS_BELOW} {ASKED}"
WEIGHED_BY_CHILD: Final = f"{MONTHS_OF_PLACES} {ASKED}"

# Children and months are known beforehand, and told also where there is nothing; materials and sources as they occur.
GROUPS: Final[dict[By, sa.TextClause]] = {
    "material": sa.text(f"""
        WITH RECURSIVE {PLACES}, weighed AS (SELECT volume.material_id AS id, {SUMS} {WEIGHED} GROUP BY 1)
        SELECT id AS key, material.name, material.name_en, grams, drops, held_grams, held_drops
        FROM weighed LEFT JOIN material USING (id)
        ORDER BY id
    """),  # noqa: S608  # our own text
    "area": sa.text(f"""
        WITH RECURSIVE {PLACES}, weighed AS (SELECT place.branch AS id, {SUMS} {WEIGHED_BY_CHILD} GROUP BY 1)
        SELECT id AS key, area.name, area.name_en, coalesce(grams, 0) AS grams, coalesce(drops, 0) AS drops,
               coalesce(held_grams, 0) AS held_grams, coalesce(held_drops, 0) AS held_drops
        FROM area LEFT JOIN weighed USING (id)
        WHERE area.parent_id = :area_id OR weighed.id IS NOT NULL
        ORDER BY id
    """),  # noqa: S608  # our own text
    "month": sa.text(f"""
        WITH RECURSIVE {PLACES}, weighed AS (SELECT volume.month, {SUMS} {WEIGHED} GROUP BY 1)
        SELECT to_char(asked.month, 'YYYY-MM') AS key, NULL AS name, NULL AS name_en, coalesce(grams, 0) AS grams,
               coalesce(drops, 0) AS drops, coalesce(held_grams, 0) AS held_grams,
               coalesce(held_drops, 0) AS held_drops
        FROM generate_series(CAST(:first_month AS date), CAST(:last_month AS date), '1 month') AS asked (month)
        LEFT JOIN weighed ON weighed.month = asked.month::date
        ORDER BY asked.month
    """),  # noqa: S608  # our own text
    "source": sa.text(f"""
        WITH RECURSIVE {PLACES}
        SELECT volume.source AS key, NULL AS name, NULL AS name_en, {SUMS} {WEIGHED} GROUP BY 1 ORDER BY 1
    """),
}

BIN_SUMS: Final = "sum(volume.grams)::bigint AS grams, sum(volume.held_grams)::bigint AS held_grams"
BIN_MONTHS = sa.text(f"""
WITH RECURSIVE {PLACES}
SELECT CAST(:area_id AS text) AS area_id, volume.month, {BIN_SUMS}
{MONTHS_BELOW} AND volume.month BETWEEN :first_day AND :last_day AND volume.source = 'bin'
GROUP BY 2
ORDER BY 2
""")  # our own text
BIN_MONTHS_BY_CHILD = sa.text(f"""
WITH RECURSIVE {PLACES}
SELECT place.branch AS area_id, volume.month, {BIN_SUMS}
{MONTHS_OF_PLACES} AND volume.month BETWEEN :first_day AND :last_day AND volume.source = 'bin'
GROUP BY 1, 2
ORDER BY 1, 2
""")  # our own text

BIN_SITES = sa.text("""
SELECT first.month, count(*) AS sites
FROM site CROSS JOIN LATERAL (
    SELECT min(month) AS month FROM volume_month
    WHERE site_id = site.id AND month BETWEEN :first_day AND :last_day AND source = 'bin' AND drops > 0
) AS first
WHERE area_id = ANY (:area_ids)
GROUP BY 1
""")


class BinSites(NamedTuple):
    """How many sites an area has, and at how many of them bins weighed something."""

    sites: int
    sites_with_volume: int


class SitesByMonth(NamedTuple):
    """How many sites an area has, and at how many of them bins weighed something for the first time in each month, by
    its first day."""

    sites: int
    first_months: Mapping[date, int]

    def until(self, last_day: date) -> BinSites:
        """From the first month that was asked for to the one that ends on this day."""
        return BinSites(self.sites, sum(sites for month, sites in self.first_months.items() if month <= last_day))


async def read_groups(
    connection: AsyncConnection, *, area_id: str, first_month: date, last_month: date, by: By
) -> Sequence[sa.Row[Any]]:
    """key, name, name_en, grams, drops, held_grams and held_drops of each group; each mass is in exactly one. Months
    are named by their first days."""
    arguments = {"area_id": area_id, "first_month": first_month, "last_month": last_month}
    return (await connection.execute(GROUPS[by], arguments)).all()


async def bin_months(
    connection: AsyncConnection, area_id: str, first_day: date, last_day: date, *, by_child: bool
) -> Sequence[sa.Row[Any]]:
    """What bins in the area and below weighed, by month: area_id, month (its first day), grams, held_grams. Whole
    months: from the first day of one to the last of another.

    `by_child`: of each child area with all below it, and of the area for sites of its own; else of the area alone.
    """
    wanted = {"area_id": area_id, "first_day": first_day, "last_day": last_day}
    return (await connection.execute(BIN_MONTHS_BY_CHILD if by_child else BIN_MONTHS, wanted)).all()


async def bin_sites(
    connection: AsyncConnection, area_ids: Collection[str], first_day: date, last_day: date
) -> SitesByMonth:
    """How many sites these areas have, and at how many of them bins weighed something, in whole months."""
    days = {"area_ids": list(area_ids), "first_day": first_day, "last_day": last_day}
    found = (await connection.execute(BIN_SITES, days)).all()
    return SitesByMonth(
        sum(row.sites for row in found), {row.month: row.sites for row in found if row.month is not None}
    )


async def bin_volume_by_area_and_month(connection: AsyncConnection, year: int) -> list[tuple[str, int, int]]:
    """(area, month, grams) of a year, of each area that has sites itself."""
    month = sa.cast(sa.extract("month", volume_month.c.month), sa.Integer)
    found = await connection.execute(
        sa.select(site.c.area_id, month, sa.cast(sa.func.sum(volume_month.c.grams), sa.BigInteger))
        .join(site, site.c.id == volume_month.c.site_id)
        .where(volume_month.c.month.between(date(year, 1, 1), date(year, 12, 1)), volume_month.c.source == "bin")
        .group_by(site.c.area_id, volume_month.c.month)
    )
    return [(area_id, number, grams) for area_id, number, grams in found]
