"""What bins weighed as the public sees it: each month is written down when it is first shown, and stays so.

Drops that are late, held or corrected still come to a month that is over. Were it shown anew with each, who keeps what
was shown before would see single drops (docs/decisions/0020).
"""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from service.business_days import day_begins_at
from service.errors import PublicationWithheld
from service.indicator import public_queries as queries
from service.indicator.evidence import BINS
from service.indicator.record import Frozen
from service.indicator.withholding import Amount, ShownVolumes, last_settled_month, shown_volumes
from service.periods import Period

# What stands for all materials together in the table.
ALL_MATERIALS: Final = ""
# The district's own sites are told apart in the records of publications, as each child area is.
OWN_SITES: Final = "{} own sites"


async def show_settled_months(
    connection: AsyncConnection, district_id: str, *, today: date, zone: str, after_days: int
) -> None:
    """Write down the months, from January of the year before on, that are settled and were not shown yet. In the
    caller's transaction; a month of which not every drop is folded yet waits."""
    wanted = settled_months(today, after_days)
    if not wanted or not set(wanted) - set(await queries.months_shown(connection, district_id)):
        return
    await queries.lock_showing(connection)
    missing = sorted(set(wanted) - set(await queries.months_shown(connection, district_id)))
    settled_on = Period.of_month(wanted[-1].year, wanted[-1].month).last_day + timedelta(days=after_days + 1)
    if not missing or not await queries.is_folded_since(connection, day_begins_at(settled_on, zone)):
        return
    places = await queries.read_places(connection, district_id)
    parents: dict[str, str | None] = {row.id: row.parent_id for row in places}
    parents[district_id] = None
    own_sites = OWN_SITES.format(district_id)
    parents[own_sites] = district_id
    amounts = [
        Amount(
            own_sites if row.area_id == district_id else row.area_id,
            row.material_id,
            _name(row.month),
            row.drops,
            row.grams,
        )
        for row in await queries.month_amounts(connection, list(parents), missing)
    ]
    children = [each for each, parent in parents.items() if parent == district_id]
    # Of a district's year it takes half a second, in which bins would wait.
    shown = await asyncio.to_thread(shown_volumes, amounts, parents, children)
    rows = [
        {
            "district_id": district_id,
            "month": date.fromisoformat(f"{month}-01"),
            "area_id": area_id,
            "material_id": material or ALL_MATERIALS,
            "grams": grams,
        }
        for (area_id, material, month), grams in shown.by_area.items()
        if area_id != own_sites
    ]
    if rows:
        await queries.insert_shown(connection, rows)


def settled_months(today: date, after_days: int) -> list[date]:
    """First days of the months that are settled, from January of the year before on."""
    last = date.fromisoformat(f"{last_settled_month(today, after_days)}-01")
    months = (month.first_day for year in (today.year - 1, today.year) for month in Period(year).months)
    return [month for month in months if month <= last]


async def read_shown(connection: AsyncConnection, district_id: str, year: int) -> ShownVolumes:
    """A year as it was shown."""
    rows = await queries.read_shown(connection, district_id, date(year, 1, 1), date(year, 12, 1))
    by_area: Mapping[tuple[str, str | None, str], int] = {
        (row.area_id, row.material_id or None, _name(row.month)): row.grams for row in rows
    }
    return ShownVolumes(by_area)


async def check_record(connection: AsyncConnection, district_id: str, frozen: Frozen) -> None:
    """Raises PublicationWithheld where the record tells of bins what is not shown just so: of fewer drops than may be,
    of a month that is not settled yet, or of other grams than its month was shown with, whose difference could be one
    drop; what they hold for review; or what they weighed where the figure counts it elsewhere."""
    figure = frozen.figure
    if figure["coverage"]["bins"]["held_grams"] or any(each["kind"] == BINS for each in figure["not_counted"]):
        raise PublicationWithheld
    told = {
        (each["area"], each["period"]): each["grams"]
        for each in frozen.inputs()
        if each["id"] is None and each.get("kind") == BINS
    }
    for year in sorted({int(month[:4]) for _, month in told}):
        shown = await read_shown(connection, district_id, year)
        for (area_id, month), grams in told.items():
            # What is shown of the district is not of its own sites alone.
            same = area_id != district_id and shown.grams(area_id, None, [month]) == grams
            if int(month[:4]) == year and not same:
                raise PublicationWithheld


def _name(month: date) -> str:
    return month.isoformat()[:7]
