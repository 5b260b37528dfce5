"""Targets are set by operators, over HTTP; what is published keeps its own."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.settings import Settings
from service.tables.indicator import target
from tests.indicator.calls import Caller
from tests.indicator.test_publications import Publisher
from tests.indicator.test_routes import problem

TARGETS = "/v1/indicator/targets"
Client = TestClient[Any, Any]


@pytest.fixture
def first(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["operator"])


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])


async def set_to(operator: Publisher, per_mille: int | None, *, key: str | None = None, **changes: Any) -> Any:
    rate = {"withdraw": True} if per_mille is None else {"rate_per_mille": per_mille}
    response = await operator.send(TARGETS, {"area": "nankai", "year": 2030, **rate, **changes}, key=key)
    assert response.status == 201, await response.text()
    return await response.json()


async def listed(operator: Caller, **query: Any) -> list[dict[str, Any]]:
    response = await operator.get(TARGETS, **query)
    assert response.status == 200, await response.text()
    found: list[dict[str, Any]] = (await response.json())["targets"]
    return found


async def test_each_version_names_who_set_it_when_and_why(first: Publisher, second: Publisher) -> None:
    new = await set_to(first, 430, reason="区规划", key="once")
    assert await set_to(first, 430, reason="区规划", key="once") == new
    told = {name: new[name] for name in ("version", "effect", "before_per_mille", "rate_per_mille", "reason", "set_by")}
    assert told == {
        "version": 1,
        "effect": "new",
        "before_per_mille": None,
        "rate_per_mille": 430,
        "reason": "区规划",
        "set_by": "operator",
    }
    corrected = await set_to(second, 435)
    assert [corrected[name] for name in ("version", "effect", "before_per_mille", "set_by", "superseded")] == [
        2,
        "correction",
        430,
        "admin",
        False,
    ]
    assert corrected["set_at"] > new["set_at"]
    unchanged = await set_to(first, 435)
    assert unchanged == corrected | {"effect": "unchanged", "before_per_mille": 435}
    history = await listed(first, year=2030, history="true")
    assert [(each["version"], each["superseded"], each["set_by"]) for each in history] == [
        (2, False, "admin"),
        (1, True, "operator"),
    ]


async def test_the_same_rate_for_another_reason_is_a_version_of_its_own(first: Publisher, second: Publisher) -> None:
    await set_to(first, 400, reason="甲")
    again = await set_to(second, 400, reason="乙")
    assert (again["version"], again["effect"], again["before_per_mille"]) == (2, "correction", 400)
    for same in ({"reason": "乙"}, {}):
        assert await set_to(first, 400, **same) == again | {"effect": "unchanged"}
    history = await listed(first, year=2030, history="true")
    assert [(each["rate_per_mille"], each["reason"], each["set_by"]) for each in history] == [
        (400, "乙", "admin"),
        (400, "甲", "operator"),
    ]


@pytest.mark.parametrize("reason", ["区规划", None])
async def test_a_target_that_nobody_is_known_to_have_set_gets_its_author(
    first: Publisher, engine: AsyncEngine, reason: str | None
) -> None:
    async with transaction(engine) as connection:
        # As migration 0008 leaves what was set before it.
        old = {"area_id": "nankai", "year": 2030, "version": 1, "rate_per_mille": 400, "created_at": None}
        await connection.execute(sa.insert(target).values(old))
    told = await set_to(first, 400, reason=reason)
    assert (told["version"], told["effect"], told["reason"]) == (2, "correction", reason)
    assert [each["set_by"] for each in await listed(first, year=2030, history="true")] == ["operator", None]
    assert (await set_to(first, 400, reason=reason))["effect"] == "unchanged"


async def test_twelve_who_set_it_at_once_get_a_version_each(first: Publisher) -> None:
    receipts = await asyncio.gather(*(set_to(first, 400 + number) for number in range(12)))
    assert sorted(each["version"] for each in receipts) == list(range(1, 13))
    history = await listed(first, year=2030, history="true")
    assert [(each["version"], each["superseded"]) for each in history] == [
        (version, version < 12) for version in range(12, 0, -1)
    ]


async def test_a_target_that_is_withdrawn_counts_nowhere_and_may_be_set_again(first: Publisher) -> None:
    """Of 2027 and 2035 only: 2031 lies half way between 38.5 and 50 per cent."""

    async def of_2031() -> str:
        path = (await (await first.get("/v1/indicator/outlook", area="gulou", year=2031)).json())["target_path"]
        return next(str(each["rate_percent"]) for each in path if each["year"] == 2031)

    assert await of_2031() == "44.25"
    await set_to(first, 900)
    assert await of_2031() == "82.00"
    withdrawn = await set_to(first, None, reason="年份有误")
    assert (withdrawn["effect"], withdrawn["before_per_mille"], withdrawn["rate_per_mille"]) == (
        "withdrawal",
        900,
        None,
    )
    assert withdrawn["withdrawn"] is True
    assert await of_2031() == "44.25"
    assert await listed(first, year=2030) == []
    assert [each["version"] for each in await listed(first, year=2030, history="true")] == [2, 1]
    response = await first.send(TARGETS, {"area": "nankai", "year": 2030, "withdraw": True})
    assert (await problem(response))[:2] == (409, "nothing_to_withdraw")
    assert (await set_to(first, 435))["effect"] == "new"


async def test_targets_are_listed_by_pages_the_last_that_was_set_first(first: Publisher) -> None:
    await set_to(first, 430)
    await set_to(first, 500, area="xuefu", year=2025)
    assert [(each["area"], each["year"]) for each in await listed(first)][:2] == [("xuefu", 2025), ("nankai", 2030)]
    assert {each["area"] for each in await listed(first, area="xuefu")} == {"xuefu"}
    page = await (await first.get(TARGETS, limit=3)).json()
    rest = await (await first.get(TARGETS, limit=3, cursor=page["next_cursor"])).json()
    assert [each["year"] for each in page["targets"] + rest["targets"]] == [2025, 2030, 2035, 2027, 2025]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"area": "atlantis"}, 404, "area_unknown"),
        ({"rate_per_mille": 1001}, 422, "validation_failed"),
        ({"rate_per_mille": 38.5}, 422, "validation_failed"),
        ({"withdraw": True}, 422, "validation_failed"),
        ({"rate_per_mille": None}, 422, "validation_failed"),
        ({"year": 1999}, 422, "validation_failed"),
    ],
)
async def test_what_is_no_target_is_refused(first: Publisher, changes: dict[str, Any], status: int, code: str) -> None:
    wanted = {"area": "nankai", "year": 2030, "rate_per_mille": 430} | changes
    assert (await problem(await first.send(TARGETS, wanted)))[:2] == (status, code)
    assert await listed(first, year=2030) == []


async def test_targets_are_set_by_operators_and_read_by_all(client: Client, keys: dict[str, str]) -> None:
    for role in ("viewer", "auditor"):
        reader = Publisher(client, keys[role])
        response = await reader.send(TARGETS, {"area": "nankai", "year": 2030, "rate_per_mille": 430})
        assert (await problem(response))[:2] == (403, "forbidden")
        assert len(await listed(reader)) == 3
    assert (await client.get(TARGETS)).status == 401


async def test_another_target_of_a_past_year_changes_nothing_that_is_published(
    client: Client, first: Publisher, second: Publisher, settings: Settings
) -> None:
    await first.record(grams=600_000)
    await first.record(kind="kitchen_treated", grams=190_000)
    proposal = await first.proposed()
    published = await second.published(proposal)
    record = await (await client.get("/public/publications/1.json")).read()
    assert (await set_to(first, 360, year=2025))["published"] == [1]
    await set_to(second, 999, year=2025)
    assert (await set_to(second, 999, year=2024))["published"] == []
    assert (await set_to(second, 999, year=2025, area="tianjin"))["published"] == []
    assert published["record"]["figure"]["target"]["rate_percent"] == "35.00"
    assert await first.look(f"/{proposal['id']}") == published
    # The first keeps what it made.
    async with TestClient(TestServer(build_app(settings))) as another:
        assert await (await another.get("/public/publications/1.json")).read() == record
        shown = await (await another.get("/public/recycling-rate.json")).json()
    assert [each["target_percent"] for each in shown["history"]] == ["35.00"]
    assert (await first.look(f"/{published['id']}/recomputation"))["equal"]
    assert (await first.rate())["target"]["rate_percent"] == "99.90"


async def test_whoever_sets_a_target_is_told_what_stands_published_of_the_year(
    first: Publisher, second: Publisher
) -> None:
    await first.record(grams=600_000)
    await first.record(kind="kitchen_treated", grams=190_000)
    await second.published(await first.proposed())
    await first.record(grams=500_000)
    await second.published(await first.proposed(restates=1, reason="清运量更正"))
    assert (await set_to(first, 360, year=2025))["published"] == [2]
    assert (await set_to(first, 360, year=2025))["published"] == [2]
