"""SQL of volumes of areas, read from the sums by month; one function a statement.

What is asked for is whole months of an area with all below it: 300 sites with six materials are 21 600 rows a year by
month and 657 000 by day.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables import site, volume_month

By = Literal["material", "area", "month", "source"]

# Each site below the area, with the child area that it is below of; one at the area itself with the area.
PLACES: Final = """
below (id, branch) AS (
    SELECT id, id FROM area WHERE id = :area_id
    UNION
    SELECT area.id, CASE below.id WHEN :area_id THEN area.id ELSE below.branch END
    FROM area JOIN below ON area.parent_id = below.id
), place AS MATERIALIZED (
    SELECT site.id, below.branch FROM below JOIN site ON site.area_id = below.id
)
"""
SUMS: Final = """
sum(volume.grams)::bigint AS grams, sum(volume.drops)::bigint AS drops,
sum(volume.held_grams)::bigint AS held_grams, sum(volume.held_drops)::bigint AS held_drops
"""
WEIGHED: Final = """
FROM place
JOIN volume_month AS volume ON volume.site_id = place.id AND volume.month BETWEEN :first_month AND :last_month
"""

# Children and months are known beforehand, and told also where there is nothing; materials and sources as they occur.
GROUPS: Final[dict[By, sa.TextClause]] = {
    "material": sa.text(f"""
        WITH RECURSIVE {PLACES}, weighed AS (SELECT volume.material_id AS id, {SUMS} {WEIGHED} GROUP BY 1)
        SELECT id AS key, material.name, material.name_en, grams, drops, held_grams, held_drops
        FROM weighed LEFT JOIN material USING (id)
        ORDER BY id
    """),  # noqa: S608  # our own text
    "area": sa.text(f"""
        WITH RECURSIVE {PLACES}, weighed AS (SELECT place.branch AS id, {SUMS} {WEIGHED} GROUP BY 1)
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

# A day counts once, at however many sites something was weighed: hence the bits of a month's days before their number.
BIN_COVERAGE = sa.text("""
WITH weighed AS MATERIALIZED (
    SELECT volume.site_id, volume.month, volume.grams, volume.held_grams, volume.drops, volume.days
    FROM site
    JOIN volume_month AS volume ON volume.site_id = site.id AND volume.month BETWEEN :first_month AND :last_month
    WHERE site.area_id = ANY (:area_ids) AND volume.source = 'bin'
), of_site AS (
    SELECT sum(grams) AS grams, sum(held_grams) AS held_grams, sum(drops) AS drops FROM weighed GROUP BY site_id
), of_month AS (
    SELECT bit_count(bit_or(days)::bit(31)) AS days FROM weighed GROUP BY month
)
SELECT coalesce(sum(grams), 0)::bigint AS grams, coalesce(sum(held_grams), 0)::bigint AS held_grams,
       (SELECT coalesce(sum(days), 0)::bigint FROM of_month) AS days,
       count(*) FILTER (WHERE drops > 0) AS sites_with_volume,
       (SELECT count(*) FROM site WHERE area_id = ANY (:area_ids)) AS sites
FROM of_site
""")


async def read_groups(
    connection: AsyncConnection, *, area_id: str, first_month: date, last_month: date, by: By
) -> Sequence[sa.Row[Any]]:
    """key, name, name_en, grams, drops, held_grams and held_drops of each group; each mass is in exactly one. Months
    are named by their first days."""
    arguments = {"area_id": area_id, "first_month": first_month, "last_month": last_month}
    return (await connection.execute(GROUPS[by], arguments)).all()


async def read_bin_coverage(
    connection: AsyncConnection, area_ids: Sequence[str], first_month: date, last_month: date
) -> sa.Row[Any]:
    """What bins in these areas weighed: grams and held_grams, on how many days and at how many sites of how many
    (`days`, `sites_with_volume`, `sites`). Of a day on which all is held nothing is known yet. Months are named by
    their first days."""
    arguments = {"area_ids": list(area_ids), "first_month": first_month, "last_month": last_month}
    return (await connection.execute(BIN_COVERAGE, arguments)).one()


async def read_bin_months(
    connection: AsyncConnection, first_month: date, last_month: date
) -> list[tuple[str, date, int]]:
    """(area, month, grams) that bins weighed, of each area that has sites itself; months are named by their first
    days."""
    found = await connection.execute(
        sa.select(site.c.area_id, volume_month.c.month, sa.cast(sa.func.sum(volume_month.c.grams), sa.BigInteger))
        .join(site, site.c.id == volume_month.c.site_id)
        .where(volume_month.c.month.between(first_month, last_month), volume_month.c.source == "bin")
        .group_by(site.c.area_id, volume_month.c.month)
    )
    return [(area_id, month, grams) for area_id, month, grams in found]
