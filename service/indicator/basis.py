"""What a rate is made of, as the database has it at one moment: the evidence of some years, and what bins weighed.

Reading is one thing, and making evidence of what was read another, which is done in a thread: of a district whose
communities report it takes the better part of a second, in which bins would wait.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import AreaUnknown
from service.indicator import queries, volume_queries
from service.indicator.evidence import BINS, Evidence, Recorded, Tree
from service.periods import Period

# The source of what bins weighed, as it stands among the inputs' sources.
BINS_SOURCE = "bins"
STATIONS = "scrap_station_recyclables"


@dataclass(frozen=True, slots=True)
class GatheredBasis:
    """What was read of one area with all below it. `subtree` is the area and all below it; the tree has all areas."""

    area: sa.Row[Any]
    tree: Tree
    subtree: Collection[str]
    inputs: Sequence[sa.Row[Any]]
    bin_months: Sequence[sa.Row[Any]]
    duties: Mapping[tuple[str, str, str], frozenset[Period]]


@dataclass(frozen=True, slots=True)
class Basis:
    """The same as evidence."""

    area: sa.Row[Any]
    evidence: Evidence
    held_grams: Mapping[Period, int]


async def gather_basis(
    connection: AsyncConnection,
    area_id: str,
    years: Collection[int],
    today: date,
    *,
    bins_by_child: bool = False,
    bins_of: Period | None = None,
) -> GatheredBasis:
    """What makes the evidence of these years and what lies between them, and of the year before, by which it is told
    who stopped reporting. What bins weighed is of the area as a whole, or of each of its child areas; of these years,
    or only of the period `bins_of`. Raises AreaUnknown."""
    areas = {row.id: row for row in await queries.read_areas(connection)}
    if area_id not in areas:
        raise AreaUnknown.of(area_id)
    tree = tree_of(areas.values())
    subtree = frozenset(tree.subtree(area_id))
    first_day, last_day = date(min(years), 1, 1), date(max(years), 12, 31)
    days = (first_day, last_day) if bins_of is None else (bins_of.first_day, bins_of.last_day)
    stations = [row for row in await queries.scrap_stations(connection) if row.area_id in subtree]
    return GatheredBasis(
        area=areas[area_id],
        tree=tree,
        subtree=subtree,
        inputs=await queries.latest_inputs(
            connection, date(min(years) - 1, 1, 1), last_day, {*subtree, *tree.upwards(area_id)}
        ),
        bin_months=await volume_queries.bin_months(connection, area_id, *days, by_child=bins_by_child),
        duties=duties(stations, years, today),
    )


def make_basis(gathered: GatheredBasis) -> Basis:
    """Takes as long as there are inputs, so in a thread."""
    bins = [
        bins_of_month(row.area_id, Period.of_month(row.month.year, row.month.month), row.grams)
        for row in gathered.bin_months
    ]
    return Basis(
        area=gathered.area,
        evidence=Evidence(gathered.tree, [*queries.counting(gathered.inputs), *bins], gathered.duties),
        held_grams=_held_by_month(gathered.bin_months),
    )


def tree_of(areas: Iterable[sa.Row[Any]]) -> Tree:
    """The areas as a tree, with their names."""
    rows = list(areas)
    return Tree({row.id: row.parent_id for row in rows}, {row.id: (row.name, row.name_en) for row in rows})


def _held_by_month(months: Iterable[sa.Row[Any]]) -> dict[Period, int]:
    """Held grams by month."""
    held: dict[Period, int] = {}
    for row in months:
        month = Period.of_month(row.month.year, row.month.month)
        held[month] = held.get(month, 0) + row.held_grams
    return held


def bins_of_month(area_id: str, month: Period, grams: int) -> Recorded:
    """What the bins of an area and below weighed in a month, as evidence."""
    return Recorded(None, area_id, month, BINS, BINS_SOURCE, None, 0, grams)


def duties(
    stations: Collection[sa.Row[Any]], years: Collection[int], today: date
) -> dict[tuple[str, str, str], frozenset[Period]]:
    """The months that are over and for which each scrap station is to report, by its line."""
    months = [month for year in sorted(years) for month in Period(year).months if month.last_day < today]
    return {
        (STATIONS, row.area_id, row.id): frozenset(
            month
            for month in months
            if month.first_day >= row.reports_from
            and (row.reports_until is None or month.last_day <= row.reports_until)
        )
        for row in stations
    }
