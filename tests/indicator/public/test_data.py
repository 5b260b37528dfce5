"""The public page and its data over HTTP: the year so far, and how it is told."""

import json
from datetime import date
from decimal import Decimal
from threading import get_ident
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.indicator import BinCoverage, Coverage, KindCoverage, MissingLine
from service.app import build_app
from service.business_days import business_today
from service.db import transaction
from service.indicator import public_documents, public_publications, public_volumes
from service.indicator.public_page import LICENSE_URL, POLICY, CoverageInWords
from service.indicator.public_sentences import coverage_in_words
from service.indicator.public_words import Named
from service.settings import Settings
from service.tables.places import area
from service.tables.reference import material
from service.tables.volumes import public_volume
from tests.indicator.public.calls import (
    DATA,
    PAGE,
    YEAR,
    Client,
    everything,
    publish,
    rate,
    report,
    rows,
    statements_of,
    text,
    weighed,
)
from tests.indicator.test_publications import Publisher
from tests.world import World


async def test_a_rate_that_is_not_known_says_why(client: Client, first: Publisher) -> None:
    await first.record(period=f"{YEAR + 1}-01", kind="kitchen_treated", grams=1)
    found = (await rate(client))["year_so_far"]
    assert found["rate_percent"] is None
    assert "生活垃圾清运量" in found["reason_zh"]
    assert found["reason_zh"] in await text(client, PAGE)
    assert found["reason_en"] in (await text(client, f"{PAGE}?lang=en")).replace("&#34;", '"')


async def test_only_what_holds_up_the_rate_is_its_reason(client: Client, first: Publisher) -> None:
    """A part that reports beside its district is missed by the coverage, and asked for nothing here."""
    year = YEAR + 1
    await first.record(period=f"{year}-01", grams=1_000)
    await first.record(period=f"{year}-01", kind="kitchen_treated", source="environment", grams=10)
    await first.record(period=f"{YEAR}-01", kind="kitchen_treated", source="works", grams=10)
    await first.record(area="xuefu", period=f"{YEAR}-01", source="street", grams=10)
    found = await rate(client)
    assert "厨余垃圾处理量" in found["year_so_far"]["reason_zh"]
    assert "学府街道" not in found["year_so_far"]["reason_zh"]
    assert "学府街道生活垃圾清运量" in await text(client, PAGE)


async def test_nobody_who_reports_is_named_where_something_is_missing(client: Client, first: Publisher) -> None:
    """Not in the reason, nor in what is projected: sources are as somebody typed them."""
    for month in (1, 2):
        for year in (YEAR, YEAR + 1):
            await first.record(period=f"{year}-{month:02}", source="王老板", kind="cleared", grams=1_000)
    missing = await everything(client)
    assert "王老板" not in missing
    assert (await rate(client))["year_so_far"]["reason_en"].startswith("No rate yet for ")
    for year in (YEAR, YEAR + 1):
        await first.record(period=f"{year}-01", source="王老板", kind="kitchen_treated", grams=100)
        await first.record(period=f"{year}-02", source="王老板", kind="kitchen_treated", grams=100)
    for month in range(3, 13):
        for kind, grams in (("cleared", 1_000), ("kitchen_treated", 100)):
            await first.record(period=f"{YEAR}-{month:02}", source="王老板", kind=kind, grams=grams)
    # Each line can be compared with past years: it is not said that any goes on as it is.
    compared = (await rate(client))["year_so_far"]
    assert compared["how_zh"].startswith("按 ")
    assert "往年无可比数据" not in compared["how_zh"]
    assert "goes on" not in compared["how_en"]
    await first.record(period=f"{YEAR + 1}-01", source="李老板", kind="pickup_recyclables", grams=5)
    exact = await (await first.get("/v1/indicator/outlook", area="nankai", year=YEAR + 1)).json()
    assert "李老板" in exact["projection"]["how_zh"]
    assert "王老板" not in (found := await everything(client))
    assert "李老板" not in found
    assert "往年无可比数据的按已报月份平均推算" in (await rate(client))["year_so_far"]["how_zh"]


async def test_masses_that_contradict_each_other_are_not_told_to_the_gram(
    client: Client, first: Publisher, engine: AsyncEngine
) -> None:
    today = business_today("Asia/Shanghai")
    for kind, grams in (("cleared", 10), ("kitchen_treated", 1_000_000)):
        await first.record(period=f"{today.year}", kind=kind, grams=grams)
    await weighed(engine, "site-1", 50, 100_061_234, month=today.replace(day=1))
    found = (await rate(client))["year_so_far"]
    assert (found["rate_percent"], found["reason_en"]) == (
        None,
        "What is reported gives no rate between 0 and 100%: it has to be checked.",
    )
    assert "61234" not in await everything(client)


async def test_what_still_grows_is_told_in_steps_that_no_drop_makes(
    client: Client, first: Publisher, engine: AsyncEngine
) -> None:
    today = business_today("Asia/Shanghai")
    for kind, grams in (("cleared", 800_000_000), ("kitchen_treated", 200_000_000)):
        await first.record(period=f"{today:%Y-%m}", kind=kind, grams=grams)
    await weighed(engine, "site-1", 50, 100_061_234, month=today.replace(day=1))
    before = await everything(client)
    assert "61234" not in before
    await weighed(engine, "site-2", 1, 2_345, month=today.replace(day=1))
    assert await everything(client) == before
    assert (await rate(client))["months"][-1]["recovered_grams"] == 100_100_000


async def test_what_is_still_needed_is_told_up_to_whole_steps(
    client: Client, first: Publisher, engine: AsyncEngine
) -> None:
    """A drop less to recycle is not seen, unless it is the one that a step ends with."""
    year = YEAR + 1
    for kind, grams in (("cleared", 1_000_000_123), ("kitchen_treated", 100_000_000)):
        await first.record(period=str(year), kind=kind, grams=grams)
    await weighed(engine, "site-1", 50, 61_234, month=date(year, 1, 1))

    async def needed() -> tuple[int, int]:
        exact = await (await first.get("/v1/indicator/outlook", area="nankai", year=year)).json()
        return exact["needed"]["needed_grams"], (await rate(client))["year_so_far"]["needed_grams"]

    exact, told = await needed()
    assert (told % 100_000, exact % 100_000 > 0, 0 < told - exact < 100_000) == (0, True, True)
    await weighed(engine, "site-2", 1, 1_234, month=date(year, 1, 1))
    fewer, still_told = await needed()
    assert (fewer < exact, still_told) == (True, told)


def coverage(share: str, missing: list[MissingLine]) -> CoverageInWords:
    """As the page tells it."""
    kinds = [KindCoverage(kind="cleared", needed=True, share=share, months_present=[], missing=missing)]
    bins = BinCoverage(sites=0, sites_with_volume=0, months_with_volume=[], held_grams=0)
    names = {"xuefu": Named("学府街道", "Xuefu")}
    found = coverage_in_words(Coverage(share=share, kinds=kinds, bins=bins), "2026-01/2026-03", names)
    assert found is not None
    return found


def test_coverage_that_is_not_whole_is_never_said_to_be() -> None:
    assert [coverage(share, []).percent for share in ("0.999999", "0.666667", "1.000000", "0.000000")] == [
        Decimal("99.9"),
        Decimal("66.6"),
        Decimal(100),
        Decimal(0),
    ]


def test_what_is_missing_is_told_by_kind_and_area_and_names_nobody() -> None:
    lines = [
        MissingLine(area="xuefu", source="王老板", material="paper", months=["2026-02"]),
        MissingLine(area="xuefu", source="李老板", material=None, months=["2026-01", "2026-02"]),
        MissingLine(area="elsewhere", source="王老板", material=None, months=["2026-03"]),
    ]
    missing = coverage("0.500000", lines).missing
    assert [each.zh for each in missing] == [
        "学府街道生活垃圾清运量 C：2026 年 1 月、2026 年 2 月",
        "elsewhere生活垃圾清运量 C：2026 年 3 月",
    ]
    assert missing[0].en == "waste cleared (C) of Xuefu: January 2026, February 2026"


def test_no_more_of_what_is_missing_is_told_than_a_person_reads() -> None:
    lines = [MissingLine(area=f"a{each}", source=None, material=None, months=["2026-03"]) for each in range(40)]
    assert len(coverage("0.500000", lines).missing) == 30


async def test_names_do_no_harm(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    evil = "=HYPERLINK(\"http://x\")<script>alert('x')</script>"
    async with transaction(admin_engine) as connection:
        for table, key in ((area, "xuefu"), (area, "nankai"), (material, "paper")):
            await connection.execute(sa.update(table).where(table.c.id == key).values(name=evil, name_en=evil))
    await report(first)
    await first.record(period=f"{YEAR}-01", kind="scrap_station_recyclables", source=evil[:60], grams=5)
    await weighed(engine, "site-1", 50, 61_000)
    await publish(first, second)
    for language in ("zh", "en"):
        page = await text(client, f"{PAGE}?lang={language}")
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    for path in DATA[1:]:
        cells = [cell for row in await rows(client, path) for cell in row.values()]
        assert any(cell == f"'{evil}" for cell in cells)
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


async def test_answers_are_for_everyone_kept_and_known_again(client: Client, world: World) -> None:
    assert world
    for path in (PAGE, *DATA):
        response = await client.get(path)
        assert response.headers["Cache-Control"].startswith("public, max-age=")
        assert response.headers["Link"] == f'<{LICENSE_URL}>; rel="license"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers.get("Access-Control-Allow-Origin") == (None if path == PAGE else "*")
        for known in (response.headers["ETag"], "*"):
            again = await client.get(path, headers={"If-None-Match": known})
            assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", response.headers["ETag"])
        assert (await client.get(path, headers={"If-None-Match": '"another"'})).status == 200
    page = await client.get(f"{PAGE}?lang=en", headers={"Accept-Language": "zh"})
    assert (page.headers["Content-Security-Policy"], page.headers["Content-Language"]) == (POLICY, "en")
    # English only by choice.
    page = await client.get(PAGE, headers={"Accept-Language": "en"})
    assert page.headers["Content-Language"] == "zh-CN"
    assert LICENSE_URL in await page.text()
    assert (await rate(client))["license"]["url"] == LICENSE_URL
    assert {each["license"] for each in await rows(client, f"{PAGE}.csv")} == {"CC-BY-4.0"}
    assert (await (await client.get(f"{PAGE}.csv")).read()).startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?area=atlantis", 404, "area_unknown"),
        ("?area=xuefu", 404, "area_not_public"),
        ("?area=", 422, "validation_failed"),
        ("?colour=red", 422, "validation_failed"),
        ("?area=nankai&area=nankai", 422, "validation_failed"),
    ],
)
async def test_what_is_asked_wrongly_is_told(client: Client, world: World, query: str, status: int, code: str) -> None:
    assert world
    for path in DATA:
        response = await client.get(path + query)
        assert (response.status, (await response.json())["code"]) == (status, code)
        # A script of another site reads it, and not only that something failed.
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    response = await client.get(PAGE + query)
    assert (response.status, response.headers["Content-Security-Policy"]) == (status, POLICY)
    assert response.content_type == "text/html"
    assert "Access-Control-Allow-Origin" not in response.headers
    said = await response.text()
    assert "TANBI_PUBLIC_AREA" in said
    assert {"area_unknown": "没有这个编号的区域", "area_not_public": "公开的是各区的数据"}.get(
        code, "请求的参数不对"
    ) in said


async def test_a_year_without_volumes_and_a_language_that_is_not_there(client: Client, world: World) -> None:
    assert world
    assert await rows(client, "/public/volumes.csv") == []
    assert "none yet" in await text(client, "/public/volumes.csv?year=2024", 404)
    assert "lang" in await text(client, f"{PAGE}?lang=fr", 422)


async def test_which_district_it_is_must_be_said_where_there_are_two(
    client: Client, world: World, engine: AsyncEngine, settings: Settings
) -> None:
    assert world
    assert (await rate(client))["area"]["id"] == "nankai"
    async with transaction(engine) as connection:
        other = {"id": "heping", "parent_id": "tianjin", "kind": "district", "name": "和平区", "name_en": "Heping"}
        await connection.execute(sa.insert(area).values(other))
    assert json.loads(await text(client, DATA[0], 404))["code"] == "public_area_unset"
    page = await text(client, PAGE)
    assert "未设置公开数据的区域" in page
    assert "或设置 TANBI_PUBLIC_AREA" in page
    assert "和平区" in await text(client, f"{PAGE}?area=heping")
    chosen = settings.model_copy(update={"public_area": "heping"})
    async with TestClient(TestServer(build_app(chosen))) as set_up:
        assert (await rate(set_up))["area"]["id"] == "heping"


async def test_the_page_leads_to_its_data(client: Client, first: Publisher, second: Publisher) -> None:
    await report(first)
    await publish(first, second)
    page = await text(client, PAGE)
    for link in (*(f"{path}?area=nankai" for path in DATA[:2]), "/public/publications/1.json"):
        assert f'href="{link}"' in page
        await text(client, link)
    assert 'href="?lang=en&amp;area=nankai"' in page
    assert "/public/recycling-rate" in await text(client, "/")


async def test_a_minute_s_requests_reach_the_database_once(
    engine: AsyncEngine, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 60)
    async with TestClient(TestServer(build_app(settings))) as client:
        await text(client, PAGE)
        with statements_of(client) as statements:
            for path in (PAGE, f"{PAGE}?lang=en", *DATA, f"{PAGE}?area=atlantis", f"{PAGE}?area=xuefu"):
                await client.get(path)
    assert [each for each in statements if "area" in each] == []


async def test_what_takes_as_long_as_there_is_much_is_made_beside_the_loop(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the loop bins would wait for it."""
    threads: dict[str, set[int]] = {}

    def watched(module: ModuleType, name: str) -> None:
        made = getattr(module, name)

        def make(*arguments: Any, **more: Any) -> Any:
            threads.setdefault(name, set()).add(get_ident())
            return made(*arguments, **more)

        monkeypatch.setattr(module, name, make)

    watched(public_volumes, "shown_volumes")
    watched(public_publications, "public_record")
    for name in ("make_public", "make_year", "documents_of", "volumes_csv"):
        watched(public_documents, name)
    await report(first)
    await publish(first, second)
    await weighed(engine, "site-1", 50, 61_000)
    async with transaction(engine) as connection:
        old = {"district_id": "nankai", "month": date(2020, 5, 1), "area_id": "nankai", "material_id": ""}
        await connection.execute(sa.insert(public_volume).values(**old, grams=4_321))
    for path in (DATA[0], f"{DATA[2]}?year=2020", "/public/publications/1.json"):
        await text(client, path)
    made = {"shown_volumes", "public_record", "make_public", "make_year", "documents_of", "volumes_csv"}
    assert set(threads) == made
    assert get_ident() not in set().union(*threads.values())
