"""SQL of scrap stations, one function a statement."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from service.indicator.queries import IDENTITY
from service.tables.indicator import indicator_input, scrap_station
from service.tables.places import area

_WITH_AREA = sa.select(scrap_station, area.c.name.label("area_name"), area.c.name_en.label("area_name_en")).join(
    area, area.c.id == scrap_station.c.area_id
)


async def insert_station(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(scrap_station).values(**values))


async def end_station(connection: AsyncConnection, station_id: str, last_day: date) -> None:
    await connection.execute(
        sa.update(scrap_station).where(scrap_station.c.id == station_id).values(reports_until=last_day)
    )


async def find_station(connection: AsyncConnection, station_id: str) -> Any:
    """With the names of its area; None where there is none."""
    return (await connection.execute(_WITH_AREA.where(scrap_station.c.id == station_id))).one_or_none()


async def page_of_stations(connection: AsyncConnection, *, after: str | None, limit: int | None) -> Sequence[Any]:
    """By id, with the names of their areas."""
    query = _WITH_AREA.order_by(scrap_station.c.id).limit(limit)
    if after is not None:
        query = query.where(scrap_station.c.id > after)
    found: Sequence[Any] = (await connection.execute(query)).all()
    return found


async def counting_reports(
    connection: AsyncConnection, kind: str, station_ids: Collection[str], within: tuple[date, date] | None = None
) -> list[Any]:
    """The latest version of each input of these stations at their own areas, not those that are withdrawn; of all days,
    or of records that go over a day of `within`."""
    latest = (
        sa.select(indicator_input)
        .ext(distinct_on(*IDENTITY))
        .join(
            scrap_station,
            (scrap_station.c.id == indicator_input.c.source) & (scrap_station.c.area_id == indicator_input.c.area_id),
        )
        .where(indicator_input.c.kind == kind, indicator_input.c.source.in_(station_ids))
        .order_by(*IDENTITY, indicator_input.c.version.desc())
    )
    if within is not None:
        latest = latest.where(indicator_input.c.first_day <= within[1], indicator_input.c.last_day >= within[0])
    return [row for row in await connection.execute(latest) if row.grams is not None]
