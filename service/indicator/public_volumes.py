"""What bins weighed as the public sees it: each month is written down when it is first shown, and stays so.

Drops that are late, held or corrected still come to a month that is over. Were it shown anew with each, who keeps what
was shown before would see single drops (docs/decisions/0020).
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from service.business_days import day_begins_at
from service.indicator import public_queries as queries
from service.indicator.public_queries import NOTHING_SHOWN
from service.indicator.withholding import Amount, ShownVolumes, last_settled_month, shown_volumes
from service.periods import Period

# What stands for all materials together in the table.
ALL_MATERIALS: Final = ""


async def show_settled_months(
    connection: AsyncConnection, district_id: str, *, today: date, zone: str, after_days: int
) -> None:
    """Write down the months, from January of the year before on, that are settled and were not looked at yet: what is
    shown of each, or that nothing is. In the caller's transaction; a month of which not every drop is folded yet
    waits, and so does one in which nothing was weighed at all."""
    wanted = settled_months(today, after_days)
    if not wanted:
        return
    weighed = set(await queries.months_with_volume(connection, district_id, wanted))
    if not weighed - set(await queries.months_decided(connection, district_id)):
        return
    await queries.lock_showing(connection)
    missing = sorted(weighed - set(await queries.months_decided(connection, district_id)))
    settled_on = Period.of_month(wanted[-1].year, wanted[-1].month).last_day + timedelta(days=after_days + 1)
    if not missing or not await queries.is_folded_since(connection, day_begins_at(settled_on, zone)):
        return
    places = await queries.read_places(connection, district_id)
    parents: dict[str, str | None] = {row.id: row.parent_id for row in places} | {district_id: None}
    amounts = await queries.month_amounts(connection, list(parents), missing)
    # Of a district's year it takes half a second, in which bins would wait.
    await queries.insert_shown(connection, await asyncio.to_thread(_rows, district_id, missing, amounts, parents))


def _rows(
    district_id: str, months: Iterable[date], amounts: Iterable[Any], parents: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """What to write down of the months: each figure, and of a month without one that it was looked at. Else it would be
    again, by whoever asks next."""
    weighed = (Amount(row.area_id, row.material_id, _name(row.month), row.drops, row.grams) for row in amounts)
    shown = shown_volumes(weighed, parents).by_area
    nothing = {_name(each) for each in months} - {month for _, _, month in shown}
    return [
        *(_row(district_id, *each, grams) for each, grams in shown.items()),
        *(_row(district_id, district_id, NOTHING_SHOWN, month, 0) for month in sorted(nothing)),
    ]


def _row(district_id: str, area_id: str, material: str | None, month: str, grams: int) -> dict[str, Any]:
    return {
        "district_id": district_id,
        "month": date.fromisoformat(f"{month}-01"),
        "area_id": area_id,
        "material_id": material or ALL_MATERIALS,
        "grams": grams,
    }


def settled_months(today: date, after_days: int) -> list[date]:
    """First days of the months that are settled, from January of the year before on."""
    last = date.fromisoformat(f"{last_settled_month(today, after_days)}-01")
    months = (month.first_day for year in (today.year - 1, today.year) for month in Period(year).months)
    return [month for month in months if month <= last]


def volumes_of(rows: Iterable[Any]) -> ShownVolumes:
    """As they were shown."""
    by_area: Mapping[tuple[str, str | None, str], int] = {
        (row.area_id, row.material_id or None, _name(row.month)): row.grams for row in rows
    }
    return ShownVolumes(by_area)


def _name(month: date) -> str:
    return month.isoformat()[:7]
