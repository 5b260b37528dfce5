"""A merchant's catalogue, and what residents see of it, on the database."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.examples import EXAMPLES
from schemas.offers import SITES_PER_OFFER_MAX, MerchantOffer, NewOffer, OfferChange, Offers, decode_offer_cursor
from service.db import create_engine, transaction
from service.embedded import EmbeddedPostgres
from service.errors import MerchantUnknown, OfferExists, OfferUnknown, StockTooSmall, TanbiError, ValidationFailed
from service.redemption.merchants import add_machine, add_merchant
from service.redemption.offer_queries import Around
from service.redemption.offers import add_offer, change_offer, list_offers, list_own_offers
from service.settings import Settings
from service.tables.people import merchant
from service.tables.redemption import offer
from service.weighing.places import Position, add_area, add_site, place_site
from tests.blocking import blocked_connection, wait_until
from tests.conftest import TEMPLATE, admin_execute

NOW = datetime.now(UTC)
DATABASE = "offers"
PAST = "2001-01-01T00:00:00Z"
# Beside the first site, which is at 39.100, 117.100.
HERE = Around(39.1, 117.1, None)


def in_hours(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


@pytest.fixture(scope="module")
def shared_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database for all tests here that commit nothing."""
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}"))
    yield postgres.app_url(DATABASE)
    asyncio.run(admin_execute(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


@pytest.fixture
async def connection(shared_url: str, tmp_path: Path) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back: sites north of one point at 0, 1, 2 … thousandths of a degree, two merchants,
    of whom the first has its shop at site 1."""
    engine = create_engine(Settings(data_dir=tmp_path, database_url=shared_url))
    async with engine.connect() as connection:
        await add_area(connection, area_id="c", parent_id=None, kind="city", name="天津", name_en="Tianjin")
        for number in range(SITES_PER_OFFER_MAX + 2):
            await add_site(
                connection,
                site_id=f"site-{number}",
                area_id="c",
                kind="community",
                name=f"{number}号",
                name_en=f"No {number}",
                position=Position(39.1 + number / 1000, 117.1),
            )
        await add_site(
            connection, site_id="unmeasured", area_id="c", kind="community", name="某处", name_en="Somewhere"
        )
        for merchant_id in ("M1", "M2"):
            await add_merchant(connection, merchant_id=merchant_id, name=merchant_id, name_en=merchant_id)
        await connection.execute(sa.update(merchant).where(merchant.c.id == "M1").values(site_id="site-1"))
        yield connection
        await connection.rollback()
    await engine.dispose()


async def water_at(connection: AsyncConnection, merchant_id: str, *site_ids: str) -> None:
    for site_id in site_ids:
        machine_id = f"{merchant_id}.{site_id}"
        await add_machine(connection, machine_id=machine_id, merchant_id=merchant_id, site_id=site_id, kind="water")


def new(offer_id: str = "soap", **changes: Any) -> NewOffer:
    values = {**EXAMPLES["NewOffer"], "machine_kind": None, "resident_day_max": None, "id": offer_id, **changes}
    return NewOffer.model_validate(values)


async def change(connection: AsyncConnection, **changes: Any) -> MerchantOffer:
    return await change_offer(connection, "M1", "soap", OfferChange.model_validate(changes))


async def shown(connection: AsyncConnection, around: Around | None = None, **changes: Any) -> Offers:
    values: dict[str, Any] = {"merchant_id": None, "machine_kind": None, "after": None, "limit": 100}
    return await list_offers(connection, around=around, **{**values, **changes})


def ids(page: Offers) -> list[str]:
    return [each.id for each in page.offers]


# -- the catalogue --


async def test_an_offer_is_in_its_merchants_catalogue_as_it_was_made(connection: AsyncConnection) -> None:
    made = await add_offer(connection, "M1", new(stock=5, resident_day_max=2, valid_until=in_hours(1)))
    assert made.model_dump(include={"title", "unit_en", "coins", "resident_day_max", "stock_left"}) == {
        "title": "直饮水",
        "unit_en": "5 l",
        "coins": 50,
        "resident_day_max": 2,
        "stock_left": 5,
    }
    assert made.valid_until == NOW + timedelta(hours=1)
    catalogue = await list_own_offers(connection, "M1", after=None, limit=10)
    assert catalogue.offers == [made]
    assert (await list_own_offers(connection, "M2", after=None, limit=10)).offers == []


async def test_a_catalogue_is_read_page_by_page(connection: AsyncConnection) -> None:
    for offer_id in ("c", "a", "e", "b", "d"):
        await add_offer(connection, "M1", new(offer_id))
    found: list[list[str]] = []
    cursor = None
    while True:
        after = None if cursor is None else decode_offer_cursor(cursor)
        page = await list_own_offers(connection, "M1", after=after, limit=2)
        found.append([each.id for each in page.offers])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("merchant_id", ["M1", "M2"])
async def test_an_id_that_is_taken_is_refused_without_saying_by_whom(
    connection: AsyncConnection, merchant_id: str
) -> None:
    await add_offer(connection, "M1", new())
    with pytest.raises(OfferExists) as refused:
        await add_offer(connection, merchant_id, new())
    assert "M1" not in refused.value.detail


@pytest.mark.parametrize(
    ("merchant_id", "changes", "failure"),
    [
        ("M9", {}, MerchantUnknown),
        ("M1", {"valid_until": PAST}, ValidationFailed),
        ("M1", {"valid_from": in_hours(2), "valid_until": in_hours(1)}, ValidationFailed),
        ("M1", {"valid_from": in_hours(2), "valid_until": in_hours(2)}, ValidationFailed),
    ],
)
async def test_an_offer_of_nobody_or_of_no_time_is_refused(
    connection: AsyncConnection, merchant_id: str, changes: dict[str, Any], failure: type[TanbiError]
) -> None:
    with pytest.raises(failure):
        await add_offer(connection, merchant_id, new(**changes))


async def test_what_is_left_out_of_a_change_stays_and_null_lifts(connection: AsyncConnection) -> None:
    made = await add_offer(connection, "M1", new(stock=5, resident_day_max=2, valid_until=in_hours(1)))
    dearer = await change(connection, coins=70)
    assert dearer == made.model_copy(update={"coins": 70})
    lifted = await change(connection, resident_day_max=None, valid_until=None)
    assert lifted == dearer.model_copy(update={"resident_day_max": None, "valid_until": None})


async def test_an_offer_that_is_not_the_merchants_is_unknown_and_stays_as_it_is(connection: AsyncConnection) -> None:
    made = await add_offer(connection, "M1", new())
    for merchant_id, offer_id in (("M2", "soap"), ("M1", "none")):
        with pytest.raises(OfferUnknown):
            await change_offer(connection, merchant_id, offer_id, OfferChange(coins=1))
    assert (await list_own_offers(connection, "M1", after=None, limit=1)).offers == [made]


async def test_an_operator_changes_any_merchants_offer(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new())
    assert (await change_offer(connection, None, "soap", OfferChange(coins=1))).coins == 1


# -- its end --


async def test_a_withdrawn_offer_ends_now_and_no_later_withdrawal_moves_its_end(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new(valid_from=in_hours(-5)))
    withdrawn = await change(connection, valid_until=PAST)
    now = (await connection.execute(sa.select(sa.func.now()))).scalar_one()
    assert withdrawn.valid_until == now
    assert ids(await shown(connection)) == []
    # As if it had been withdrawn an hour ago.
    await connection.execute(sa.update(offer).values(valid_until=now - timedelta(hours=1)))
    assert (await change(connection, valid_until=PAST)).valid_until == now - timedelta(hours=1)
    # It may come back.
    assert (await change(connection, valid_until=in_hours(1))).valid_until == NOW + timedelta(hours=1)
    assert ids(await shown(connection)) == ["soap"]


@pytest.mark.parametrize("wanted", [PAST, in_hours(1)], ids=["past", "soon"])
async def test_an_offer_that_ends_before_it_begins_is_never_valid(connection: AsyncConnection, wanted: str) -> None:
    made = await add_offer(connection, "M1", new(valid_from=in_hours(2)))
    assert (await change(connection, valid_until=wanted)).valid_until == made.valid_from


# -- stock --


async def test_stock_is_added_to_and_taken_out_of_but_never_below_nothing(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new(stock=5))
    await connection.execute(sa.update(offer).values(stock_taken=3))
    assert (await change(connection, add_stock=10)).stock_left == 12
    assert (await change(connection, add_stock=-12)).stock_left == 0
    with pytest.raises(StockTooSmall):
        await change(connection, add_stock=-1)


async def test_an_offer_of_which_none_were_counted_has_a_stock_once_some_are_put_in(
    connection: AsyncConnection,
) -> None:
    assert (await add_offer(connection, "M1", new())).stock_left is None
    assert (await change(connection, add_stock=4)).stock_left == 4


async def test_nothing_is_taken_out_of_a_stock_that_is_not_kept(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new())
    with pytest.raises(StockTooSmall):
        await change(connection, add_stock=-1)


async def test_stock_that_is_added_while_a_piece_is_taken_counts_both(
    engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id="M1", name="M1", name_en="M1")
        await add_offer(connection, "M1", new(stock=1))

    async def add_one() -> None:
        async with transaction(engine) as adding:
            await change(adding, add_stock=1)

    async with transaction(engine) as redeeming:
        await redeeming.execute(sa.update(offer).values(stock_taken=offer.c.stock_taken + 1))
        adding = asyncio.gather(*(add_one() for _ in range(3)))
        await wait_until(lambda: blocked_connection(admin_engine))
    await adding
    async with engine.connect() as connection:
        left = (await connection.execute(sa.select(offer.c.stock_added, offer.c.stock_taken))).one()
    assert tuple(left) == (4, 1)


# -- what residents see --


async def test_only_what_is_valid_now_is_shown_and_what_is_sold_out_says_so(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new("to-come", valid_from=in_hours(1)))
    await add_offer(connection, "M1", new("over", valid_from=in_hours(-2), valid_until=in_hours(-1)))
    await add_offer(connection, "M1", new("sold-out", stock=0))
    await add_offer(connection, "M1", new("endless"))
    page = await shown(connection)
    assert [(each.id, each.stock_left) for each in page.offers] == [("endless", None), ("sold-out", 0)]
    assert page.offers[0].merchant.model_dump() == {"id": "M1", "name": "M1"}


async def test_an_offer_is_to_be_had_at_its_merchants_machines_of_its_kind_or_at_the_shop(
    connection: AsyncConnection,
) -> None:
    await water_at(connection, "M1", "site-2", "site-0")
    await add_machine(connection, machine_id="second", merchant_id="M1", site_id="site-0", kind="water")
    await add_machine(connection, machine_id="other", merchant_id="M1", site_id="site-3", kind="detergent")
    await add_offer(connection, "M1", new("in-shop"))
    await add_offer(connection, "M1", new("water", machine_kind="water"))
    await add_offer(connection, "M2", new("nowhere"))
    page = await shown(connection)
    found = {each.id: ([site.id for site in each.sites], each.site_count) for each in page.offers}
    assert found == {"in-shop": (["site-1"], 1), "water": (["site-0", "site-2"], 2), "nowhere": ([], 0)}
    assert page.offers[0].sites[0].distance_m is None


async def test_the_nearest_comes_first_and_last_what_nobody_has_measured(connection: AsyncConnection) -> None:
    await water_at(connection, "M1", "site-5", "unmeasured")
    await water_at(connection, "M2", "site-0", "site-2")
    await add_offer(connection, "M1", new("far", machine_kind="water"))
    await add_offer(connection, "M1", new("shop"))
    await add_offer(connection, "M2", new("near", machine_kind="water"))
    await add_offer(connection, "M2", new("a-nowhere"))
    page = await shown(connection, HERE)
    assert ids(page) == ["near", "shop", "far", "a-nowhere"]
    assert [(site.id, site.distance_m) for site in page.offers[0].sites] == [("site-0", 0), ("site-2", 222)]
    assert [(site.id, site.distance_m) for site in page.offers[2].sites] == [("site-5", 556), ("unmeasured", None)]


async def test_a_radius_leaves_out_the_sites_beyond_it_and_what_is_only_to_be_had_there(
    connection: AsyncConnection,
) -> None:
    await water_at(connection, "M1", "site-0", "site-2", "unmeasured")
    await add_offer(connection, "M1", new("water", machine_kind="water"))
    await add_offer(connection, "M1", new("shop"))
    for radius_m, expected in ((111, {"water": 1, "shop": 1}), (110, {"water": 1}), (222, {"water": 2, "shop": 1})):
        page = await shown(connection, HERE._replace(radius_m=radius_m))
        assert {each.id: each.site_count for each in page.offers} == expected


@pytest.mark.parametrize(
    ("point", "sites", "radius_m"),
    [
        # Each a little less than the radius away, in one direction.
        ((0.0, 0.0), [(0.0899, 0.0), (-0.0899, 0.0), (0.0, 0.0899), (0.0, -0.0899)], 10_000),
        ((60.0, 100.0), [(60.0, 100.1798), (60.0, 99.8202), (60.0001, 100.1798)], 10_000),
        ((-60.0, 179.95), [(-60.0, -179.9), (-60.0, 179.8)], 10_000),
        ((89.95, 0.0), [(89.97, 180.0), (89.96, 90.0)], 10_000),
    ],
    ids=["equator", "north", "180th degree", "pole"],
)
async def test_no_site_within_the_radius_is_left_out_wherever_it_is(
    connection: AsyncConnection, point: tuple[float, float], sites: list[tuple[float, float]], radius_m: int
) -> None:
    for number, place in enumerate(sites):
        await place_site(connection, f"site-{number}", Position(*place))
    await water_at(connection, "M1", *(f"site-{number}" for number in range(len(sites))))
    await add_offer(connection, "M1", new("water", machine_kind="water"))
    (found,) = (await shown(connection, Around(*point, radius_m))).offers
    assert found.site_count == len(sites)
    assert all(radius_m * 0.2 < (site.distance_m or 0) <= radius_m for site in found.sites)


async def test_of_many_sites_the_nearest_are_shown_and_all_are_counted(connection: AsyncConnection) -> None:
    many = [f"site-{number}" for number in range(SITES_PER_OFFER_MAX + 2)]
    await water_at(connection, "M1", *many)
    await add_offer(connection, "M1", new("water", machine_kind="water"))
    (found,) = (await shown(connection, HERE)).offers
    assert [site.id for site in found.sites] == many[:SITES_PER_OFFER_MAX]
    assert found.site_count == len(many)


async def test_the_list_is_read_page_by_page_also_where_many_are_equally_near(connection: AsyncConnection) -> None:
    for offer_id in ("c", "a", "d", "b"):
        await add_offer(connection, "M1", new(offer_id))
    for offer_id in ("y", "x"):
        await add_offer(connection, "M2", new(offer_id))
    found: list[str] = []
    cursor = None
    while True:
        after = None if cursor is None else decode_offer_cursor(cursor)
        page = await shown(connection, HERE, after=after, limit=1)
        found += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == ["a", "b", "c", "d", "x", "y"]


async def test_the_list_is_of_one_merchant_or_one_kind_of_machine_where_asked(connection: AsyncConnection) -> None:
    await add_offer(connection, "M1", new("shop"))
    await add_offer(connection, "M1", new("water", machine_kind="water"))
    await add_offer(connection, "M2", new("soap", machine_kind="detergent"))
    assert ids(await shown(connection, merchant_id="M1")) == ["shop", "water"]
    assert ids(await shown(connection, machine_kind="detergent")) == ["soap"]
    assert ids(await shown(connection, merchant_id="M2", machine_kind="water")) == []


@pytest.mark.parametrize("here", [(39.1, 117.1), (39.084, 117.201), (-33.86, 151.21), (90.0, 0.0), (-39.1, -62.9)])
async def test_distances_are_great_circles(connection: AsyncConnection, here: tuple[float, float]) -> None:
    await place_site(connection, "site-1", Position(39.1234567, 117.1765432))
    await add_offer(connection, "M1", new())
    (found,) = (await shown(connection, Around(*here, radius_m=None))).offers
    # By the law of cosines, which is another formula for the same.
    latitude, there = math.radians(here[0]), math.radians(39.1234567)
    across = math.radians(117.1765432 - here[1])
    cosine = math.sin(latitude) * math.sin(there) + math.cos(latitude) * math.cos(there) * math.cos(across)
    expected = 6_371_008.8 * math.acos(min(cosine, 1))
    assert found.sites[0].distance_m == pytest.approx(expected, abs=2)
