"""Sheets of inputs over HTTP: what each row does, all or nothing, each file once."""

import asyncio
import hashlib
import json
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.imports import CSV_TYPE, XLSX_TYPE
from service.app import build_app
from service.db import transaction
from service.indicator import inputs
from service.indicator.importing import imports, reading
from service.indicator.importing.columns import COLUMNS
from service.indicator.importing.deciding import Deciding
from service.indicator.importing.reading import Read
from service.indicator.importing.template import NOTES
from service.indicator.queries import lock_inputs
from service.indicator.recording import Effect
from service.settings import Settings
from service.tables.indicator import indicator_import, indicator_input
from service.tables.reference import material
from tests.indicator.calls import INPUTS, TONNE, Caller, an_input
from tests.indicator.importing.sheets import row, xlsx_file, xlsx_with
from tests.indicator.sheets_sent import IMPORTS, plain, plain_sheet, refusals, send, send_workbook, sent, sheet
from tests.indicator.test_routes import problem, stored

Client = TestClient[Any, Any]
TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()


async def imported(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        count: int = (await connection.execute(sa.select(sa.func.count()).select_from(indicator_import))).scalar_one()
        return count


async def listed(operator: Caller, **query: str) -> list[dict[str, Any]]:
    response = await operator.get(INPUTS, **query)
    assert response.status == 200, await response.text()
    found: list[dict[str, Any]] = (await response.json())["inputs"]
    return found


async def test_each_row_is_recorded_with_its_document_and_the_amount_as_written(operator: Caller) -> None:
    body = sheet(
        row(),
        row(
            area="学府街道", kind="厨余垃圾处理量", amount="1,234.5", document="", document_date="", document_sha256=""
        ),
    )
    answer = await sent(operator, body)
    digest = hashlib.sha256(body).hexdigest()
    assert (answer["sha256"], answer["rows"], answer["dry_run"]) == (digest, 2, False)
    assert answer["counts"] == {"new": 2, "correction": 0, "unchanged": 0, "withdrawal": 0, "errors": 0}
    second, first = await listed(operator, import_id=answer["import_id"])
    assert (first["area"], first["grams"], first["entered"]) == ("nankai", 12_500_000, "12.5 t")
    assert first["document"] == {"name": "三月台账", "date": "2025-03-31", "sha256": "ab" * 32}
    assert (second["area"], second["kind"], second["grams"]) == ("xuefu", "kitchen_treated", 1234_500_000)
    # Where no document is named, it is the file.
    assert second["document"] == {"name": "三月.csv", "date": TODAY, "sha256": digest}
    assert {each["import_id"] for each in (first, second)} == {answer["import_id"]}
    assert first["recorded_by"] == "operator"


async def test_a_dry_run_says_who_owes_which_months_once_the_sheet_is_imported(operator: Caller) -> None:
    def of(source: str, *months: int, area: str = "nankai", amount: str = "5") -> bytes:
        return plain_sheet(
            *(plain(area=area, source=source, period=f"2024-{month:02}", amount=amount) for month in months)
        )

    # Nobody knew any month: nothing is taken away.
    assert (await sent(operator, of("office", *range(1, 13))))["newly_due"] == []
    second = of("river", 3, 4)
    owed = {
        "kind": "cleared",
        "area": "nankai",
        "source": "river",
        "material": None,
        "months": [f"2024-{month:02}" for month in (1, 2, *range(5, 13))],
    }
    assert (await sent(operator, second, dry_run="true"))["newly_due"] == [owed]
    assert (await sent(operator, second))["newly_due"] == [owed]
    # A part that reports beside the area owes nothing, nor does who corrects; whoever withdraws all owes nothing more.
    assert (await sent(operator, of("road", 3, area="xuefu"), dry_run="true"))["newly_due"] == []
    assert (await sent(operator, of("river", 3, amount="6"), dry_run="true"))["newly_due"] == []
    (left,) = (await sent(operator, of("river", 3, amount="撤回"), dry_run="true"))["newly_due"]
    assert (left["source"], left["months"]) == ("river", ["2024-03"])
    assert (await sent(operator, of("river", 3, 4, amount="撤回"), dry_run="true"))["newly_due"] == []


async def test_a_dry_run_says_what_each_row_would_do_and_changes_nothing(engine: AsyncEngine, operator: Caller) -> None:
    earlier = plain_sheet(
        plain(area="xuefu", amount="5"),
        plain(area="gulou", amount="6"),
        plain(area="gulou-1", kind="burned", amount="7"),
    )
    await sent(operator, earlier)
    before = await stored(engine)
    body = plain_sheet(
        plain(area="xuefu", amount="5.5"),
        plain(area="gulou", amount="6"),
        plain(area="gulou-1", kind="burned", amount="撤回"),
        plain(area="gulou-2", kind="burned", amount="0"),
    )
    answer = await sent(operator, body, dry_run="true")
    told = [
        (each["row"], each["effect"], each["before"], each["amount"], each["version"]) for each in answer["effects"]
    ]
    assert told == [
        (2, "correction", 5 * TONNE, 5_500_000, 2),
        (3, "unchanged", 6 * TONNE, 6 * TONNE, 1),
        (4, "withdrawal", 7 * TONNE, None, 2),
        (5, "new", None, 0, 1),
    ]
    assert answer["counts"] == {"new": 1, "correction": 1, "unchanged": 1, "withdrawal": 1, "errors": 0}
    assert (answer["dry_run"], answer["import_id"], answer["imported_before"]) == (True, None, None)
    assert answer["effects"][0]["entered"] == "5.5 t"
    assert (await stored(engine), await imported(engine)) == (before, 1)
    # The same for real does the same.
    real = await sent(operator, body)
    assert [real["effects"], real["counts"]] == [answer["effects"], answer["counts"]]
    assert await stored(engine) == before + 3


async def test_with_one_error_nothing_is_recorded_and_each_is_told_with_its_place(
    engine: AsyncEngine, operator: Caller
) -> None:
    await operator.record(period="2025", source="区城管委")
    body = sheet(
        row(area="xuefu", kind="burned"),
        row(area="xuefu", period="2025-13", amount="-1"),
        row(area="atlantis"),
        row(period="2025-04"),
        row(period="2099-01", kind="landfilled"),
        row(area="xuefu", kind="burned", amount="9"),
        row(area="gulou", kind="burned", amount="撤回"),
        row(area="gulou", kind="exported", document_date="", document_sha256=""),
    )
    told = [
        (3, "B", "period_wrong"),
        (3, "F", "amount_negative"),
        (4, "A", "area_unknown"),
        (5, "B", "input_overlaps"),
        (6, "B", "not_begun"),
        (7, "A", "repeated_in_file"),
        (8, "F", "nothing_to_withdraw"),
        (9, "H", "document_date_missing"),
    ]
    response = await send(operator, body)
    assert await refusals(response) == told
    errors = (await response.json())["errors"]
    assert [each["pointer"] for each in errors][:4] == [
        "/rows/3/period",
        "/rows/3/amount",
        "/rows/4/area",
        "/rows/5/period",
    ]
    assert "row 2" in errors[5]["en"]
    assert "第 2 行" in errors[5]["zh"]
    assert errors[3]["en"].startswith("Row 5, column B (期间): ")
    assert (await stored(engine), await imported(engine)) == (1, 0)
    # A dry run says the same, and the effects of the rows that are right.
    answer = await sent(operator, body, dry_run="true")
    assert [(each["row"], each["column"], each["code"]) for each in answer["errors"]] == told
    assert [(each["row"], each["effect"]) for each in answer["effects"]] == [(2, "new")]
    assert (answer["counts"]["new"], answer["counts"]["errors"], answer["rows"]) == (1, 8, 8)


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_a_file_that_cannot_be_read_is_told_why(dry_run: str, engine: AsyncEngine, operator: Caller) -> None:
    body = plain_sheet(plain(), unit="斤")
    response = await send(operator, body, dry_run=dry_run)
    if dry_run == "true":
        assert response.status == 200
        answer = await response.json()
        assert answer["sha256"] == hashlib.sha256(body).hexdigest()
        found = [(each["row"], each["column"], each["code"]) for each in answer["errors"]]
    else:
        found = await refusals(response)
    assert found == [(1, "F", "unit_unknown")]
    assert await stored(engine) == 0


async def test_overlapping_periods_within_one_file_are_refused(engine: AsyncEngine, operator: Caller) -> None:
    body = plain_sheet(plain(period="2025-03"), plain(period="2025-Q1"), plain(area="xuefu", period="2025-03"))
    response = await send(operator, body)
    assert await refusals(response) == [(3, "B", "input_overlaps"), (4, "B", "input_overlaps")]
    quarter, subdistrict = (await response.json())["errors"]
    # Nothing is recorded: what is in the way is a row.
    assert "与第 2 行（南开区 2025-03 生活垃圾清运量 C（区城管委））重叠" in quarter["zh"]
    assert "overlaps row 2, the waste cleared (C) of Nankai in 2025-03" in quarter["en"]
    assert "第 2 行" in subdistrict["zh"]
    assert "recorded already" not in quarter["en"] + subdistrict["en"]
    assert await stored(engine) == 0
    # Of what is recorded no row is named, also where a row says the same.
    await sent(operator, plain_sheet(plain(period="2025-03")))
    response = await send(operator, plain_sheet(plain(period="2025-03"), plain(period="2025-Q1")))
    assert await refusals(response) == [(3, "B", "input_overlaps")]
    assert "recorded already" in (await response.json())["errors"][0]["en"]


async def test_a_document_of_the_future_is_refused(engine: AsyncEngine, operator: Caller) -> None:
    assert await refusals(await send(operator, sheet(row(document_date="2099-01-01")))) == [(2, "H", "in_the_future")]
    # Also of the file itself.
    alone = sheet(row(document="", document_date="2099-01-01", document_sha256=""))
    assert await refusals(await send(operator, alone)) == [(2, "H", "in_the_future")]
    assert (await stored(engine), await imported(engine)) == (0, 0)


async def test_an_unknown_material_is_answered_with_those_there_are(engine: AsyncEngine, operator: Caller) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(material).values(id="wood", name="木料", name_en="Timber"))
    body = plain_sheet(plain(kind="other_recyclables", material="废纸"))
    [error] = (await (await send(operator, body)).json())["errors"]
    assert error["code"] == "material_unknown"
    assert error["zh"].endswith("可用材料：metal、paper、plastic、木料 wood。")
    assert error["en"].endswith("There are: metal, paper, plastic, Timber wood.")
    # As they are told, they are taken.
    told = [
        plain(kind="other_recyclables", source=f"{name}", material=name)
        for name in ("木料", "Timber wood", "wood", "木料 wood")
    ]
    assert (await sent(operator, plain_sheet(*told)))["counts"]["new"] == 4


async def test_the_same_file_again_is_recognised(engine: AsyncEngine, operator: Caller, keys: dict[str, str]) -> None:
    body = plain_sheet(plain(), plain(kind="burned"))
    first = await sent(operator, body)
    admin = Caller(operator.client, keys["admin"])
    again = await sent(admin, body, file_name="另一个名字.csv")
    assert (again["import_id"], again["effects"]) == (None, [])
    before = again["imported_before"]
    assert (before["id"], before["imported_by"], before["file_name"]) == (first["import_id"], "operator", "三月.csv")
    assert datetime.fromisoformat(before["imported_at"]).tzinfo is not None
    assert (await stored(engine), await imported(engine)) == (2, 1)
    tried = await sent(operator, body, dry_run="true")
    assert tried["imported_before"]["id"] == first["import_id"]
    assert tried["counts"]["unchanged"] == 2


async def test_a_sheet_that_grows_by_a_month_records_that_month(operator: Caller) -> None:
    """The file is its rows' document, and says of the old months what is recorded already."""
    await sent(operator, plain_sheet(plain(period="2025-01")))
    longer = await sent(operator, plain_sheet(plain(period="2025-01"), plain(period="2025-02")))
    assert [each["effect"] for each in longer["effects"]] == ["unchanged", "new"]
    # Another document for the same amount is evidence of its own.
    named = await sent(operator, sheet(row(period="2025-01")))
    assert [(each["effect"], each["version"]) for each in named["effects"]] == [("correction", 2)]


async def test_a_sheet_that_grows_takes_back_nothing_that_was_corrected_meanwhile(
    engine: AsyncEngine, operator: Caller
) -> None:
    first = plain(period="2025-01", amount="100"), plain(period="2025-01", kind="burned", amount="7")
    await sent(operator, plain_sheet(*first))
    weighbridge = {"name": "地磅核对单", "date": "2025-03-02", "sha256": "5e" * 32}
    corrected = {"period": "2025-01", "source": "区城管委", "document": weighbridge}
    await operator.record(**corrected, grams=120_500_000)
    await operator.record(**corrected, kind="burned", grams=None, withdraw=True)
    before = await stored(engine)
    longer = plain_sheet(*first, plain(period="2025-02", amount="90"))
    told = [(2, "F", "corrected_meanwhile"), (3, "F", "corrected_meanwhile")]
    tried = await sent(operator, longer, dry_run="true")
    assert [(each["row"], each["column"], each["code"]) for each in tried["errors"]] == told
    response = await send(operator, longer)
    assert await refusals(response) == told
    amount, withdrawal = (await response.json())["errors"]
    assert amount["en"].startswith(
        f"Row 2, column F (数量（吨）): 120.5 t was recorded on {TODAY} by the document “地磅核对单”"
    )
    assert f"已于 {TODAY} 依据“地磅核对单”录入 120.5 t" in amount["zh"]
    assert "write 120.5 t" in amount["en"]
    assert f"was withdrawn on {TODAY} by the document “地磅核对单”" in withdrawal["en"]
    assert f"已于 {TODAY} 依据“地磅核对单”撤回" in withdrawal["zh"]
    assert await stored(engine) == before
    # Taken over as it says, or left out.
    agreeing = await sent(
        operator, plain_sheet(plain(period="2025-01", amount="120.5"), plain(period="2025-02", amount="90"))
    )
    assert [each["effect"] for each in agreeing["effects"]] == ["unchanged", "new"]
    # What only a sheet has said, a later sheet corrects.
    assert (await sent(operator, plain_sheet(plain(period="2025-02", amount="91"))))["counts"]["correction"] == 1
    # Whoever names a document overrules.
    named = await sent(
        operator, sheet(row(period="2025-01", amount="100"), row(period="2025-01", kind="burned", amount="7"))
    )
    assert [each["effect"] for each in named["effects"]] == ["correction", "new"]


async def test_a_paper_document_has_a_name_and_a_date_and_no_digest(operator: Caller) -> None:
    body = sheet(row(document_sha256=""))
    answer = await sent(operator, body)
    [found] = await listed(operator, import_id=answer["import_id"])
    assert found["document"] == {"name": "三月台账", "date": "2025-03-31", "sha256": None}
    # The same paper again changes nothing; another paper is another document.
    again = await sent(operator, sheet(row(document_sha256=""), row(kind="burned")))
    assert [each["effect"] for each in again["effects"]] == ["unchanged", "new"]
    other = await sent(operator, sheet(row(document="补充台账", document_sha256="")))
    assert [each["effect"] for each in other["effects"]] == ["correction"]


async def test_a_gb18030_sheet_is_read_as_it_is(operator: Caller) -> None:
    body = plain_sheet(plain(area="鼓楼街道", source="环卫一队㐀", amount="3"), encoding="gb18030")
    answer = await sent(operator, body)
    assert answer["read_as"].lower() == "gb18030"
    [found] = await listed(operator, import_id=answer["import_id"])
    assert (found["area"], found["source"], found["grams"]) == ("gulou", "环卫一队㐀", 3 * TONNE)


async def test_the_template_has_the_lists_of_this_city_and_is_read_as_it_comes(
    operator: Caller, tmp_path: Path
) -> None:
    response = await operator.get(f"{IMPORTS}/template", unit="kg")
    assert (response.status, response.content_type) == (200, XLSX_TYPE)
    assert 'filename="tanbi-inputs.xlsx"' in response.headers["Content-Disposition"]
    path = tmp_path / "template.xlsx"
    path.write_bytes(await response.read())
    with zipfile.ZipFile(path) as package:
        texts = package.read("xl/sharedStrings.xml").decode()
    for choice in ("学府街道 xuefu", "生活垃圾清运量 C", "paper paper", "数量（公斤） amount (kg)"):
        assert choice in texts
    # Nothing is filled in yet.
    assert await refusals(await send_workbook(operator, path)) == [(None, None, "no_rows")]


async def test_the_csv_template_is_its_header(operator: Caller) -> None:
    response = await operator.get(f"{IMPORTS}/template", format="csv", unit="%")
    assert (response.status, response.content_type) == (200, CSV_TYPE)
    header = await response.read()
    assert header.startswith(b"\xef\xbb\xbf")
    body = header + ",".join(["nankai", "2025", "厨余处理残渣率", "处理厂", "", "12.5%", "", "", ""]).encode()
    answer = await sent(operator, body)
    assert [each["amount"] for each in answer["effects"]] == [125_000]
    assert (await operator.get(f"{IMPORTS}/template", unit="stone")).status == 422


async def test_the_template_is_filled_in_as_its_own_notes_say(operator: Caller) -> None:
    """What may be empty by its note may be left empty, and nothing else; a date only where no document is named."""
    header = await (await operator.get(f"{IMPORTS}/template", format="csv")).read()
    example = {column.id: NOTES[column.id][2] for column in COLUMNS}

    async def codes(**changed: str) -> dict[str, str]:
        cells = (example | changed).values()
        body = header + ",".join(f'"{cell}"' for cell in cells).encode()
        answer = await sent(operator, body, dry_run="true")
        assert answer["counts"]["new"] + answer["counts"]["errors"] == 1
        return {each["column_name"]: each["code"] for each in answer["errors"]}

    assert await codes() == {}
    may_be_empty = {each for each, (zh, _, _) in NOTES.items() if "可不填" in zh}
    assert may_be_empty == {each for each, (_, en, _) in NOTES.items() if "May be empty" in en}
    assert may_be_empty == {"material", "document", "document_sha256"}
    for column in COLUMNS:
        without = {column.id: "", **({"document_date": ""} if column.id == "document" else {})}
        assert bool(await codes(**without)) == (column.id not in may_be_empty), column
    assert await codes(document_date="") == {"文件日期 document date": "document_date_missing"}
    assert list(await codes(document="", document_sha256="ab" * 32)) == ["SHA-256"]


async def test_merged_cells_and_formulas_are_told_with_their_place(
    engine: AsyncEngine, operator: Caller, tmp_path: Path
) -> None:
    def fill(_: Any, page: Any) -> None:
        page.write_row(0, 0, ["区域", "期间", "类别", "来源", "数量（吨）"])
        page.merge_range(1, 0, 2, 0, "nankai")
        page.write_row(1, 1, ["2025-03", "cleared", "区城管委", 5])
        page.write_row(2, 1, ["2025-04", "cleared", "区城管委", 5])
        page.write_row(3, 0, ["nankai", "2025-05", "cleared", "区城管委"])
        page.write_formula(3, 4, "=E2+E3", value=10)

    response = await send_workbook(operator, xlsx_with(tmp_path / "坏.xlsx", fill))
    assert await refusals(response) == [(2, "A", "merged"), (4, "E", "formula")]
    assert await stored(engine) == 0


async def test_hidden_rows_are_read_and_the_answer_says_so(operator: Caller, tmp_path: Path) -> None:
    def fill(_: Any, page: Any) -> None:
        page.write_row(0, 0, ["区域", "期间", "类别", "来源", "数量（吨）"])
        page.write_row(1, 0, ["nankai", "2025-03", "cleared", "区城管委", 5])
        page.set_row(1, None, None, {"hidden": True})

    response = await send_workbook(operator, xlsx_with(tmp_path / "hidden.xlsx", fill))
    answer = await response.json()
    assert (answer["rows"], [each["code"] for each in answer["notices"]]) == (1, ["hidden_rows"])


async def test_another_sheet_of_a_workbook_is_named(operator: Caller, tmp_path: Path) -> None:
    path = xlsx_file(tmp_path / "a.xlsx", [row()])
    response = await send_workbook(operator, path, sheet="Inputs")
    assert (await response.json())["read_as"] == "Inputs"
    response = await send_workbook(operator, path, sheet="Sheet9")
    assert await refusals(response) == [(None, None, "sheet_unknown")]


async def test_effects_and_errors_are_told_up_to_a_bound(operator: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "TOLD_MAX", 2)
    months = [f"2025-{month:02}" for month in range(1, 6)]
    answer = await sent(operator, plain_sheet(*(plain(period=month) for month in months)), dry_run="true")
    assert (len(answer["effects"]), answer["effects_more"], answer["counts"]["new"]) == (2, 3, 5)
    response = await send(operator, plain_sheet(*(plain(period=month, amount="?") for month in months)))
    document = await response.json()
    assert (len(document["errors"]), document["errors_more"]) == (2, 3)
    assert "5 errors" in document["detail"]
    await operator.record(period="2025", source="office")
    body = plain_sheet(*(plain(period="2025-03", source=f"source {number}") for number in range(5)))
    for dry_run in ("true", "false"):
        answer = await sent(operator, body, dry_run=dry_run)
        assert (len(answer["newly_due"]), answer["newly_due_more"]) == (2, 3)
    assert (await sent(operator, body))["newly_due_more"] == 0


async def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    engine: AsyncEngine, settings: Settings, keys: dict[str, str]
) -> None:
    small = settings.model_copy(update={"import_bytes_max": 4096, "body_bytes_max": 1024})
    answered = asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1024
        # Nothing more comes before the answer, and no end.
        await answered.wait()

    async with TestClient(TestServer(build_app(small))) as client:
        operator = Caller(client, keys["operator"])
        # More than a body of JSON may have.
        body = plain_sheet(
            *(plain(period=f"{year}-01") for year in range(2000, 2025)),
            *(plain(kind="burned", period=f"{year}-01") for year in range(2000, 2025)),
        )
        assert 1024 < len(body) < 4096
        assert (await send(operator, body)).status == 200
        declared = await send(operator, b"x" * 4097)
        assert await problem(declared) == (413, "body_too_large", [])
        try:
            assert await problem(await send(operator, unfinished())) == (413, "body_too_large", [])
        finally:
            answered.set()
    assert await imported(engine) == 1


async def test_half_a_file_records_nothing(engine: AsyncEngine, client: Client, operator: Caller) -> None:
    body = plain_sheet(plain(), plain(kind="burned"))
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST {IMPORTS}?file_name=a.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {operator.token}\r\n"
        f"Content-Type: {CSV_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    # Whole rows, so that what came could be read.
    writer.write(head.encode() + body[: body.index(b"\r\n", body.index(b"\r\n") + 1) + 2])
    await writer.drain()
    writer.close()
    await reader.read()
    # The next one is taken at once, and is the first.
    assert (await sent(operator, body))["counts"]["new"] == 2
    assert await imported(engine) == 1


async def test_a_connection_that_is_lost_while_it_writes_leaves_nothing(
    engine: AsyncEngine, admin_engine: AsyncEngine, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = inputs.write_effects
    cut: list[int] = []

    async def write_and_cut(connection: Any, changes: list[Effect], **how: Any) -> None:
        await write(connection, changes, **how)
        if not cut:
            cut.append((await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one())
            async with admin_engine.begin() as admin:
                await admin.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": cut[0]})

    monkeypatch.setattr(imports, "write_effects", write_and_cut)
    # More than one chunk.
    years, months = range(2000, 2025), range(1, 13)
    kinds = ("cleared", "burned", "landfilled", "exported", "imported")
    rows = [plain(kind=kind, period=f"{year}-{month:02}") for kind in kinds for year in years for month in months]
    response = await send(operator, plain_sheet(*rows))
    assert (response.status, (await response.json())["code"]) == (503, "database_unavailable")
    assert cut
    assert (await stored(engine), await imported(engine)) == (0, 0)
    answer = await sent(operator, plain_sheet(*rows))
    assert answer["counts"]["new"] == len(rows) == await stored(engine)


async def test_reading_may_take_longer_than_a_transaction_may_pause(
    settings: Settings, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a large workbook on a busy machine."""
    read_sheet = reading.read_sheet

    def read_slowly(*args: Any, **how: Any) -> reading.Sheet:
        time.sleep(2.5)
        return read_sheet(*args, **how)

    monkeypatch.setattr(imports, "read_sheet", read_slowly)
    short = settings.model_copy(update={"statement_timeout_seconds": 2.0})
    async with TestClient(TestServer(build_app(short))) as client:
        assert (await sent(Caller(client, keys["operator"]), plain_sheet(plain())))["counts"]["new"] == 1


async def test_deciding_may_take_longer_than_a_transaction_may_pause(
    settings: Settings, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunk after chunk, of which none needs anything of the database."""
    take = Deciding.take

    def take_slowly(self: Deciding, read: Iterable[Read]) -> list[Effect]:
        time.sleep(0.5)
        return take(self, read)

    monkeypatch.setattr(Deciding, "take", take_slowly)
    monkeypatch.setattr(imports, "read_chunks", partial(reading.read_chunks, rows=1))
    short = settings.model_copy(update={"statement_timeout_seconds": 2.0})
    rows = [plain(period=f"2025-{month:02}") for month in range(1, 6)]
    async with TestClient(TestServer(build_app(short))) as client:
        answer = await sent(Caller(client, keys["operator"]), plain_sheet(*rows), dry_run="true")
    assert answer["counts"]["new"] == 5


async def test_of_two_imports_of_one_file_at_once_one_records(
    settings: Settings, engine: AsyncEngine, operator: Caller, keys: dict[str, str]
) -> None:
    """Also by two processes."""
    body = plain_sheet(*(plain(period=f"2025-{month:02}") for month in range(1, 13)))
    async with TestClient(TestServer(build_app(settings))) as another:
        answers = await asyncio.gather(
            *(sent(Caller(each, keys["operator"]), body) for each in (operator.client, another) * 3)
        )
    ids = {each["import_id"] for each in answers} - {None}
    assert len(ids) == 1
    assert [each["imported_before"]["id"] for each in answers if each["import_id"] is None] == [*ids] * 5
    assert (await stored(engine), await imported(engine)) == (12, 1)


async def test_what_is_recorded_while_a_file_is_checked_counts_against_it(
    engine: AsyncEngine, operator: Caller
) -> None:
    """The import waits for the one who records; what was checked before is decided anew."""
    async with transaction(engine) as connection:
        await lock_inputs(connection)
        importing = asyncio.create_task(send(operator, plain_sheet(plain(period="2025-03"), plain(kind="burned"))))
        while True:
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            async with engine.connect() as looking:
                if (await looking.execute(waiting)).scalar_one():
                    break
        await connection.execute(
            sa.insert(indicator_input).values(
                area_id="nankai",
                first_day=date(2025, 1, 1),
                last_day=date(2025, 12, 31),
                kind="cleared",
                source="区城管委",
                version=1,
                grams=1,
                document="year",
                recorded_by=uuid.uuid4(),
            )
        )
    assert await refusals(await importing) == [(2, "B", "input_overlaps")]
    assert (await stored(engine), await imported(engine)) == (1, 0)


async def test_an_import_and_single_inputs_at_once_never_count_a_mass_twice(
    engine: AsyncEngine, operator: Caller
) -> None:
    months = [f"2025-{month:02}" for month in range(1, 13)]
    single = [an_input(period=month, source="区城管委", grams=12_500_000) for month in ("2025", *months)]
    importing, *posted = await asyncio.gather(
        send(operator, plain_sheet(*(plain(period=month, amount="12.5") for month in months))),
        *(operator.post(each) for each in single),
    )
    assert {each.status for each in posted} <= {201, 409}
    rate = await operator.rate(period="2025")
    cleared = next(each for each in rate["quantities"] if each["id"] == "cleared")
    kept = {each["period"] for each in await listed(operator, limit="200") if not each["superseded"]}
    assert kept in ({"2025"}, set(months))
    assert importing.status == (422 if kept == {"2025"} else 200)
    assert len(cleared["inputs"]) == len(kept)


async def test_imports_are_listed_and_shown(operator: Caller, keys: dict[str, str]) -> None:
    auditor = Caller(operator.client, keys["auditor"])
    ids = [
        (await sent(operator, plain_sheet(plain(amount=amount)), file_name=f"{amount}.csv"))["import_id"]
        for amount in ("1", "2", "3")
    ]
    page = await (await auditor.get(IMPORTS, limit="2")).json()
    assert [each["id"] for each in page["imports"]] == ids[:0:-1]
    rest = await (await auditor.get(IMPORTS, limit="2", cursor=page["next_cursor"])).json()
    assert ([each["file_name"] for each in rest["imports"]], rest["next_cursor"]) == (["1.csv"], None)
    shown = [await (await auditor.get(f"{IMPORTS}/{each}")).json() for each in ids]
    assert [(each["rows"], each["inputs"], each["superseded"]) for each in shown] == [(1, 1, 1), (1, 1, 1), (1, 1, 0)]
    for unknown in (uuid.uuid4(), "x"):
        assert (await problem(await auditor.get(f"{IMPORTS}/{unknown}")))[:2] == (404, "import_unknown")


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("auditor", 403), ("operator", 200), ("admin", 200)])
async def test_operators_import(role: str, status: int, client: Client, keys: dict[str, str]) -> None:
    assert (await send(Caller(client, keys[role]), plain_sheet(plain()))).status == status


async def test_what_is_no_sheet_by_its_type_or_has_no_name_is_refused(operator: Caller) -> None:
    body = plain_sheet(plain())
    assert (await problem(await send(operator, body, content_type="application/json")))[:2] == (
        415,
        "unsupported_media_type",
    )
    headers = {**operator.headers, "Content-Type": CSV_TYPE}
    response = await operator.client.post(IMPORTS, data=body, headers=headers)
    assert await problem(response) == (422, "validation_failed", ["/file_name"])
    zipped = await operator.client.post(
        IMPORTS, params={"file_name": "a"}, data=body, headers={**headers, "Content-Encoding": "gzip"}
    )
    assert zipped.status == 415


async def test_a_file_is_told_by_its_content_and_not_by_its_type(operator: Caller, tmp_path: Path) -> None:
    path = xlsx_file(tmp_path / "a.xlsx", [row()])
    answer = await sent(operator, path.read_bytes(), content_type=CSV_TYPE)
    assert (answer["read_as"], answer["counts"]["new"]) == ("Inputs", 1)
    assert json.dumps(answer)
