"""The public page and its data over HTTP: what is shown, and what is not."""

import asyncio
import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.business_days import business_today
from service.db import transaction
from service.indicator import public_documents
from service.indicator.public_once import Once
from service.indicator.public_page import LICENSE_URL, POLICY
from service.keys import ENGINE
from service.settings import Settings
from service.tables.places import area
from service.tables.reference import material
from service.tables.volumes import public_volume, volume, volume_month
from tests.indicator.calls import a_document
from tests.indicator.test_publications import Publisher
from tests.world import World

Client = TestClient[Any, Any]

PAGE = "/public/recycling-rate"
DATA = (f"{PAGE}.json", f"{PAGE}.csv", "/public/volumes.csv")
YEAR = business_today("Asia/Shanghai").year - 1
MARCH = date(YEAR, 3, 1)


@pytest.fixture(autouse=True)
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request sees what there is: that a minute is waited is tested by itself."""
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 0)


@pytest.fixture
def first(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["operator"])


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])


async def weighed(
    engine: AsyncEngine, site_id: str, drops: int, grams: int, *, month: date = MARCH, material_id: str = "paper"
) -> None:
    """As folding would add it to the volumes."""
    row = {"site_id": site_id, "material_id": material_id, "source": "bin", "grams": grams, "drops": drops}
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(volume).values(day=month, **row))
        of_month = {**row, "held_grams": 0, "held_drops": 0}
        await connection.execute(sa.insert(volume_month).values(month=month, **of_month))


async def text(client: Client, path: str, status: int = 200) -> str:
    response = await client.get(path)
    assert response.status == status, await response.text()
    return await response.text()


async def rate(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await text(client, f"{PAGE}.json"))
    return found


async def rows(client: Client, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await text(client, path)).removeprefix("\ufeff"))))


async def everything(client: Client) -> str:
    return "\n".join([await text(client, path) for path in (PAGE, f"{PAGE}?lang=en", *DATA)])


async def publish(first: Publisher, second: Publisher, **changes: Any) -> dict[str, Any]:
    return await second.published(await first.proposed(period=str(YEAR), **changes))


async def report(first: Publisher) -> None:
    """All that a year needs: 30 %."""
    await first.record(period=str(YEAR), grams=170_000_000)
    await first.record(period=str(YEAR), kind="kitchen_treated", grams=30_000_000)
    await first.record(period=str(YEAR), kind="pickup_recyclables", grams=30_000_000)


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


async def test_what_is_shown_of_a_subdistrict_is_all_of_it(client: Client, world: World, engine: AsyncEngine) -> None:
    """As the record of a publication has it: so the two tell no more than one."""
    assert world
    for site_id, material_id, drops, grams in (
        ("site-1", "paper", 50, 61_000),
        ("site-1", "metal", 4, 7_771_327),
        ("site-2", "metal", 30, 20_000),
    ):
        await weighed(engine, site_id, drops, grams, material_id=material_id)
    volumes = (await rate(client))["volumes"]
    assert {each["id"]: each["grams"] for each in volumes["by_area"] if each["kind"] == "subdistrict"} == {
        "xuefu": 7_832_327,
        "gulou": 20_000,
    }
    assert "7771327" not in await everything(client)


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


async def test_a_proposal_is_nowhere_and_a_published_figure_is_there_with_its_digest(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    proposal = await first.proposed(period=str(YEAR))
    found = await rate(client)
    assert (found["published"], found["history"]) == (None, [])
    assert proposal["digest"] not in await everything(client)
    assert "尚未发布" in await text(client, PAGE)
    await text(client, "/public/publications/1.json", 404)
    await second.published(proposal)
    found = await rate(client)
    assert (found["published"]["number"], found["published"]["rate_percent"]) == (1, "30.00")
    assert found["published"] == found["history"][0]
    response = await client.get(found["published"]["record"])
    body = await response.read()
    assert hashlib.sha256(body).hexdigest() == found["published"]["digest"] == proposal["digest"]
    assert body.decode() == proposal["record_text"]
    # Who proposed and published is nowhere in it.
    assert not {"operator", "admin"} & set(body.decode().split('"'))
    assert "30.00%" in await text(client, PAGE)


async def test_of_a_year_with_figures_by_two_formulas_the_districts_stands(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    await publish(first, second)
    await first.record(period=str(YEAR), kind="residue_share", grams=None, ppm=500_000)
    await publish(first, second, formula="cn.net_residue")
    found = await rate(client)
    assert [(each["number"], each["formula"]) for each in found["history"]] == [
        (2, "cn.net_residue"),
        (1, "cn.cleared_plus_recovered"),
    ]
    assert (found["published"]["number"], found["published"]["rate_percent"]) == (1, "30.00")
    assert found["formula"]["id"] == "cn.cleared_plus_recovered"


async def test_a_restated_figure_is_told_with_both_numbers(client: Client, first: Publisher, second: Publisher) -> None:
    await report(first)
    await publish(first, second)
    await first.record(period=str(YEAR), grams=130_000_000, document=a_document(sha256="7b" * 32))
    await publish(first, second, restates=1, reason="typed wrongly")
    found = await rate(client)
    new, old = found["history"]
    assert (new["number"], new["rate_percent"], new["restated_by"]) == (2, "37.50", None)
    assert new["restates"] == {"number": 1, "rate_percent": "30.00", "difference_percentage_points": "+7.5000"}
    assert (old["number"], old["restated_by"], found["published"]["number"]) == (1, 2, 2)
    for language, words in (("zh", "更正第 1 号发布（原为 30.00%），相差 +7.50"), ("en", "by +7.50 percentage points")):
        assert words in await text(client, f"{PAGE}?lang={language}")
    told = {each["publication"]: each for each in await rows(client, f"{PAGE}.csv") if each["publication"]}
    assert (told["1"]["status"], told["1"]["restated_by"], told["2"]["status"]) == ("superseded", "2", "published")


async def test_a_record_that_tells_of_few_drops_or_of_no_district_is_not_public(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-1", 50, 61_000)
    await weighed(engine, "site-3", 3, 7_771_327)
    published = await publish(first, second)
    assert "7771327" in published["record_text"]
    refused = json.loads(await text(client, "/public/publications/1.json", 404))
    assert refused["code"] == "publication_withheld"
    # Once the volumes are shown it depends on them: gulou has too few.
    await rate(client)
    await text(client, "/public/publications/1.json", 404)
    assert "7771327" not in await everything(client)
    for number in ("2", "01", "1e3", "-1", "١", "9" * 30):
        refused = json.loads(await text(client, f"/public/publications/{number}.json", 404))
        assert refused["code"] == "publication_unknown"
    for kind, grams in (("cleared", 10), ("kitchen_treated", 1)):
        await first.record(area="tianjin", period=str(YEAR - 1), kind=kind, grams=grams)
    await second.published(await first.proposed(area="tianjin", period=str(YEAR - 1)))
    await text(client, "/public/publications/2.json", 404)


async def test_a_record_of_months_that_are_shown_is_public(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-1", 50, 61_000)
    await weighed(engine, "site-3", 20, 7_771_327)
    await publish(first, second)
    await text(client, "/public/publications/1.json", 404)
    await rate(client)
    assert "7771327" in await text(client, "/public/publications/1.json")


async def test_a_record_with_a_drop_more_than_was_shown_is_not_public(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-1", 50, 61_000)
    await rate(client)
    await weighed(engine, "site-1", 1, 1_234, material_id="metal")
    published = await publish(first, second)
    assert "62234" in published["record_text"]
    refused = json.loads(await text(client, "/public/publications/1.json", 404))
    assert refused["code"] == "publication_withheld"


async def test_a_record_with_what_bins_weighed_elsewhere_on_the_way_is_not_public(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await first.record(period=str(YEAR), kind="yard_recyclables", grams=30_000_000)
    await weighed(engine, "site-1", 3, 7_771_327)
    await rate(client)
    published = await publish(first, second, counted_at="yard")
    assert "7771327" in published["record_text"]
    await text(client, "/public/publications/1.json", 404)


async def test_a_record_with_what_is_held_is_not_public(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-1", 50, 61_000)
    async with transaction(engine) as connection:
        await connection.execute(sa.text("UPDATE volume_month SET held_grams = 2345, held_drops = 1"))
    await rate(client)
    published = await publish(first, second)
    assert '"held_grams":2345' in published["record_text"]
    await text(client, "/public/publications/1.json", 404)


async def test_a_target_that_is_missed_by_less_than_is_shown_is_missed(
    client: Client, first: Publisher, second: Publisher
) -> None:
    """(20 + 14.996) ÷ (80 + 20) = 34.996 %, which is shown as 35.00 %."""
    for kind, grams in (("cleared", 80_000_000), ("kitchen_treated", 14_996_000), ("pickup_recyclables", 20_000_000)):
        await first.record(period=str(YEAR), kind=kind, grams=grams)
    await publish(first, second)
    page = await text(client, f"{PAGE}?lang=en")
    assert "35.00%" in page
    assert "is met" not in page
    assert "0.0040" in page


async def test_a_rate_that_is_not_known_says_why(client: Client, first: Publisher) -> None:
    await first.record(period=f"{YEAR + 1}-01", kind="kitchen_treated", grams=1)
    found = (await rate(client))["year_so_far"]
    assert found["rate_percent"] is None
    assert "生活垃圾清运量" in found["reason_zh"]
    assert found["reason_zh"] in await text(client, PAGE)
    assert found["reason_en"] in (await text(client, f"{PAGE}?lang=en")).replace("&#34;", '"')


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
        again = await client.get(path, headers={"If-None-Match": response.headers["ETag"]})
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
        assert json.loads(await text(client, path + query, status))["code"] == code
    response = await client.get(PAGE + query)
    assert (response.status, response.headers["Content-Security-Policy"]) == (status, POLICY)
    assert response.content_type == "text/html"
    assert "TANBI_PUBLIC_AREA" in await response.text()


async def test_a_year_without_volumes_and_a_language_that_is_not_there(client: Client, world: World) -> None:
    assert world
    assert await rows(client, "/public/volumes.csv") == []
    assert "none yet" in await text(client, "/public/volumes.csv?year=2024", 404)
    assert "lang" in await text(client, f"{PAGE}?lang=fr", 422)


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


async def test_many_who_ask_are_one() -> None:
    made: list[str] = []
    now = [0.0]
    once: Once[str, str] = Once(60, 2, clock=lambda: now[0])

    async def make() -> str:
        made.append("thing")
        await asyncio.sleep(0)
        return f"thing {len(made)}"

    asked = [asyncio.ensure_future(once.get("a", make)) for _ in range(9)]
    await asyncio.sleep(0)
    # Who goes away does not take it from the others.
    asked[0].cancel()
    assert set(await asyncio.gather(*asked[1:])) == {"thing 1"}
    now[0] = 59.9
    assert await once.get("a", make) == "thing 1"
    now[0] = 60.0
    assert await once.get("a", make) == "thing 2"
    for key in ("b", "c"):
        await once.get(key, make)
    # Two are kept: the oldest is gone.
    assert await once.get("a", make) == "thing 5"
    await once.close()


async def test_a_failure_is_told_to_all_who_wait_and_is_not_kept() -> None:
    once: Once[str, str] = Once(60, 2)
    failing = True

    async def make() -> str:
        await asyncio.sleep(0)
        if failing:
            raise TimeoutError
        return "made"

    told = await asyncio.gather(*(once.get("a", make) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [TimeoutError] * 3
    failing = False
    assert await once.get("a", make) == "made"


async def test_a_minute_s_requests_reach_the_database_once(
    engine: AsyncEngine, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 60)
    statements: list[str] = []
    async with TestClient(TestServer(build_app(settings))) as client:
        await text(client, PAGE)
        app = client.app
        assert app is not None

        @sa.event.listens_for(app[ENGINE].sync_engine, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        for path in (PAGE, f"{PAGE}?lang=en", *DATA, f"{PAGE}?area=atlantis", f"{PAGE}?area=xuefu"):
            await client.get(path)
    assert [each for each in statements if "area" in each] == []
