"""What bins weighed, as the public sees it: no household, and each month once for ever."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.business_days import business_today
from service.db import transaction
from service.indicator.withholding import last_settled_month
from service.periods import Period
from service.settings import Settings
from service.tables.places import site
from service.tables.volumes import public_volume, volume_month
from tests.indicator.public.calls import (
    DATA,
    MARCH,
    PAGE,
    YEAR,
    Client,
    everything,
    rate,
    rows,
    statements_of,
    text,
    weighed,
)
from tests.world import World


async def test_a_community_of_few_drops_is_nowhere_and_follows_from_nothing(
    client: Client, world: World, engine: AsyncEngine
) -> None:
    assert world
    for site_id, drops, grams in (("site-1", 50, 61_000), ("site-2", 40, 40_300), ("site-3", 3, 7_771_327)):
        await weighed(engine, site_id, drops, grams)
    found = await everything(client)
    assert "7771327" not in found
    assert "7,771.3 千克" not in found
    volumes = (await rate(client))["volumes"]
    shown = {each["id"]: each["grams"] for each in volumes["by_area"]}
    # Its neighbour is hidden with it, or their difference would be it.
    assert shown == {"xuefu": 61_000, "xuefu-1": 61_000, "gulou": 7_811_627, "gulou-1": None, "gulou-2": None}
    listed = {int(each["grams"]) for each in await rows(client, "/public/volumes.csv")} | {
        grams for grams in shown.values() if grams is not None
    }
    assert 7_771_327 not in {abs(one - other) for one, other in combinations([*listed, volumes["grams"], 0], 2)}


async def test_little_of_a_material_is_shown_with_that_of_a_neighbour_one_level_up(
    client: Client, world: World, engine: AsyncEngine
) -> None:
    assert world
    for site_id, material_id, drops, grams in (
        ("site-1", "paper", 50, 61_000),
        ("site-1", "metal", 4, 7_771_327),
        ("site-2", "metal", 30, 20_000),
    ):
        await weighed(engine, site_id, drops, grams, material_id=material_id)
    volumes = (await rate(client))["volumes"]
    assert {each["id"]: each["grams"] for each in volumes["by_area"] if each["kind"] == "subdistrict"} == {
        "xuefu": 61_000,
        "gulou": None,
    }
    assert volumes["grams"] == 7_852_327
    found = await everything(client)
    assert "7771327" not in found
    # What all of it less what is shown would be.
    assert "7832327" not in found


async def test_little_at_the_district_s_own_sites_is_nowhere_and_follows_from_nothing(
    client: Client, world: World, engine: AsyncEngine
) -> None:
    assert world
    async with transaction(engine) as connection:
        own = {"id": "site-own", "area_id": "nankai", "kind": "scenic", "name": "公园", "name_en": "Park"}
        await connection.execute(sa.insert(site).values(own))
    for site_id, drops, grams in (("site-1", 50, 61_000), ("site-2", 40, 40_300), ("site-own", 3, 7_771_327)):
        await weighed(engine, site_id, drops, grams)
    told = await rows(client, "/public/volumes.csv")
    # The smallest beside it is hidden with it, or the district less its subdistricts would be it.
    assert {each["area_id"]: int(each["grams"]) for each in told if not each["material_id"]} == {
        "nankai": 7_872_627,
        "xuefu": 61_000,
        "xuefu-1": 61_000,
    }


async def test_only_what_bins_weighed_is_a_volume_of_bins(client: Client, world: World, engine: AsyncEngine) -> None:
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    async with transaction(engine) as connection:
        other = {"site_id": "site-2", "material_id": "paper", "source": "pickup", "grams": 9_000, "drops": 90}
        await connection.execute(sa.insert(volume_month).values(month=MARCH, **other, held_grams=0, held_drops=0))
    assert (await rate(client))["volumes"]["grams"] == 61_000


async def test_sums_agree_wherever_they_are_told(client: Client, world: World, engine: AsyncEngine) -> None:
    assert world
    for month in (date(YEAR, 2, 1), MARCH):
        for place, site_id in enumerate(("site-1", "site-2", "site-3"), 1):
            for material_id in ("paper", "metal"):
                await weighed(engine, site_id, 12, 1_000 * place, month=month, material_id=material_id)
    volumes = (await rate(client))["volumes"]
    assert (volumes["months"], volumes["grams"]) == ([f"{YEAR}-02", f"{YEAR}-03"], 24_000)
    assert sum(each["grams"] or 0 for each in volumes["by_material"]) == 24_000
    assert sum(each["grams"] for each in volumes["by_area"] if each["kind"] == "subdistrict") == 24_000
    assert sum(each["grams"] for each in volumes["by_area"] if each["kind"] == "community") == 24_000
    told = await rows(client, "/public/volumes.csv")
    for kind in ("district", "subdistrict", "community"):
        of_kind = [each for each in told if each["area_kind"] == kind]
        assert sum(int(each["grams"]) for each in of_kind if each["material_id"]) == 24_000
        assert sum(int(each["grams"]) for each in of_kind if not each["material_id"]) == 24_000
    assert "24.0 千克" in await text(client, PAGE)


async def test_a_month_stays_as_it_was_first_shown(client: Client, world: World, engine: AsyncEngine) -> None:
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    before = [await text(client, path) for path in DATA]
    async with transaction(engine) as connection:
        more = {"grams": volume_month.c.grams + 1_234, "drops": volume_month.c.drops + 1}
        await connection.execute(sa.update(volume_month).values(more))
    await weighed(engine, "site-2", 80, 90_000)
    # The page's own rate has what came later; the volumes have not.
    assert [await text(client, path) for path in DATA] == before
    assert (await rate(client))["volumes"]["grams"] == 61_000


async def test_what_was_shown_cannot_be_changed_by_the_service(
    client: Client, world: World, engine: AsyncEngine
) -> None:
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    await rate(client)
    for statement in (sa.update(public_volume).values(grams=1), sa.delete(public_volume)):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            async with transaction(engine) as connection:
                await connection.execute(statement)


async def test_who_asks_at_once_is_shown_one_month(
    client: Client, world: World, engine: AsyncEngine, settings: Settings
) -> None:
    """Two processes at the same moment, while drops come: one of them writes the month down."""
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    async with TestClient(TestServer(build_app(settings))) as other:
        found = await asyncio.gather(*(text(each, DATA[2]) for each in (client, other) for _ in range(4)))
    assert len(set(found)) == 1


async def test_a_month_waits_until_it_is_settled_and_folded(
    client: Client, world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    today = business_today("Asia/Shanghai")
    await weighed(engine, "site-1", 50, 61_000, month=today.replace(day=1))
    assert (await rate(client))["volumes"] is None
    assert "35 天" in await text(client, PAGE)
    await weighed(engine, "site-1", 50, 62_000)
    # Of a transaction that folding does not come to.
    unfolded = sa.text("""
        INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,
                                 outcome, coins_per_kg, coins, occurred_at, received_at, xid)
        VALUES ('NK-0001', 'late', '', 'site-1', 1, 'paper', 900, 'unclaimed', NULL, 0, :at, :at, 9000000000000)
    """)
    async with transaction(admin_engine) as connection:
        await connection.execute(unfolded, {"at": datetime(YEAR, 3, 9, tzinfo=UTC)})
    assert (await rate(client))["volumes"] is None
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("DELETE FROM weigh_event WHERE event_id = 'late'"))
    assert (await rate(client))["volumes"]["grams"] == 62_000


async def test_an_earlier_year_can_be_asked_for(client: Client, world: World, engine: AsyncEngine) -> None:
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    await rate(client)
    async with transaction(engine) as connection:
        old = {"district_id": "nankai", "month": date(2020, 5, 1), "area_id": "nankai", "material_id": ""}
        await connection.execute(sa.insert(public_volume).values(**old, grams=4_321))
    assert (await rate(client))["volumes"]["years"] == [2020, YEAR]
    [found] = await rows(client, "/public/volumes.csv?year=2020")
    assert (found["month"], found["grams"], found["material_en"]) == ("2020-05", "4321", "all materials")


async def test_a_month_of_which_nothing_is_shown_is_looked_at_once(
    client: Client, world: World, engine: AsyncEngine
) -> None:
    assert world
    await weighed(engine, "site-1", 9, 61_000)
    await weighed(engine, "site-1", 50, 45_000, month=date(YEAR, 4, 1))
    assert (await rate(client))["volumes"]["months"] == [f"{YEAR}-04"]
    with statements_of(client) as statements:
        await rate(client)
    assert not [each for each in statements if "SELECT pg_advisory_xact_lock" in each or "volume_month.drops)" in each]
    # And it stays so: a drop that comes late would be seen.
    await weighed(engine, "site-2", 30, 70_000)
    assert [each["month"] for each in await rows(client, DATA[2]) if each["area_id"] == "gulou"] == []
    assert (await rate(client))["volumes"]["months"] == [f"{YEAR}-04"]


async def test_a_month_of_which_a_drop_that_came_in_time_is_not_folded_waits(
    client: Client, world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    """In time is until the last month that is settled is settled: 35 days after its end, at midnight of the city."""
    assert world
    await weighed(engine, "site-1", 50, 61_000)
    last = date.fromisoformat(f"{last_settled_month(business_today('Asia/Shanghai'))}-01")
    settled = datetime.combine(Period.of_month(last.year, last.month).last_day, time(), ZoneInfo("Asia/Shanghai"))
    settled += timedelta(days=36)
    unfolded = sa.text("""
        INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,
                                 outcome, coins_per_kg, coins, occurred_at, received_at, xid)
        VALUES ('NK-0001', 'late', '', 'site-1', 1, 'paper', 900, 'unclaimed', NULL, 0, :at, :at, 9000000000000)
    """)
    for seconds, shown in ((-1, None), (0, 61_000)):
        async with transaction(admin_engine) as connection:
            await connection.execute(sa.text("DELETE FROM weigh_event WHERE event_id = 'late'"))
            await connection.execute(unfolded, {"at": settled + timedelta(seconds=seconds)})
        volumes = (await rate(client))["volumes"]
        assert (volumes and volumes["grams"]) == shown
