"""`tanbi volumes rebuild --since`: what differs is found, told and put right, and nothing else is touched."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.folding.mending import Difference, Mended, Sums
from service.folding.rebuild import rebuild, rebuild_since
from service.settings import Settings
from service.tables.volumes import volume, volume_month
from tests.folding.drops import NOON, Place, commit_drops, drop, fold_all, rows
from tests.review.held import decide, hold

SHOWN = 20
MARCH, FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
FEBRUARY = date(2026, 2, 1)
DAY = timedelta(days=1)


@pytest.fixture
async def folded(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    """A kilogram of paper on each of three days of March and on the last of February; then 500 g of paper held and
    200 g released, on the second."""
    await commit_drops(engine, *(drop(grams=1000, occurred_at=NOON + days * DAY) for days in (-1, 0, 1, 2)))
    async with transaction(engine) as connection:
        await hold(connection, grams=500, occurred_at=NOON + DAY)
        released = await hold(connection, grams=200, occurred_at=NOON)
        await decide(connection, released, "released", placed_at=NOON + DAY)
    await fold_all(engine, settings)


async def sums(engine: AsyncEngine) -> list[list[tuple[object, ...]]]:
    """All rows of both tables."""
    return [
        await rows(engine, volume, ("day", "site_id", "material_id")),
        await rows(engine, volume_month, ("month", "site_id", "material_id")),
    ]


async def mended(admin_engine: AsyncEngine, settings: Settings, since: date, shown: int = SHOWN) -> Mended:
    async with transaction(admin_engine) as connection:
        return await rebuild_since(connection, since=since, timezone=settings.business_timezone, shown=shown)


async def spoil(admin_engine: AsyncEngine, *statements: sa.Executable) -> None:
    async with transaction(admin_engine) as connection:
        for statement in statements:
            await connection.execute(statement)


def of_day(day: date, before: Sums | None, after: Sums | None, **changes: str) -> Difference:
    named = {"each": "day", "site_id": "site-1", "material_id": "paper", "source": "bin"} | changes
    return Difference(first_day=day, before=before, after=after, **named)


@pytest.mark.parametrize(
    "since",
    [date(1, 1, 1), date(1970, 1, 1), date(2026, 2, 28), FIRST, SECOND, THIRD, date(2027, 1, 1), date(9998, 12, 31)],
)
async def test_there_is_nothing_to_change_since_any_day(
    since: date, folded: None, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    before = await sums(engine)
    assert await mended(admin_engine, settings, since) == Mended(0, ())
    assert await sums(engine) == before


KILO = Sums(1000, 1, 0, 0)
OF_SECOND = Sums(1200, 2, 500, 1)
OF_MARCH = Sums(3200, 4, 500, 1)


def day_of(day: date) -> sa.ColumnElement[bool]:
    return volume.c.day == day


DAMAGES = {
    "a gram too many": (
        sa.update(volume).where(day_of(SECOND)).values(grams=1201),
        of_day(SECOND, Sums(1201, 2, 500, 1), OF_SECOND),
    ),
    "a drop too few": (
        sa.update(volume).where(day_of(THIRD)).values(drops=0),
        of_day(THIRD, Sums(1000, 0, 0, 0), KILO),
    ),
    "held grams that are not": (
        sa.update(volume).where(day_of(THIRD)).values(held_grams=1),
        of_day(THIRD, Sums(1000, 1, 1, 0), KILO),
    ),
    "a held drop that is forgotten": (
        sa.update(volume).where(day_of(SECOND)).values(held_drops=0),
        of_day(SECOND, Sums(1200, 2, 500, 0), OF_SECOND),
    ),
    "a day that is gone": (sa.delete(volume).where(day_of(SECOND)), of_day(SECOND, None, OF_SECOND)),
    "a day on which nothing was dropped": (
        sa.insert(volume).values(
            day=date(2026, 3, 9), site_id="site-9", material_id="glass", source="bin", grams=1, drops=1
        ),
        of_day(date(2026, 3, 9), Sums(1, 1, 0, 0), None, site_id="site-9", material_id="glass"),
    ),
    "a day in the far future": (
        sa.insert(volume).values(
            day=date(2999, 3, 9), site_id="site-1", material_id="paper", source="bin", grams=1, drops=1
        ),
        of_day(date(2999, 3, 9), Sums(1, 1, 0, 0), None),
    ),
    "a source that there is not": (
        sa.insert(volume).values(day=THIRD, site_id="site-1", material_id="paper", source="x", grams=1, drops=1),
        of_day(THIRD, Sums(1, 1, 0, 0), None, source="x"),
    ),
    "a month with a gram too few": (
        sa.update(volume_month).where(volume_month.c.month == MARCH).values(grams=3199),
        of_day(MARCH, Sums(3199, 4, 500, 1), OF_MARCH, each="month"),
    ),
    "a month that forgot what is held": (
        sa.update(volume_month).where(volume_month.c.month == MARCH).values(held_grams=0, held_drops=0),
        of_day(MARCH, Sums(3200, 4, 0, 0), OF_MARCH, each="month"),
    ),
    "a month that is gone": (
        sa.delete(volume_month).where(volume_month.c.month == MARCH),
        of_day(MARCH, None, OF_MARCH, each="month"),
    ),
}


@pytest.mark.parametrize(("damage", "difference"), DAMAGES.values(), ids=DAMAGES)
async def test_what_differs_is_told_and_mended(
    damage: sa.Executable,
    difference: Difference,
    folded: None,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    settings: Settings,
) -> None:
    right = await sums(engine)
    await spoil(admin_engine, damage)
    assert await sums(engine) != right
    assert await mended(admin_engine, settings, SECOND) == Mended(1, (difference,))
    assert await sums(engine) == right
    assert await mended(admin_engine, settings, SECOND) == Mended(0, ())


async def test_days_before_are_left_as_they_are_and_their_month_is_not(
    folded: None, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    days, months = await sums(engine)
    await spoil(
        admin_engine,
        sa.update(volume).where(volume.c.day < SECOND).values(grams=7),
        sa.update(volume_month).values(grams=7),
    )
    spoilt_days, spoilt_months = await sums(engine)
    found = await mended(admin_engine, settings, SECOND)
    assert [(each.each, each.first_day) for each in found.first] == [("month", MARCH)]
    assert await sums(engine) == [spoilt_days, [spoilt_months[0], months[1]]]
    assert (await mended(admin_engine, settings, FEBRUARY)).count == 3
    assert await sums(engine) == [days, months]


async def test_of_many_differences_the_first_are_shown_and_all_counted(
    folded: None, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    right = await sums(engine)
    await spoil(admin_engine, sa.update(volume).values(grams=7), sa.update(volume_month).values(drops=0))
    found = await mended(admin_engine, settings, FEBRUARY, shown=3)
    assert found.count == 6
    assert [(each.each, each.first_day) for each in found.first] == [
        ("month", FEBRUARY),
        ("day", date(2026, 2, 28)),
        ("day", FIRST),
    ]
    assert await sums(engine) == right


async def test_what_is_not_folded_yet_is_no_difference_and_folded_once(
    folded: None, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    before = await sums(engine)
    await commit_drops(engine, drop(grams=20, occurred_at=NOON + DAY))
    assert await mended(admin_engine, settings, FIRST) == Mended(0, ())
    assert await sums(engine) == before
    await fold_all(engine, settings)
    assert (await sums(engine))[0][2][4:6] == (1220, 3)
    assert await mended(admin_engine, settings, FIRST) == Mended(0, ())


async def test_months_end_by_the_citys_clock(
    place: Place, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    """In Shanghai March begins at 16:00 UTC of the last day of February."""
    midnight = datetime(2026, 2, 28, 16, tzinfo=UTC)
    await commit_drops(
        engine,
        drop(grams=1, occurred_at=midnight - timedelta(microseconds=1)),
        drop(grams=10, occurred_at=midnight),
    )
    await fold_all(engine, settings)
    found = await rows(engine, volume_month, ("month",))
    assert [(row[1], row[4]) for row in found] == [(FEBRUARY, 1), (MARCH, 10)]
    await spoil(admin_engine, sa.delete(volume), sa.delete(volume_month))
    assert (await mended(admin_engine, settings, FEBRUARY)).count == 4
    assert await rows(engine, volume_month, ("month",)) == found


async def test_a_whole_rebuild_tells_what_differed_too(
    folded: None, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    right = await sums(engine)
    await spoil(admin_engine, DAMAGES["a day that is gone"][0])
    async with transaction(admin_engine) as connection:
        found = await rebuild(connection, timezone=settings.business_timezone, shown=SHOWN)
    assert found == Mended(1, (DAMAGES["a day that is gone"][1],))
    assert await sums(engine) == right


async def test_progress_ends_where_it_said_it_would(
    folded: None, admin_engine: AsyncEngine, settings: Settings
) -> None:
    heard: list[tuple[int, int]] = []
    async with transaction(admin_engine) as connection:
        await rebuild_since(
            connection,
            since=date(2020, 1, 1),
            timezone=settings.business_timezone,
            shown=SHOWN,
            progress=lambda done, of: heard.append((done, of)),
        )
    assert heard == [(done, len(heard) - 1) for done in range(len(heard))]
