"""Volumes of areas are additive to the gram: children to their parent, months to their year, groups to their total."""

import itertools
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import transaction
from service.errors import AreaUnknown
from service.folding.worker import tick
from service.indicator.volume_queries import By, bin_months, bin_sites, bin_volume_by_area_and_month
from service.indicator.volumes import Mass, Volumes, read_volumes
from service.settings import Settings
from service.tables.places import area, site
from service.tables.volumes import volume
from tests.folding.drops import commit_drops, drop, fold_all
from tests.indicator.calls import Caller
from tests.review.held import hold
from tests.world import World

YEAR = (date(2026, 1, 1), date(2026, 12, 31))
MARCH = (date(2026, 3, 1), date(2026, 3, 31))
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
GROUPS: tuple[By, ...] = ("material", "area", "month", "source")
# One hangs at a subdistrict itself.
SITES = ("site-1", "site-2", "site-3", "site-4")
VOLUMES = "/v1/indicator/volumes"
NOTHING = Mass(0, 0, 0, 0)


def added(masses: list[Mass]) -> Mass:
    return Mass(
        sum(each.grams for each in masses),
        sum(each.drops for each in masses),
        sum(each.held_grams for each in masses),
        sum(each.held_drops for each in masses),
    )


@pytest.fixture
async def weighed(world: World, engine: AsyncEngine, admin_engine: AsyncEngine) -> None:
    """Any grams by day from the end of 2025 to the beginning of 2027, by month as the service would sum them."""
    pick = Random(1)  # noqa: S311  # a test that can be repeated
    days = [date(2025, 12, 20) + timedelta(days=n) for n in range(390)]
    keys = list(itertools.product(days, SITES, ("paper", "plastic", "metal"), ("bin", "other")))
    rows = [
        {
            "day": day,
            "site_id": site_id,
            "material_id": material_id,
            "source": source,
            "grams": pick.randrange(10**9),
            "drops": pick.randrange(3),
            "held_grams": pick.randrange(10**6),
            "held_drops": pick.randrange(3),
        }
        for day, site_id, material_id, source in pick.sample(keys, 2000)
    ]
    async with transaction(admin_engine) as connection:
        await connection.execute(
            sa.insert(site).values(id="site-4", area_id="gulou", kind="scenic", name="四号点", name_en="Site 4")
        )
        await connection.execute(
            sa.insert(area).values(id="empty", parent_id="nankai", kind="subdistrict", name="空", name_en="Empty")
        )
        await connection.execute(sa.insert(volume), rows)
        await connection.execute(
            sa.text(
                "INSERT INTO volume_month SELECT site_id, date_trunc('month', day)::date, material_id, source,"
                " sum(grams), sum(drops), sum(held_grams), sum(held_drops) FROM volume GROUP BY 1, 2, 3, 4"
            )
        )


async def of_days(connection: AsyncConnection, area_ids: tuple[str, ...], first_day: date, last_day: date) -> Mass:
    """The same from the sums by day."""
    columns = [
        sa.func.coalesce(sa.func.sum(volume.c[name]), 0) for name in ("grams", "drops", "held_grams", "held_drops")
    ]
    query = sa.select(*columns).join(site, site.c.id == volume.c.site_id)
    found = await connection.execute(
        query.where(site.c.area_id.in_(area_ids), volume.c.day.between(first_day, last_day))
    )
    return Mass(*(int(each) for each in found.one()))


def masses(volumes: Volumes) -> dict[str, Mass]:
    return {group.key: group.mass for group in volumes.groups}


AREAS = {
    "tianjin": ("xuefu-1", "gulou-1", "gulou-2", "gulou"),
    "nankai": ("xuefu-1", "gulou-1", "gulou-2", "gulou"),
    "gulou": ("gulou-1", "gulou-2", "gulou"),
    "xuefu-1": ("xuefu-1",),
    "empty": ("nowhere",),
}


@pytest.mark.parametrize("area_id", AREAS)
@pytest.mark.parametrize("by", GROUPS)
@pytest.mark.parametrize("period", [YEAR, MARCH, (date(2025, 12, 1), date(2026, 1, 31))])
async def test_the_total_is_what_the_days_add_up_to_whatever_the_groups_are(
    period: tuple[date, date], by: By, area_id: str, weighed: None, connection: AsyncConnection
) -> None:
    found = await read_volumes(connection, area_id, *period, by=by)
    assert found.total == await of_days(connection, AREAS[area_id], *period)
    assert found.total == added([group.mass for group in found.groups])
    assert len(masses(found)) == len(found.groups)
    assert (found.total == NOTHING) == (area_id == "empty")


async def test_children_add_up_to_their_parent(weighed: None, connection: AsyncConnection) -> None:
    district = await read_volumes(connection, "nankai", *YEAR, by="area")
    children = masses(district)
    assert list(children) == ["empty", "gulou", "xuefu"]
    assert children["empty"] == NOTHING
    for child, mass in children.items():
        assert (await read_volumes(connection, child, *YEAR)).total == mass
    assert (await read_volumes(connection, "nankai", *YEAR)).total == added(list(children.values()))


async def test_sites_at_an_area_itself_are_a_group_of_its_own_key(weighed: None, connection: AsyncConnection) -> None:
    found = masses(await read_volumes(connection, "gulou", *YEAR, by="area"))
    assert list(found) == ["gulou", "gulou-1", "gulou-2"]
    assert found["gulou"] == await of_days(connection, ("gulou",), *YEAR)
    # Where there are none, it is no group.
    assert list(masses(await read_volumes(connection, "xuefu", *YEAR, by="area"))) == ["xuefu-1"]
    assert list(masses(await read_volumes(connection, "xuefu-1", *YEAR, by="area"))) == ["xuefu-1"]


async def test_months_add_up_to_their_year(weighed: None, connection: AsyncConnection) -> None:
    months = masses(await read_volumes(connection, "nankai", *YEAR, by="month"))
    assert list(months) == [f"2026-{number:02}" for number in range(1, 13)]
    assert months["2026-03"] == (await read_volumes(connection, "nankai", *MARCH)).total
    assert (await read_volumes(connection, "nankai", *YEAR)).total == added(list(months.values()))
    # Also months in which nothing was weighed.
    empty = await read_volumes(connection, "empty", *YEAR, by="month")
    assert masses(empty) == dict.fromkeys(months, NOTHING)


async def test_materials_and_sources_are_those_that_occur(weighed: None, connection: AsyncConnection) -> None:
    materials = await read_volumes(connection, "nankai", *MARCH)
    assert [(each.key, each.name, each.name_en) for each in materials.groups] == [
        (name, name, name) for name in ("metal", "paper", "plastic")
    ]
    assert list(masses(await read_volumes(connection, "nankai", *MARCH, by="source"))) == ["bin", "other"]
    assert (await read_volumes(connection, "empty", *MARCH)).groups == []


async def test_an_unknown_area_is_told(world: World, connection: AsyncConnection) -> None:
    with pytest.raises(AreaUnknown, match="nowhere"):
        await read_volumes(connection, "nowhere", *YEAR)


BY_DAY = sa.text("""
SELECT coalesce(sum(grams), 0)::bigint, coalesce(sum(drops), 0)::bigint, coalesce(sum(held_grams), 0)::bigint,
       (SELECT count(*) FROM site WHERE area_id = ANY (:area_ids)),
       count(DISTINCT site_id) FILTER (WHERE drops > 0)
FROM volume JOIN site ON site.id = site_id
WHERE area_id = ANY (:area_ids) AND day BETWEEN :first_day AND :last_day AND source = 'bin'
""")


async def weighed_by_day(
    connection: AsyncConnection, area_ids: Collection[str], first_day: date, last_day: date
) -> tuple[int, ...]:
    """Of bins: grams, drops, held grams, sites, and sites with volume."""
    by_day = {"area_ids": list(area_ids), "first_day": first_day, "last_day": last_day}
    return tuple((await connection.execute(BY_DAY, by_day)).one())


@pytest.mark.parametrize("area_id", AREAS)
@pytest.mark.parametrize("period", [YEAR, MARCH])
async def test_what_a_rate_asks_of_bins_is_the_same_by_month_as_by_day(
    period: tuple[date, date], area_id: str, weighed: None, connection: AsyncConnection
) -> None:
    grams, _, held_grams, *sites = await weighed_by_day(connection, AREAS[area_id], *period)
    months = await bin_months(connection, area_id, *period, by_child=False)
    assert (sum(each.grams for each in months), sum(each.held_grams for each in months)) == (grams, held_grams)
    found = await bin_sites(connection, AREAS[area_id], *period)
    assert tuple(found.until(period[1])) == tuple(sites)
    for each in months:
        last_day = (each.month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        grams, _, held_grams, *_ = await weighed_by_day(connection, AREAS[area_id], each.month, last_day)
        assert tuple(each) == (area_id, each.month, grams, held_grams)
        *_, since = await weighed_by_day(connection, AREAS[area_id], period[0], last_day)
        assert found.until(last_day).sites_with_volume == since


async def test_a_rate_of_each_child_has_its_own_bins(weighed: None, connection: AsyncConnection) -> None:
    for area_id, children in (("nankai", ["gulou", "xuefu"]), ("gulou", ["gulou", "gulou-1", "gulou-2"])):
        months = await bin_months(connection, area_id, *YEAR, by_child=True)
        assert sorted({each.area_id for each in months}) == children
        for child in children:
            below = ("gulou",) if child == area_id else AREAS.get(child, ("xuefu-1",) if child == "xuefu" else (child,))
            grams = sum(each.grams for each in months if each.area_id == child)
            assert grams == (await weighed_by_day(connection, below, *YEAR))[0]


async def test_months_of_each_area_are_what_its_own_bins_weighed(weighed: None, connection: AsyncConnection) -> None:
    found = await bin_volume_by_area_and_month(connection, 2026)
    assert len(found) == 12 * 4
    for area_id, number, grams in found:
        month = date(2026, number, 1)
        last_day = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        assert grams == (await weighed_by_day(connection, [area_id], month, last_day))[0]


async def test_a_held_drop_is_beside_what_counts_and_on_no_day(
    world: World, engine: AsyncEngine, settings: Settings, connection: AsyncConnection
) -> None:
    await commit_drops(engine, drop(grams=7, occurred_at=NOON))
    async with transaction(engine) as writing:
        await hold(writing, grams=500, occurred_at=NOON + timedelta(days=1))
    quick = settings.model_copy(update={"instance": "a", "fold_interval_seconds": 1e-6})
    await tick(engine, quick)
    await fold_all(engine, quick)
    assert (await read_volumes(connection, "nankai", *MARCH)).total == Mass(7, 1, 500, 1)
    [march] = await bin_months(connection, "nankai", *MARCH, by_child=False)
    assert tuple(march) == ("nankai", MARCH[0], 7, 500)


async def test_the_api_answers_total_and_groups(
    world: World, engine: AsyncEngine, settings: Settings, operator: Caller
) -> None:
    await commit_drops(engine, drop(grams=7, occurred_at=NOON), drop(grams=5, material="metal", occurred_at=NOON))
    await fold_all(engine, settings.model_copy(update={"instance": "a", "fold_interval_seconds": 1e-6}))

    async def asked(**parameters: str) -> dict[str, Any]:
        response = await operator.get(VOLUMES, **({"area": "nankai", "period": "2026"} | parameters))
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    nothing = {"grams": 0, "drops": 0, "held_grams": 0, "held_drops": 0}
    assert await asked() == {
        "area": "nankai",
        "area_name": "南开区",
        "area_name_en": "Nankai",
        "period": "2026",
        "by": "material",
        "total": nothing | {"grams": 12, "drops": 2},
        "groups": [
            nothing | {"key": "metal", "name": "metal", "name_en": "metal", "grams": 5, "drops": 1},
            nothing | {"key": "paper", "name": "paper", "name_en": "paper", "grams": 7, "drops": 1},
        ],
    }
    of_areas = await asked(by="area", period="2026-03")
    assert [(each["key"], each["name"], each["grams"]) for each in of_areas["groups"]] == [
        ("gulou", "鼓楼街道", 0),
        ("xuefu", "学府街道", 12),
    ]
    of_april = await asked(by="month", period="2026-04")
    assert of_april["groups"] == [nothing | {"key": "2026-04", "name": None, "name_en": None}]
    assert [each["key"] for each in (await asked(by="source"))["groups"]] == ["bin"]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"area": "nowhere"}, 404, "area_unknown"),
        ({"period": "2026-13"}, 422, "validation_failed"),
        ({"by": "bin"}, 422, "validation_failed"),
    ],
)
async def test_a_mistake_is_told(parameters: dict[str, str], status: int, code: str, operator: Caller) -> None:
    response = await operator.get(VOLUMES, **({"area": "nankai", "period": "2026"} | parameters))
    assert (response.status, (await response.json())["code"]) == (status, code)


async def test_only_operators_may_ask(operator: Caller) -> None:
    response = await Caller(operator.client, "tbk_nobody").get(VOLUMES, area="nankai", period="2026")
    assert response.status == 401
