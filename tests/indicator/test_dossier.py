"""The dossier over HTTP: its workbook read back and set beside the API's own figures, and its page."""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.stations import NewStation
from service.api_keys import create_api_key
from service.business_days import business_today
from service.db import transaction
from service.files import sending
from service.files.sheets import XLSX_TYPE
from service.indicator.dossier_workbook import INPUT_HEADER, SHEETS
from service.indicator.stations import add_station
from service.tables.indicator import indicator_input
from tests.indicator.calls import TONNE, Caller, a_document, weigh
from tests.indicator.dossier_year import SUBDISTRICTS, plant_year
from tests.indicator.test_publications import Publisher
from tests.indicator.test_routes import problem
from tests.workbooks import Row, read_book

DOSSIER = "/v1/indicator/dossier"
SUMMARY, METHOD, MONTHLY, AREAS, INPUTS, RESTATEMENTS, CHECKS = SHEETS
Client = TestClient[Any, Any]
Sheets: TypeAlias = dict[str, list[Row]]
Open: TypeAlias = Callable[..., Awaitable[Sheets]]


@pytest.fixture
def first(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["operator"])


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])


@pytest.fixture
def opened(first: Publisher, tmp_path: Path) -> Open:
    async def read(area: str = "nankai", year: int = 2025) -> Sheets:
        response = await first.get(DOSSIER, area=area, year=str(year), format="xlsx")
        assert response.status == 200, await response.text()
        assert response.content_type == XLSX_TYPE
        assert response.headers["Content-Disposition"] == f'attachment; filename="{area}-{year}.xlsx"'
        path = tmp_path / "dossier.xlsx"
        path.write_bytes(await response.read())
        sheets = read_book(path)
        assert tuple(sheets) == SHEETS
        return sheets

    return read


async def shown(caller: Caller, area: str = "nankai", year: int = 2025) -> str:
    """The page."""
    response = await caller.get(DOSSIER, area=area, year=str(year), format="html")
    assert response.status == 200, await response.text()
    assert (response.content_type, response.charset) == ("text/html", "utf-8")
    assert response.headers["Content-Disposition"] == f'inline; filename="{area}-{year}.html"'
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    page = await response.text()
    assert "<script" not in page
    assert "http://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    return page


def said(sheets: Sheets, name: str = SUMMARY) -> dict[str, str]:
    """Values by their label in Chinese."""
    return {str(label).split(" ")[0]: str(value) for label, value, *_ in sheets[name][1:]}


def by_first(rows: list[Row]) -> dict[Any, dict[str, Any]]:
    """Each row by its first cell, as cells by their column's head."""
    head, *rest = rows
    return {row[0]: dict(zip(map(str, head), row + [""] * len(head), strict=False)) for row in rest}


def grams_of(row: dict[str, Any]) -> list[Any]:
    """Of each quantity: with the tonnes beside it, which are the same mass."""
    heads = [head for head in row if head.endswith("（克）")]
    for head in heads:
        in_tonnes = row[head.replace("（克）", "（吨）")]
        assert (row[head], in_tonnes) == ("", "") or row[head] == round(in_tonnes * TONNE)
    return [row[head] for head in heads]


async def test_the_workbook_has_the_figures_of_the_api(
    first: Publisher, second: Publisher, engine: AsyncEngine, opened: Open
) -> None:
    await plant_year(engine)
    published = await second.published(await first.proposed())
    sheets = await opened()
    year = await first.rate()
    head = said(sheets)
    assert head["公布值"] == f"{year['rate_percent']}%" == head["按现有数据重算"]
    assert head["公布编号"] == "第 1 号"
    assert head["数据摘要（SHA-256）"] == published["digest"]
    assert head["与公布值一致"] == "是 yes"
    assert head["提案人"].startswith("operator，")
    assert head["公布人"].startswith("admin，")
    assert head["分子（克）"] == year["numerator_grams"]
    assert head["目标"] == "35.00%"
    lacking = Fraction(35, 100) * int(year["denominator_grams"]) - int(year["numerator_grams"])
    told = Fraction(head["产生量不变时还需回收（吨）"].replace(",", "")) * TONNE
    assert 0 <= told - lacking < 1
    rows = by_first([row[1:] for row in sheets[MONTHLY]])
    for period in ("2025-01", "2025-09", "2025-10", "2025-Q2", "2025-Q3", "2025"):
        answer = await first.rate(period=period)
        masses = [int(each["recorded_grams"]) for each in answer["quantities"]]
        assert [each or 0 for each in grams_of(rows[period])] == masses
        if answer["rate"] is None:
            assert rows[period]["比率 Rate"] == ""
        else:
            assert rows[period]["比率 Rate"] == float(Decimal(answer["rate_percent"]) / 100)
            exact = f"{answer['numerator_grams']}/{answer['denominator_grams']}"
            assert rows[period]["精确商（克/克）Exact quotient"] == exact
    # Of the last quarter, which was reported as one, no month is known.
    assert rows["2025-10"]["说明 Note"].startswith("2025-10 无法计算")
    parts = by_first(sheets[AREAS])
    assert {*SUBDISTRICTS, "", "nankai"} == parts.keys()
    for area in ("gulou", "huayuan", "nankai"):
        answer = await first.rate(area=area)
        assert grams_of(parts[area]) == [int(each["grams"]) for each in answer["quantities"]]
        assert parts[area]["比率 Rate"] == float(Decimal(answer["rate_percent"]) / 100)
        coverage = answer["coverage"]
        assert parts[area]["覆盖率 Coverage"] == f"{float(coverage['share']) * 100:.2f}%"
        assert parts[area]["投放点 Sites"] == coverage["bins"]["sites"]
    columns = zip(*(grams_of(row) for area, row in parts.items() if area != "nankai"), strict=True)
    assert [sum(each or 0 for each in column) for column in columns] == grams_of(parts["nankai"])


async def test_every_input_is_there_with_its_source_and_what_became_of_it(
    first: Publisher, second: Publisher, engine: AsyncEngine, opened: Open
) -> None:
    await plant_year(engine)
    wrong = await first.record(area="xuefu", kind="other_recyclables", source="学校", grams=1)
    right = await first.record(area="xuefu", kind="other_recyclables", source="学校", grams=2)
    await second.published(await first.proposed())
    late = await first.record(kind="yard_recyclables", source="分拣场", grams=77)
    rows = by_first((await opened())[INPUTS])
    ids = {one["id"] for each in (await first.rate())["quantities"] for one in each["inputs"] if one["id"] is not None}
    statuses = {name: str(row["状态 Status"]) for name, row in rows.items() if name}
    assert {name for name, status in statuses.items() if status == "计入 counted"} == ids
    assert statuses[wrong["id"]] == "已被代替 superseded"
    assert statuses[late["id"]] == "未计入 not counted"
    assert "同一物流已计入" in rows[late["id"]]["原因 Why"]
    assert [rows[each["id"]]["用于公布 In the publication"] for each in (wrong, right, late)] == [
        "否 no",
        "是 yes",
        "否 no",
    ]
    row = rows[right["id"]]
    assert row["文件 Document"] == right["document"]["name"]
    assert (row["文件日期 Date"], row["文件摘要 SHA-256"]) == (right["document"]["date"], right["document"]["sha256"])
    assert (row["录入人 Recorded by"], row["版本 Version"], row["克 Grams"]) == ("operator", 2, 2)
    assert rows[""]["文件 Document"] == "称重事件累计 weigh events"
    async with transaction(engine) as connection:
        stored = (await connection.execute(sa.select(sa.func.count()).select_from(indicator_input))).scalar_one()
    assert len([name for name in rows if name]) == stored


async def test_restatements_stand_in_a_chain_and_changes_since_are_told(
    first: Publisher, second: Publisher, engine: AsyncEngine, opened: Open
) -> None:
    await first.record(grams=600 * TONNE)
    await first.record(kind="kitchen_treated", grams=190 * TONNE)
    await second.published(await first.proposed())
    await first.record(kind="pickup_recyclables", source="上门", grams=10 * TONNE)
    changed = await opened()
    assert said(changed)["与公布值一致"].startswith("否")
    assert "不一致" in await shown(first)
    again = await second.published(await first.proposed(restates=1, reason="=上门补报"))
    sheets = await opened()
    assert said(sheets)["公布编号"] == "第 2 号，代替第 1 号"
    old, new = (row for name, row in by_first(sheets[RESTATEMENTS]).items())
    assert (old["被代替 Restated by"], new["代替 Restates"], new["重述原因 Reason"]) == (2, 1, "'=上门补报")
    assert new["差（百分点）Difference, points"] == float(again["restates"]["difference_percentage_points"])
    assert (old["摘要 SHA-256"], new["摘要 SHA-256"]) != ("", "")
    checks = sheets[CHECKS]
    assert checks[1][0] == "第 2 号公布 publication 2"
    assert {row[3] for row in checks[1:]} == {"是 yes"}
    page = await shown(first)
    assert "差 +" in page
    assert "项全部一致" in page


async def test_the_verdict_is_of_the_published_figure_and_not_of_what_was_recorded_since(
    first: Publisher, second: Publisher, opened: Open
) -> None:
    """Published 34 %, of a target of 35 %; then an input makes it 36 % of today's."""
    await first.record(grams=600 * TONNE)
    await first.record(kind="kitchen_treated", grams=204 * TONNE)
    await second.published(await first.proposed())
    await first.record(kind="kitchen_treated", grams=216 * TONNE, document=a_document(sha256="7a" * 32))
    head = said(await opened())
    assert (head["公布值"], head["按现有数据重算"]) == ("34.00%", "36.00%")
    assert head["达标"].startswith("未达标")


async def test_a_stored_input_that_was_tampered_with_is_told(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine, opened: Open
) -> None:
    cleared = await first.record(grams=600 * TONNE)
    await first.record(kind="kitchen_treated", grams=190 * TONNE)
    await second.published(await first.proposed())
    async with admin_engine.begin() as connection:
        await connection.execute(
            sa.update(indicator_input).where(indicator_input.c.id == cleared["id"]).values(grams=500 * TONNE)
        )
    checks = by_first((await opened())[CHECKS])
    assert checks["第 1 号公布 publication 1"]["一致 Equal"] == "否 no"
    assert checks[f"input {cleared['id']}"]["一致 Equal"] == "否 no"
    assert "项中有不一致" in await shown(first)


async def test_a_year_without_anything_is_not_published_and_says_why_there_is_no_rate(
    first: Publisher, opened: Open
) -> None:
    sheets = await opened()
    head = said(sheets)
    assert (head["公布值"], head["按现有数据重算"]) == ("尚未发布 not published", "–")
    assert "生活垃圾清运量 C缺 南开区" in head["无法计算的原因"]
    assert sheets[RESTATEMENTS][1][0] == sheets[CHECKS][1][0] == "尚未发布"
    assert sheets[INPUTS] == [list(INPUT_HEADER)]
    page = await shown(first)
    assert "尚未发布" in page
    assert "本年没有计入的数据" in page
    assert "<svg" not in page.split("四、分区数据")[0]


async def test_inputs_that_contradict_each_other_are_told(first: Publisher, opened: Open) -> None:
    await first.record(grams=5)
    await first.record(kind="kitchen_treated", grams=6)
    assert "数据矛盾" in said(await opened())["无法计算的原因"]
    assert "数据矛盾" in await shown(first)


async def test_an_area_without_parts_says_so(first: Publisher, opened: Open) -> None:
    await first.record(area="gulou-1", grams=5)
    sheets = await opened("gulou-1")
    assert [row[0] for row in sheets[AREAS][1:]] == ["gulou-1"]
    assert "没有下级区域" in await shown(first, "gulou-1")


async def test_a_proposal_that_waits_is_told(first: Publisher, opened: Open) -> None:
    await first.record(grams=600 * TONNE)
    await first.record(kind="kitchen_treated", grams=210 * TONNE)
    await first.proposed()
    head = said(await opened())
    assert head["公布值"] == "尚未发布 not published"
    assert head["待公布的提案"].startswith("35.00%，operator")
    assert head["达标"] == "达标 met"


async def test_the_year_that_runs_is_a_draft_and_one_that_has_not_begun_has_none(
    first: Publisher, opened: Open
) -> None:
    this_year = business_today("Asia/Shanghai").year
    assert "草稿" in said(await opened(year=this_year))["年度"]
    assert "不能用于公布" in await shown(first, year=this_year)
    later = await first.get(DOSSIER, area="nankai", year=str(this_year + 1), format="html")
    assert await problem(later) == (422, "validation_failed", ["/year"])


async def test_the_dossier_is_by_the_formula_that_was_published(
    first: Publisher, second: Publisher, opened: Open
) -> None:
    await first.record(kind="generated", grams=1000)
    await first.record(kind="kitchen_treated", grams=100)
    await first.record(kind="station_recyclables", source="站", grams=200)
    await first.record(kind="pickup_recyclables", source="上门", grams=150)
    await second.published(await first.proposed(formula="cn.generated", counted_at="station"))
    sheets = await opened()
    assert said(sheets)["公布值"] == "30.00%"
    method = said(sheets, METHOD)
    assert method["公式编号"] == "cn.generated，第 1 版"
    assert method["上门回收量"].startswith("不计：同一物流已计入回收站接收量，本年 0.000150 吨")
    assert method["回收站接收量"] == "计入"
    statuses = {row["类别代码 Kind"]: row["状态 Status"] for row in by_first(sheets[INPUTS]).values()}
    assert statuses["station_recyclables"] == "计入 counted"
    assert statuses["pickup_recyclables"] == "未计入 not counted"


async def test_what_looks_like_a_formula_stays_text(first: Publisher, opened: Open) -> None:
    document = {"name": "@SUM(A1)", "date": "2026-01-15", "sha256": "5e" * 32}
    found = await first.record(source='=HYPERLINK("x")', grams=5, document=document)
    row = by_first((await opened())[INPUTS])[found["id"]]
    assert (row["来源 Source"], row["文件 Document"]) == ('\'=HYPERLINK("x")', "'@SUM(A1)")
    page = await shown(first)
    assert "=HYPERLINK(&#34;x&#34;)" in page


async def test_of_two_figures_of_a_year_it_is_the_one_by_the_districts_formula(
    first: Publisher, second: Publisher, opened: Open
) -> None:
    await first.record(grams=600)
    await first.record(kind="kitchen_treated", grams=100)
    await second.published(await first.proposed(formula="cn.generated"))
    assert said(await opened(), METHOD)["公式编号"] == "cn.generated，第 1 版"
    await second.published(await first.proposed())
    sheets = await opened()
    assert said(sheets, METHOD)["公式编号"] == "cn.cleared_plus_recovered，第 1 版"
    assert said(sheets)["公布编号"] == "第 2 号"


async def test_what_bins_weighed_does_not_count_at_the_yard(
    first: Publisher, second: Publisher, engine: AsyncEngine, opened: Open
) -> None:
    async with transaction(engine) as connection:
        await weigh(connection, date(2025, 3, 1), 400)
    for kind in ("cleared", "kitchen_treated", "yard_recyclables"):
        await first.record(kind=kind, grams=100)
    for way, status in (("yard", "未计入 not counted"), ("origin", "计入 counted")):
        restated = {} if way == "yard" else {"restates": 1, "reason": "口径"}
        await second.published(await first.proposed(counted_at=way, **restated))
        assert by_first((await opened())[INPUTS])[""]["状态 Status"] == status


async def test_changes_that_cancel_out_are_told(first: Publisher, second: Publisher, opened: Open) -> None:
    await first.record(grams=600)
    await first.record(kind="kitchen_treated", grams=100)
    await second.published(await first.proposed())
    assert said(await opened())["与公布值一致"] == "是 yes"
    await first.record(grams=600, document=a_document(sha256="7c" * 32))
    assert said(await opened())["与公布值一致"].startswith("数值相同，但公布后所依据的数据有变更")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (DOSSIER, {"area": "nankai", "year": "2025", "format": "html"}),
        ("/v1/indicator/imports/template", {"format": "csv"}),
    ],
)
async def test_no_other_key_opens_what_is_for_operators(
    path: str, query: dict[str, str], client: Client, keys: dict[str, str], engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        station = NewStation(id="NK-S-01", area="xuefu-1", name="站", name_en="Station", reports_from="2025-01")
        await add_station(connection, station)
        of_station = await create_api_key(connection, role="station", name="王老板", station_id="NK-S-01")
    for token, status in (("anything", 401), (keys["viewer"][:-1] + "!", 401), (of_station, 403)):
        assert (await Caller(client, token).get(path, **query)).status == status
    assert (await Caller(client, keys["viewer"]).get(path, **query)).status == 200


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor", "admin"])
async def test_every_operator_may_have_it(role: str, client: Client, keys: dict[str, str]) -> None:
    await shown(Caller(client, keys[role]))


async def test_nobody_waits_for_a_turn_who_may_not_have_one(client: Client, first: Publisher) -> None:
    app = client.app
    assert app is not None
    for _ in range(sending.WRITING_MAX):
        await app[sending.WRITING].acquire()
    parameters = {"area": "nankai", "year": "2025", "format": "xlsx"}
    assert (await client.get(DOSSIER, params=parameters)).status == 401
    refused = await first.get(DOSSIER, **parameters | {"format": "pdf"})
    assert await problem(refused) == (422, "validation_failed", ["/format"])
    for _ in range(sending.WRITING_MAX):
        app[sending.WRITING].release()
    assert await problem(await first.get(DOSSIER, **parameters | {"area": "nowhere"})) == (404, "area_unknown", [])
