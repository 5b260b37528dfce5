"""SQL of carbon, one function a statement."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from service.carbon.rules import FactorLine, SetNames
from service.co2e import Weighed
from service.sites_below import MONTHS_OF_PLACES, PLACES
from service.tables.carbon import carbon_factor, carbon_factor_set, carbon_set_choice
from service.tables.places import area, site
from service.tables.volumes import fold_position, resident_volume, volume

# By the set in force on each day. Sums by day are read of those months only inside which another set begins: a year of
# 900 sites is 32 400 rows by month and 985 500 by day.
WEIGHED: Final = f"""
in_force AS (
    SELECT set_id, effective_from, lead(effective_from, 1, 'infinity') OVER (ORDER BY effective_from, id) AS until
    FROM carbon_set_choice
), parted AS MATERIALIZED (
    SELECT DISTINCT date_trunc('month', effective_from)::date AS month
    FROM carbon_set_choice
    WHERE effective_from BETWEEN :first_day AND :last_day AND extract(day FROM effective_from) > 1
), by_month AS MATERIALIZED (
    SELECT volume.month AS begins, volume.material_id, sum(volume.grams) AS grams
    {MONTHS_OF_PLACES}
    WHERE volume.month BETWEEN :first_day AND :last_day AND volume.month NOT IN (SELECT month FROM parted)
    GROUP BY 1, 2
), by_day AS MATERIALIZED (
    SELECT volume.day AS begins, volume.material_id, sum(volume.grams) AS grams
    FROM parted
    JOIN volume ON volume.day BETWEEN parted.month AND (parted.month + interval '1 month - 1 day')::date
    WHERE volume.site_id = ANY (ARRAY(SELECT id FROM place))
    GROUP BY 1, 2
), weighed AS (
    SELECT in_force.set_id, material_id, sum(grams)::bigint AS grams
    FROM (SELECT * FROM by_month UNION ALL SELECT * FROM by_day) AS each_
    LEFT JOIN in_force ON begins >= effective_from AND begins < until
    GROUP BY 1, 2
)
SELECT weighed.set_id, weighed.material_id, weighed.grams, factor.milligrams_co2e_per_kg
FROM weighed
LEFT JOIN carbon_factor AS factor ON factor.set_id = weighed.set_id AND factor.material_id = weighed.material_id
WHERE weighed.grams > 0
ORDER BY weighed.set_id, weighed.material_id
"""  # noqa: S608  # our own text
DAYS: Final = (sa.bindparam("first_day", type_=sa.Date), sa.bindparam("last_day", type_=sa.Date))
WEIGHED_IN_AREA = sa.text(f"WITH RECURSIVE {PLACES}, {WEIGHED}").bindparams(
    *DAYS, sa.bindparam("area_id", type_=sa.Text)
)
WEIGHED_AT_SITE = sa.text(f"WITH place AS (SELECT :site_id AS id), {WEIGHED}").bindparams(
    *DAYS, sa.bindparam("site_id", type_=sa.Text)
)


async def read_place(
    connection: AsyncConnection, *, area_id: str | None, site_id: str | None
) -> sa.Row[str, str] | None:
    """Its name and name_en."""
    table, wanted = (site, site_id) if area_id is None else (area, area_id)
    query = sa.select(table.c.name, table.c.name_en).where(table.c.id == wanted)
    return (await connection.execute(query)).one_or_none()


async def weighed_by_set(
    connection: AsyncConnection, *, area_id: str | None, site_id: str | None, first_day: date, last_day: date
) -> list[Weighed]:
    """Grams that count, by factor set and material, of the site or of all sites in and below the area; from the first
    day of a month to the last of another. What is held does not count."""
    days = {"first_day": first_day, "last_day": last_day}
    if area_id is None:
        found = await connection.execute(WEIGHED_AT_SITE, {"site_id": site_id, **days})
    else:
        found = await connection.execute(WEIGHED_IN_AREA, {"area_id": area_id, **days})
    return [Weighed(*row) for row in found]


async def read_sets(connection: AsyncConnection, set_ids: Sequence[str] | None = None) -> Sequence[sa.Row[Any]]:
    """Sets with the columns of their table, by id; all of them, or these."""
    query = sa.select(carbon_factor_set).order_by(carbon_factor_set.c.id)
    if set_ids is not None:
        query = query.where(carbon_factor_set.c.id.in_(set_ids))
    return (await connection.execute(query)).all()


async def read_factors(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """Every factor of every set, by set and material."""
    return (
        await connection.execute(sa.select(carbon_factor).order_by(carbon_factor.c.set_id, carbon_factor.c.material_id))
    ).all()


async def read_choices(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """Every choice, by the day from which it is, and then as they were written."""
    return (
        await connection.execute(
            sa.select(carbon_set_choice).order_by(carbon_set_choice.c.effective_from, carbon_set_choice.c.id)
        )
    ).all()


async def claim_set(connection: AsyncConnection, names: SetNames, *, digest: bytes, recorded_by: UUID | None) -> bool:
    """False, and nothing changed, where the id is taken. Waits for another transaction that is claiming it."""
    claimed = await connection.execute(
        insert(carbon_factor_set)
        .values(**names._asdict(), digest=digest, recorded_by=recorded_by)
        .on_conflict_do_nothing(constraint="pk_carbon_factor_set")
        .returning(carbon_factor_set.c.id)
    )
    return claimed.one_or_none() is not None


async def read_digest(connection: AsyncConnection, set_id: str) -> bytes | None:
    """None where there is no such set."""
    return (
        await connection.execute(sa.select(carbon_factor_set.c.digest).where(carbon_factor_set.c.id == set_id))
    ).scalar_one_or_none()


async def insert_factors(connection: AsyncConnection, set_id: str, factors: Sequence[FactorLine]) -> None:
    await connection.execute(
        sa.insert(carbon_factor), [{"set_id": set_id, **factor._asdict()} for factor in sorted(factors)]
    )


async def lock_folding(connection: AsyncConnection) -> None:
    """Until the transaction ends nothing is folded; what is being folded is waited for, however long."""
    await connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
    await connection.execute(sa.select(fold_position.c.xid).with_for_update())


async def last_day_counted(connection: AsyncConnection) -> date | None:
    """The last business day of which anything is folded that counts."""
    newest = sa.select(sa.func.max(volume.c.day)).where(volume.c.drops > 0)
    day: date | None = (await connection.execute(newest)).scalar_one()
    return day


async def insert_choice(connection: AsyncConnection, *, set_id: str, effective_from: date) -> None:
    await connection.execute(sa.insert(carbon_set_choice).values(set_id=set_id, effective_from=effective_from))


async def count_all_by(connection: AsyncConnection, set_id: str) -> None:
    """All that residents brought while no set was in force counts by this one."""
    await connection.execute(sa.update(resident_volume).where(resident_volume.c.set_id == "").values(set_id=set_id))
