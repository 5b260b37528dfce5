"""Statements as their merchant reads them, and as operators do."""

import asyncio
import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.db import snapshot, transaction
from service.files import sending
from service.files.sheets import shown_text
from service.settlement import documents, queries, routes
from tests.redemption.calls import Caller
from tests.settlement import history
from tests.settlement.closing import JUNE, MAY, ZONE, capture, close, refund
from tests.world import World, add_shop

PATH = "/v1/merchants/me/statements"


async def test_a_merchant_reads_its_own_statements_and_no_others(
    world: World, engine: AsyncEngine, client: TestClient[Any, Any], shop: str
) -> None:
    await capture(engine, world, 1234, datetime(2026, 5, 20, tzinfo=UTC))
    await close(engine, MAY)
    await capture(engine, world, 5, datetime(2026, 6, 20, tzinfo=UTC))
    await close(engine, JUNE)
    own = Caller(client, shop)
    path = "/v1/merchants/me/statements"
    page = await (await own.get(f"{path}?limit=1")).json()
    assert [each["month"] for each in page["statements"]] == ["2026-06"]
    rest = await (await own.get(f"{path}?limit=1&cursor={page['next_cursor']}")).json()
    assert [each["number"] for each in rest["statements"]] == ["NK-M-01-202605"]
    assert rest["next_cursor"] is None
    # No number, and no cursor, that the database could not even be asked for.
    assert (await own.get(f"{path}/%00")).status == 404
    assert (await own.get(f"{path}?cursor=MjAyNi0xMS0wMSAA")).status == 422
    text = await (await own.get(f"{path}/NK-M-01-202605/lines")).text()
    assert [line["coins"] for line in json.loads(text)["lines"]] == [1234]
    assert str(world.resident_id) not in text
    written = (await (await own.get(f"{path}/NK-M-01-202605/csv")).read()).decode("utf-8-sig")
    assert [row[3] for row in csv.reader(io.StringIO(written))][1:] == ["1234"]
    workbook = await (await own.get(f"{path}/NK-M-01-202605/xlsx")).read()
    assert "xl/worksheets/sheet2.xml" in zipfile.ZipFile(io.BytesIO(workbook)).namelist()
    shown = await (await own.get(f"{path}/NK-M-01-202605/html")).text()
    assert "人民币大写：贰拾肆元陆角陆分" in shown
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    for ending in ("", "/lines", "/csv", "/xlsx", "/html"):
        assert (await other.get(f"{path}/NK-M-01-202605{ending}")).status == 404


async def test_a_name_that_a_spreadsheet_would_compute_stays_a_name(
    world: World, engine: AsyncEngine, shop: str, tmp_path: Path
) -> None:
    await capture(engine, world, 10, datetime(2026, 5, 20, tzinfo=UTC))
    await close(engine, MAY)
    async with snapshot(engine) as connection:
        found = await queries.find_statement(connection, "NK-M-01-202605")
        assert found is not None
        (await documents.write_xlsx(connection, found, ZONE, tmp_path / "statement.xlsx"))()
    with zipfile.ZipFile(tmp_path / "statement.xlsx") as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml") + book.read("xl/worksheets/sheet2.xml")
    assert shown_text("=1+1") == "'=1+1"


async def test_files_tell_the_citys_time_and_what_was_given_back_below_zero(
    world: World, engine: AsyncEngine, shop: str, tmp_path: Path
) -> None:
    # Half past one of the next day in the city.
    early = await capture(engine, world, 101, datetime(2026, 5, 2, 17, 30, tzinfo=UTC))
    await capture(engine, world, 77, datetime(2026, 5, 20, 15, 59, 59, tzinfo=UTC))
    await refund(engine, world, early, 50, datetime(2026, 5, 21, tzinfo=UTC))
    number = (await close(engine, MAY)).number
    async with snapshot(engine) as connection:
        found = await queries.find_statement(connection, number or "")
        assert found is not None
        for ending, document in documents.DOCUMENTS.items():
            (await document.write(connection, found, ZONE, tmp_path / ending))()
    expected = [
        ("2026-05-03 01:30:00", 101, 1500),
        ("2026-05-20 23:59:59", 77, 1999),
        ("2026-05-21 08:00:00", -50, 1500),
    ]
    rows = list(csv.reader(io.StringIO((tmp_path / "csv").read_text("utf-8-sig"))))[1:]
    assert [(row[0], int(row[3]), int(row[4])) for row in rows] == expected
    with zipfile.ZipFile(tmp_path / "xlsx") as book:
        lines = book.read("xl/worksheets/sheet2.xml").decode()
    places = [lines.index(f"<t>{at}</t>") for at, _, _ in expected]
    for place, (_, coins, _) in zip(places, expected, strict=True):
        assert f"<v>{coins}</v>" in lines[place : lines.index("</row>", place)]
    page = (tmp_path / "html").read_text("utf-8")
    # Each rate with what was given back of it, and each day of the city.
    for cells in (
        ("15.00", "101", "−50", "0.765"),
        ("19.99", "77", "0", "1.53923"),
        ("2026-05-03", "101", "0", "101"),
        ("2026-05-20", "77", "0", "77"),
        ("2026-05-21", "0", "−50", "−50"),
    ):
        assert "".join(f"<td>{cell}</td>" for cell in cells) in page


async def test_a_statement_of_what_was_told_too_late_alone_says_so_in_every_file(
    world: World, engine: AsyncEngine, shop: str, tmp_path: Path
) -> None:
    async with transaction(engine) as connection:
        await history.tell_too_late(connection, world.resident_id, 77, datetime(2026, 5, 3, tzinfo=UTC))
    number = (await close(engine, MAY)).number
    async with snapshot(engine) as connection:
        found = await queries.find_statement(connection, number or "")
        assert found is not None
        for ending, document in documents.DOCUMENTS.items():
            (await document.write(connection, found, ZONE, tmp_path / ending))()
    assert len(list(csv.reader(io.StringIO((tmp_path / "csv").read_text("utf-8-sig"))))) == 1
    with zipfile.ZipFile(tmp_path / "xlsx") as book:
        assert "<v>77</v>" in book.read("xl/worksheets/sheet1.xml").decode()
    page = (tmp_path / "html").read_text("utf-8")
    assert "扣款 77 碳币" in page
    # No table without a row.
    assert "按日" not in page


async def test_pages_of_lines_follow_each_other(
    world: World, engine: AsyncEngine, client: TestClient[Any, Any], shop: str
) -> None:
    for coins in (1, 2, 3):
        await capture(engine, world, coins, datetime(2026, 5, 20, tzinfo=UTC))
    await close(engine, MAY)
    own, cursor, found = Caller(client, shop), "", []
    for _ in range(3):
        page = await (await own.get(f"{PATH}/NK-M-01-202605/lines?limit=1{cursor}")).json()
        found += [line["coins"] for line in page["lines"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (found, page["next_cursor"]) == ([1, 2, 3], None)


async def test_operators_read_statements_of_a_month_or_a_merchant_and_nobody_else_does(
    world: World, engine: AsyncEngine, client: TestClient[Any, Any], shop: str
) -> None:
    for month, at in ((MAY, datetime(2026, 5, 20, tzinfo=UTC)), (JUNE, datetime(2026, 6, 20, tzinfo=UTC))):
        await capture(engine, world, 10, at)
        await close(engine, month)
    async with transaction(engine) as connection:
        auditor = Caller(client, await create_api_key(connection, role="auditor", name="审计"))

    async def numbers(query: str) -> list[str]:
        page = await (await auditor.get(f"/v1/statements?{query}")).json()
        return [each["number"] for each in page["statements"]]

    assert await numbers("") == ["NK-M-01-202606", "NK-M-01-202605"]
    assert await numbers("month=2026-05") == ["NK-M-01-202605"]
    assert await numbers("month=2026-05&merchant_id=NK-M-09") == []
    report = "/v1/reports/coins-outstanding?from=2026-05&to=2026-06"
    assert (await auditor.get(report)).status == 200
    for path in ("/v1/statements", report):
        assert (await Caller(client, shop).get(path)).status == 403
        assert (await Caller(client, "tbk_nobody").get(path)).status == 401


async def test_nobody_waits_for_a_turn_who_may_not_have_one(
    world: World, engine: AsyncEngine, client: TestClient[Any, Any], shop: str
) -> None:
    await capture(engine, world, 10, datetime(2026, 5, 20, tzinfo=UTC))
    await close(engine, MAY)
    async with transaction(engine) as connection:
        auditor = Caller(client, await create_api_key(connection, role="auditor", name="审计"))
    own, nobody = Caller(client, shop), Caller(client, "tbk_nobody")
    file, report = f"{PATH}/NK-M-01-202605/csv", "/v1/reports/coins-outstanding?from=2026-05&to=2026-06"
    app = client.app
    assert app is not None
    taken = [app[sending.WRITING]] * sending.WRITING_MAX + [app[routes.REPORTING]] * routes.REPORTING_MAX
    for turns in taken:
        await turns.acquire()
    waiting = [asyncio.ensure_future(caller.get(path)) for caller, path in ((own, file), (auditor, report))]
    assert [(await nobody.get(path)).status for path in (file, report)] == [401, 401]
    assert (await own.get(report)).status == 403
    assert not any(each.done() for each in waiting)
    for turns in taken:
        turns.release()
    assert [(await each).status for each in waiting] == [200, 200]
