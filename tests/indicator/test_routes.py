import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.indicator_inputs import InputKind
from service.api_keys import create_api_key
from service.db import transaction
from service.indicator import inputs
from service.indicator.formulas import FORMULAS
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING
from service.redemption.merchants import add_merchant
from service.tables.indicator import indicator_input
from tests.indicator.calls import INPUTS, RATE, Caller, a_document, an_input
from tests.world import World, post, weigh_event

Client = TestClient[Any, Any]


async def problem(response: Any) -> tuple[int, str, list[str]]:
    """Status, code and the pointers of a problem."""
    document = await response.json()
    assert response.content_type == "application/problem+json"
    return response.status, document["code"], [each["pointer"] for each in document.get("errors", [])]


async def stored(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        count: int = (await connection.execute(sa.select(sa.func.count()).select_from(indicator_input))).scalar_one()
        return count


async def test_who_begins_to_report_waste_is_told_what_it_owes_from_now_on(operator: Caller) -> None:
    async def due(**changes: Any) -> list[tuple[str, str | None, list[str]]]:
        answer = await operator.record(**changes)
        return [(each["area"], each["source"], each["months"]) for each in answer["newly_due"]]

    months = [f"2024-{month:02}" for month in range(1, 13)]
    # Nobody knew any month before: the first takes none away.
    assert await due(period="2024-01", source="office") == []
    assert await due(period="2024", source="again", kind="kitchen_treated") == []
    for month in months[1:]:
        assert await due(period=month, source="office") == []
    # A second source: of the other months nothing is known any more.
    assert await due(period="2024-03", source="river") == [("nankai", "river", [*months[:2], *months[3:]])]
    assert await due(period="2024-03", source="river", grams=5, document=a_document(sha256="7c" * 32)) == []
    # And who reported the year before owes this year; of it only March was known still.
    assert await due(period="2023", source="road") == [("nankai", "road", ["2024-03"])]
    assert await due(period="2024-01", source="pickup", kind="pickup_recyclables") == []
    # What is withdrawn is nobody's any more.
    gone = {"grams": None, "withdraw": True, "document": a_document(sha256="7d" * 32)}
    assert await due(period="2024", source="again", kind="kitchen_treated", **gone) == [("nankai", None, months)]


@pytest.mark.parametrize("way_up_max", [inputs.WAY_UP_MAX, 0], ids=["of a few areas", "of many"])
async def test_who_owes_months_is_told_by_what_is_recorded_below_and_around(
    operator: Caller, way_up_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "WAY_UP_MAX", way_up_max)

    async def due(**changes: Any) -> list[tuple[str, str | None, list[str]]]:
        answer = await operator.record(**changes)
        return [(each["area"], each["source"], each["months"]) for each in answer["newly_due"]]

    months = [f"2025-{month:02}" for month in range(1, 13)]
    assert await due(area="xuefu", source="street") == []
    assert await due(area="gulou", source="street") == []
    # Both parts had told all months of the district.
    assert await due(source="office", period="2025-01") == [("nankai", "office", months[1:])]
    # What reports at a part now is missed around it once that is withdrawn.
    assert await due(source="river", period="2024") == [("nankai", "river", ["2025-01"])]
    assert await due(area="xuefu", source="river") == []
    gone = {"grams": None, "withdraw": True, "document": a_document(sha256="7d" * 32)}
    assert await due(area="xuefu", source="river", **gone) == [("nankai", "river", ["2025-01"])]


async def test_a_drop_moves_the_rate(world: World, client: Client, operator: Caller) -> None:
    """1 000 g cleared, 100 g of kitchen waste, then a drop of 1 250 g: (1250 + 100) ÷ (1000 + 1250) = 0.6."""
    period = str(datetime.now(ZoneInfo("Asia/Shanghai")).year)
    await operator.record(period=period, grams=1000)
    await operator.record(period=period, kind="kitchen_treated", grams=100)
    before = await operator.rate(period=period)
    assert (before["rate"], before["quantities"][0]["grams"]) == ("0.100000", "0")
    await post(client, world.ed25519, weigh_event("NK-0001", weight_grams=1250))
    while True:
        after = await operator.rate(period=period)
        if after["quantities"][0]["grams"] != "0":
            break
        await asyncio.sleep(0.05)
    assert (after["rate"], after["rate_percent"]) == ("0.600000", "60.00")
    assert (after["numerator_grams"], after["denominator_grams"]) == ("1350", "2250")


async def test_an_input_is_recorded_with_its_version(operator: Caller) -> None:
    first = await operator.record()
    assert {name: first[name] for name in an_input()} == an_input()
    assert (first["version"], first["superseded"], first["withdrawn"]) == (1, False, False)
    assert (first["material"], first["ppm"], first["import_id"], first["recorded_by"]) == (None, None, None, "operator")
    second = await operator.record(grams=7)
    assert (second["version"], second["grams"]) == (2, 7)
    assert second["id"] != first["id"]


async def test_the_list_shows_every_version_newest_first_and_what_is_superseded(operator: Caller) -> None:
    await operator.record(grams=1)
    await operator.record(kind="kitchen_treated", grams=2)
    await operator.record(grams=3)
    await operator.record(area="xuefu", period="2025-03", source="xuefu", grams=4)
    response = await operator.get(INPUTS)
    assert response.status == 200
    page = await response.json()
    assert page["next_cursor"] is None
    assert [(each["grams"], each["version"], each["superseded"]) for each in page["inputs"]] == [
        (4, 1, False),
        (3, 2, False),
        (2, 1, False),
        (1, 1, True),
    ]

    async def grams(**parameters: str) -> list[int]:
        return [each["grams"] for each in (await (await operator.get(INPUTS, **parameters)).json())["inputs"]]

    assert await grams(area="nankai") == [3, 2, 1]
    assert await grams(area="xuefu", period="2025") == [4]
    assert await grams(period="2025-03") == [4]
    assert await grams(period="2025-04") == []
    assert await grams(kind="kitchen_treated") == [2]


async def test_pages_follow_each_other_without_a_gap(operator: Caller) -> None:
    for number in range(5):
        await operator.record(grams=number)
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await (await operator.get(INPUTS, limit="2", **cursor)).json()
        found += [each["grams"] for each in page["inputs"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(("recorded", "sent"), [("2025", "2025-03"), ("2025-03", "2025")])
async def test_a_year_and_a_month_of_it_cannot_both_be_recorded(recorded: str, sent: str, operator: Caller) -> None:
    await operator.record(period=recorded)
    response = await operator.post(an_input(period=sent))
    assert await problem(response) == (409, "input_overlaps", [])
    # Of another source, kind, area or year it is another mass.
    for change in (
        {"source": "river"},
        {"kind": "other_recyclables"},
        {"period": sent.replace("5", "4", 1)},
    ):
        await operator.record(**{"period": sent, **change})


async def test_what_a_source_reports_of_an_area_it_cannot_report_again_of_a_part_of_it(operator: Caller) -> None:
    await operator.record(area="xuefu")
    await operator.record(area="gulou")
    for area in ("tianjin", "nankai", "xuefu-1"):
        response = await operator.post(an_input(area=area))
        assert await problem(response) == (409, "input_overlaps", [])
    await operator.record(area="nankai", source="river")


async def test_an_input_is_withdrawn_by_a_version_of_its_own(operator: Caller) -> None:
    withdrawal = {"grams": None, "withdraw": True, "document": a_document(name="更正函")}
    nothing = await operator.post(an_input(**withdrawal))
    assert await problem(nothing) == (409, "nothing_to_withdraw", [])
    await operator.record()
    await operator.record(kind="kitchen_treated", grams=1)
    assert (await operator.rate())["rate"] is not None
    withdrawn = await operator.record(**withdrawal)
    assert (withdrawn["version"], withdrawn["withdrawn"], withdrawn["grams"]) == (2, True, None)
    assert (await operator.rate())["missing"] == ["cleared"]
    # It no longer stands in the way of the same mass, recorded by the month.
    await operator.record(period="2025-03")
    assert await problem(await operator.post(an_input(period="2025"))) == (409, "input_overlaps", [])


async def test_the_same_amount_from_the_same_document_is_the_version_that_there_is(operator: Caller) -> None:
    first = await operator.record()
    again = await operator.record()
    assert (again["id"], again["version"]) == (first["id"], 1)
    other = await operator.record(document=a_document(sha256="5f" * 32))
    assert other["version"] == 2


async def test_a_share_is_recorded_in_parts_per_million(operator: Caller) -> None:
    share = await operator.record(kind="residue_share", grams=None, ppm=125_000)
    assert (share["ppm"], share["grams"], share["withdrawn"]) == (125_000, None, False)
    for amounts, pointer in (
        ({"kind": "residue_share", "grams": 5, "ppm": None}, "/ppm"),
        ({"kind": "cleared", "grams": None, "ppm": 5}, "/grams"),
        ({"kind": "residue_share", "grams": None, "ppm": 1_000_001}, "/ppm"),
        ({"kind": "residue_share", "grams": None, "ppm": -1}, "/ppm"),
    ):
        assert await problem(await operator.post(an_input(**amounts))) == (422, "validation_failed", [pointer])
    # Whoever reports it: an area has one share for a month.
    other = await operator.post(an_input(kind="residue_share", grams=None, ppm=1, source="river"))
    assert await problem(other) == (409, "input_overlaps", [])
    await operator.record(kind="residue_share", grams=None, ppm=1, area="xuefu")


async def test_an_answer_says_what_counted_before(operator: Caller) -> None:
    found = [await operator.record(grams=grams) for grams in (5, 7, 7)]
    found.append(await operator.record(grams=None, withdraw=True))
    found.append(await operator.record(grams=9))
    assert [(each["effect"], each["before_grams"], each["grams"]) for each in found] == [
        ("new", None, 5),
        ("correction", 5, 7),
        ("unchanged", 7, 7),
        ("withdrawal", 7, None),
        ("new", None, 9),
    ]
    share = await operator.record(kind="residue_share", grams=None, ppm=3)
    share = await operator.record(kind="residue_share", grams=None, ppm=4)
    assert (share["before_ppm"], share["before_grams"]) == (3, None)


async def test_what_bins_weighed_is_said_to_be_counted_by_the_system(operator: Caller) -> None:
    response = await operator.post(an_input(kind="bin_recyclables"))
    assert response.status == 422
    [error] = (await response.json())["errors"]
    assert (error["pointer"], error["code"]) == ("/kind", "kind_not_recorded")
    assert "added up by the system from what bins weighed" in error["detail"]


async def test_a_refusal_is_told_in_the_language_that_is_asked_for(client: Client, operator: Caller) -> None:
    await operator.record()
    details = []
    for language in ("en", "zh-CN"):
        headers = {**operator.headers, "Idempotency-Key": f"key-{language}", "Accept-Language": language}
        response = await client.post(INPUTS, json=an_input(period="2025-03"), headers=headers)
        details.append((await response.json())["detail"])
    assert "is recorded already" in details[0]
    assert details[1].startswith("已录入南开区 2025 年 生活垃圾清运量 C")


@pytest.mark.parametrize(
    "amounts",
    [
        {"grams": None},
        {"grams": 5, "withdraw": True},
        {"grams": 5, "ppm": 5},
    ],
)
async def test_an_input_has_exactly_one_amount(amounts: dict[str, Any], operator: Caller) -> None:
    response = await operator.post(an_input(**amounts))
    assert await problem(response) == (422, "validation_failed", [""])


async def test_recyclables_may_be_reported_by_material_and_nothing_else_may(operator: Caller) -> None:
    paper = await operator.record(kind="scrap_station_recyclables", material="paper", grams=5)
    assert paper["material"] == "paper"
    await operator.record(kind="scrap_station_recyclables", material="plastic", grams=6)
    whole = await operator.post(an_input(kind="scrap_station_recyclables"))
    assert await problem(whole) == (409, "input_overlaps", [])
    unknown = await operator.post(an_input(kind="scrap_station_recyclables", material="stone"))
    assert await problem(unknown) == (404, "material_unknown", [])
    waste = await operator.post(an_input(material="paper"))
    assert await problem(waste) == (422, "validation_failed", ["/material"])


async def test_the_registries_can_be_read(operator: Caller) -> None:
    formulas = (await (await operator.get("/v1/indicator/formulas")).json())["formulas"]
    assert [each["id"] for each in formulas] == list(FORMULAS)
    kinds = await (await operator.get("/v1/indicator/kinds")).json()
    assert [each["id"] for each in kinds["kinds"]] == list(KINDS)
    assert {each["id"]: tuple(each["kinds"]) for each in kinds["ways_of_counting"]} == dict(WAYS_OF_COUNTING)
    recorded = [each["id"] for each in kinds["kinds"] if each["recorded"]]
    assert list(get_args(get_args(InputKind)[0])) == recorded


async def test_of_a_year_and_its_months_sent_at_once_one_side_wins(operator: Caller, engine: AsyncEngine) -> None:
    periods = ("2025", "2025-01", "2025-02", "2025", "2025-12", "2025-01") * 2
    # Each from a document of its own: a correction, and not the same once more.
    sent = [an_input(period=each, document=a_document(sha256=f"{n:064x}")) for n, each in enumerate(periods)]
    statuses = [response.status for response in await asyncio.gather(*(operator.post(each) for each in sent))]
    assert set(statuses) == {201, 409}
    async with transaction(engine) as connection:
        rows = (await connection.execute(sa.select(indicator_input))).all()
    spans = {row.last_day - row.first_day > timedelta(days=31) for row in rows}
    assert len(spans) == 1
    versions: dict[Any, list[int]] = {}
    for row in rows:
        versions.setdefault(row.first_day if spans == {False} else "year", []).append(row.version)
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in versions.values())


async def test_the_same_key_records_once(operator: Caller, engine: AsyncEngine) -> None:
    key = str(uuid.uuid4())
    first = await operator.post(an_input(), key=key)
    again = await operator.post(an_input(), key=key)
    assert (first.status, again.status) == (201, 201)
    assert await first.json() == await again.json()
    assert await stored(engine) == 1
    other = await operator.post(an_input(grams=1), key=key)
    assert await problem(other) == (422, "idempotency_key_reused", [])


async def test_without_a_key_nothing_is_recorded(operator: Caller, engine: AsyncEngine) -> None:
    response = await operator.client.post(INPUTS, json=an_input(), headers=operator.headers)
    assert await problem(response) == (400, "idempotency_key_missing", [])
    assert await stored(engine) == 0


BAD = [
    ("area", "no/such area\x00"),
    ("area", ""),
    ("area", 7),
    ("period", "1999"),
    ("period", "2101"),
    ("period", "2025-13"),
    ("period", "2025-3"),
    ("period", "2025-01-01"),
    ("period", "2025-ytd"),
    ("period", "2025-Q5"),
    ("period", "2025-01/2025-06"),
    ("period", 2025),
    ("period", "2099"),
    ("kind", "burnt"),
    ("source", ""),
    ("source", "   "),
    ("source", "a\nb"),
    ("source", "\x00"),
    ("source", "x" * 101),
    ("grams", -1),
    ("grams", 1.5),
    ("grams", "5"),
    ("grams", True),
    ("grams", 10**15 + 1),
    ("document", "report"),
    ("unit", "t"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_bad_field_is_pointed_at(name: str, value: object, operator: Caller, engine: AsyncEngine) -> None:
    response = await operator.post(an_input(**{name: value}))
    assert await problem(response) == (422, "validation_failed", [f"/{name}"])
    assert await stored(engine) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("name", "x" * 301),
        ("date", "yesterday"),
        ("date", "2025-02-30"),
        ("date", "2099-01-01"),
        ("sha256", "abc"),
        ("page", "7"),
    ],
)
async def test_a_bad_field_of_a_document_is_pointed_at(name: str, value: str, operator: Caller) -> None:
    response = await operator.post(an_input(document=a_document(**{name: value})))
    assert await problem(response) == (422, "validation_failed", [f"/document/{name}"])


@pytest.mark.parametrize("name", [name for name in an_input() if name != "grams"])
async def test_a_missing_field_is_pointed_at(name: str, operator: Caller) -> None:
    document = an_input()
    del document[name]
    assert await problem(await operator.post(document)) == (422, "validation_failed", [f"/{name}"])


async def test_an_area_that_does_not_exist_is_unknown(operator: Caller) -> None:
    assert await problem(await operator.post(an_input(area="atlantis"))) == (404, "area_unknown", [])
    assert await problem(await operator.get(RATE, area="atlantis", period="2025")) == (404, "area_unknown", [])
    assert await problem(await operator.get(INPUTS, area="atlantis")) == (404, "area_unknown", [])


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"period": "2025"}, "/area"),
        ({"area": "nankai"}, "/period"),
        ({"area": "nankai", "period": "1999"}, "/period"),
        ({"area": "nankai", "period": "2025-00"}, "/period"),
        ({"area": "nankai", "period": "2025\n"}, "/period"),
        ({"area": "nan\x00kai", "period": "2025"}, "/area"),
        ({"area": "\ud7ff", "period": "2025"}, "/area"),
        ({"area": "nankai", "period": "2025", "formula": "us.epa"}, "/formula"),
        ({"area": "nankai", "period": "2025", "counted_at": "home"}, "/counted_at"),
        ({"area": "nankai", "period": "2025", "formula": "eu.2019_1004", "counted_at": "origin"}, "/counted_at"),
        ({"area": "nankai", "period": "2025-YTD"}, "/period"),
        ({"area": "nankai", "period": "2025", "colour": "red"}, "/colour"),
    ],
)
async def test_a_bad_parameter_of_the_rate_is_pointed_at(
    parameters: dict[str, str], pointer: str, operator: Caller
) -> None:
    assert await problem(await operator.get(RATE, **parameters)) == (422, "validation_failed", [pointer])


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "201"}, "/limit"),
        ({"limit": "x"}, "/limit"),
        ({"cursor": "nonsense"}, "/cursor"),
        ({"period": "25"}, "/period"),
    ],
)
async def test_a_bad_parameter_of_the_list_is_pointed_at(
    parameters: dict[str, str], pointer: str, operator: Caller
) -> None:
    assert await problem(await operator.get(INPUTS, **parameters)) == (422, "validation_failed", [pointer])


async def test_bytes_that_are_no_text_are_refused(operator: Caller) -> None:
    response = await operator.client.get(f"{RATE}?area=%ff%fe&period=2025", headers=operator.headers)
    assert (await problem(response))[:2] == (422, "validation_failed")


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("auditor", 403), ("operator", 201), ("admin", 201)])
async def test_operators_and_admins_record(role: str, status: int, client: Client, keys: dict[str, str]) -> None:
    assert (await Caller(client, keys[role]).post(an_input())).status == status


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor", "admin"])
async def test_every_operator_reads(role: str, client: Client, keys: dict[str, str]) -> None:
    caller = Caller(client, keys[role])
    assert (await caller.get(RATE, area="nankai", period="2025")).status == 200
    assert (await caller.get(INPUTS)).status == 200


async def test_others_neither_read_nor_record(world: World, client: Client, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id="m", name="店", name_en="Shop")
        merchant = await create_api_key(connection, role="merchant", name="m", merchant_id="m")
    for token, status in ((merchant, 403), ("nonsense", 401), ("", 401)):
        caller = Caller(client, token)
        assert (await caller.get(RATE, area="nankai", period="2025")).status == status
        assert (await caller.get(INPUTS)).status == status
        assert (await caller.post(an_input())).status == status
    assert await stored(engine) == 0


async def test_whoever_may_not_record_does_not_learn_which_areas_exist(client: Client, keys: dict[str, str]) -> None:
    response = await Caller(client, keys["viewer"]).post(an_input(area="atlantis"))
    assert await problem(response) == (403, "forbidden", [])
