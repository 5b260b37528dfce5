"""SQL of the targets, one function a statement."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.indicator import target
from service.tables.people import api_key

TARGETS_UPWARDS = sa.text("""
WITH RECURSIVE above (id, parent_id, distance) AS (
    SELECT id, parent_id, 0 FROM area WHERE id = :area_id
    UNION ALL
    SELECT area.id, area.parent_id, distance + 1 FROM area JOIN above ON area.id = above.parent_id
),
latest AS (
    SELECT DISTINCT ON (distance, target.year) distance, target.area_id, target.year, target.rate_per_mille
    FROM above JOIN target ON target.area_id = above.id
    ORDER BY distance, target.year, target.version DESC
)
SELECT area_id, year, rate_per_mille FROM latest WHERE rate_per_mille IS NOT NULL ORDER BY distance, year
""")


async def targets_upwards(connection: AsyncConnection, area_id: str) -> Sequence[sa.Row[Any]]:
    """area_id, year, rate_per_mille: the area's own targets first, then those of each area above it."""
    return (await connection.execute(TARGETS_UPWARDS, {"area_id": area_id})).all()


async def insert_target(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(target).values(**values))


async def latest_target(connection: AsyncConnection, area_id: str, year: int) -> Any:
    """The latest version of the area's own, as targets_page has it; None where there never was one."""
    versions = _named_targets().where(target.c.area_id == area_id, target.c.year == year)
    return (await connection.execute(versions.order_by(target.c.version.desc()).limit(1))).one_or_none()


async def targets_page(
    connection: AsyncConnection,
    *,
    area_id: str | None,
    year: int | None,
    history: bool,
    before_id: int | None,
    limit: int,
) -> Sequence[Any]:
    """The last that was set first, each with whether a later version superseded it, and the name on the key of who set
    it. Without `history` those that count."""
    query = _named_targets().order_by(target.c.id.desc())
    if area_id is not None:
        query = query.where(target.c.area_id == area_id)
    if year is not None:
        query = query.where(target.c.year == year)
    if not history:
        query = query.where(~_superseded(), target.c.rate_per_mille.is_not(None))
    if before_id is not None:
        query = query.where(target.c.id < before_id)
    found: Sequence[Any] = (await connection.execute(query.limit(limit))).all()
    return found


def _superseded() -> sa.Exists:
    later = target.alias("later")
    return sa.exists().where(
        later.c.area_id == target.c.area_id, later.c.year == target.c.year, later.c.version > target.c.version
    )


def _named_targets() -> sa.Select[Any]:
    return sa.select(target, _superseded().label("superseded"), api_key.c.name.label("setter_name")).outerjoin(
        api_key, api_key.c.id == target.c.recorded_by
    )
