"""Publishing over HTTP: two people, a frozen figure, restatements, and the same digits again."""

import asyncio
import hashlib
import json
import uuid
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.publications import PublicationProposal
from service.api_keys import create_api_key, list_api_keys, revoke_api_key
from service.auth import authenticate_operator
from service.db import transaction
from service.errors import PeriodNotOver
from service.indicator import publication_queries
from service.indicator.publishing import propose
from service.periods import Period
from service.tables.indicator import indicator_input, publication
from tests.blocking import until_blocked
from tests.indicator.calls import Caller, a_document, weigh
from tests.indicator.test_routes import problem

PUBLICATIONS = "/v1/indicator/publications"
Client = TestClient[Any, Any]


class Publisher(Caller):
    """An operator who proposes and publishes."""

    async def send(self, path: str, body: Any, *, key: str | None = None) -> ClientResponse:
        headers = {**self.headers, "Idempotency-Key": key or str(uuid.uuid4())}
        return await self.client.post(path, json=body, headers=headers)

    async def propose(self, **changes: Any) -> ClientResponse:
        return await self.send(PUBLICATIONS, {"area": "nankai", "period": "2025"} | changes)

    async def proposed(self, **changes: Any) -> dict[str, Any]:
        response = await self.propose(**changes)
        assert response.status == 201, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def publish(self, proposal: dict[str, Any]) -> ClientResponse:
        return await self.send(f"{PUBLICATIONS}/{proposal['id']}/publish", {})

    async def published(self, proposal: dict[str, Any]) -> dict[str, Any]:
        response = await self.publish(proposal)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def reject(self, proposal: dict[str, Any], reason: str = "no") -> ClientResponse:
        return await self.send(f"{PUBLICATIONS}/{proposal['id']}/reject", {"reason": reason})

    async def look(self, path: str = "", **parameters: str) -> dict[str, Any]:
        response = await self.get(PUBLICATIONS + path, **parameters)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


@pytest.fixture
async def first(client: Client, keys: dict[str, str], engine: AsyncEngine) -> Publisher:
    """Whoever proposes; of 2025 all is recorded, and bins weighed 1 kg in March: 191 ÷ 601 kg."""
    found = Publisher(client, keys["operator"])
    await found.record(grams=600_000)
    await found.record(kind="kitchen_treated", grams=190_000)
    async with transaction(engine) as connection:
        for day, site, grams in ((date(2025, 3, 1), "site-1", 400), (date(2025, 3, 31), "site-3", 600)):
            await weigh(connection, day, grams, site)
    return found


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])


async def test_one_proposes_and_another_publishes(first: Publisher, second: Publisher) -> None:
    proposal = await first.proposed()
    assert (proposal["state"], proposal["number"], proposal["decided_by"]) == ("waiting", None, None)
    assert (proposal["rate"], proposal["numerator_grams"], proposal["denominator_grams"]) == (
        "0.317804",
        "191000",
        "601000",
    )
    published = await second.published(proposal)
    assert (published["state"], published["number"]) == ("published", 1)
    assert (published["proposed_by"]["name"], published["decided_by"]["name"]) == ("operator", "admin")
    assert await first.look(f"/{proposal['id']}") == published
    listed = await first.look(state="published", area="nankai", period="2025")
    assert listed["publications"] == [
        {name: value for name, value in published.items() if name not in ("record", "record_text")}
    ]
    assert (await first.look(state="waiting"))["publications"] == []


async def test_who_knows_the_rest_of_a_record_cannot_try_out_what_is_not_public_until_its_digest_fits(
    first: Publisher,
) -> None:
    """Each record has 128 random bits, which are nowhere else."""
    proposals = [await first.proposed() for _ in range(3)]
    salts = {each["record"].pop("salt") for each in proposals}
    assert [len(bytes.fromhex(each)) for each in salts] == [16, 16, 16]
    assert proposals[0]["record"] == proposals[1]["record"] == proposals[2]["record"]
    assert len({each["digest"] for each in proposals}) == 3


async def test_the_record_holds_all_that_the_figure_is_made_of_under_its_digest(
    first: Publisher, second: Publisher
) -> None:
    published = await second.published(await first.proposed())
    text = published["record_text"]
    assert published["digest"] == hashlib.sha256(text.encode()).hexdigest()
    record = json.loads(text)
    assert record == published["record"]
    assert text == json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record["code_version"] == published["code_version"]
    assert (record["restates"], record["reason"]) == (None, None)
    figure = record["figure"]
    assert figure["formula"]["definition_zh"].startswith("（可回收物回收量 R")
    recovered, kitchen, cleared = figure["quantities"]
    # What bins weighed is there by subdistrict and month: no later drop changes it.
    assert [(each["area"], each["period"], each["grams"]) for each in recovered["inputs"]] == [
        ("gulou", "2025-03", 600),
        ("xuefu", "2025-03", 400),
    ]
    assert kitchen["inputs"][0]["document"] == a_document()
    assert cleared["inputs"][0]["version"] == 1
    assert figure["coverage"]["bins"]["sites_with_volume"] == 2


async def test_what_is_frozen_does_not_tell_that_it_is_over(first: Publisher) -> None:
    """Nothing else is published, and a record is for ever."""
    assert "is_over" not in (await first.proposed())["record"]["figure"]


async def test_nobody_publishes_their_own_proposal(
    first: Publisher, second: Publisher, client: Client, engine: AsyncEngine
) -> None:
    proposal = await first.proposed()
    assert await problem(await first.publish(proposal)) == (403, "own_publication", [])
    async with transaction(engine) as connection:
        again = await create_api_key(connection, role="admin", name="Operator")
    assert await problem(await Publisher(client, again).publish(proposal)) == (403, "own_publication", [])
    assert (await second.publish(proposal)).status == 200


async def test_a_proposal_of_a_revoked_key_is_not_published(
    first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    proposal = await first.proposed()
    async with transaction(engine) as connection:
        [key] = [each for each in await list_api_keys(connection) if each.name == "operator"]
        await revoke_api_key(connection, key.id)
    assert await problem(await second.publish(proposal)) == (409, "requester_revoked", [])


@pytest.mark.parametrize("role", ["viewer", "auditor"])
async def test_who_only_reads_neither_proposes_nor_publishes(
    role: str, first: Publisher, client: Client, keys: dict[str, str]
) -> None:
    reader = Publisher(client, keys[role])
    proposal = await first.proposed()
    for response in (await reader.propose(), await reader.publish(proposal), await reader.reject(proposal)):
        assert await problem(response) == (403, "forbidden", [])
    assert (await reader.look())["publications"] != []


async def test_what_was_decided_stays_so(first: Publisher, second: Publisher) -> None:
    rejected, published = await first.proposed(), await first.proposed()
    answer = await (await first.reject(rejected, "错了 wrong")).json()
    assert (answer["state"], answer["decision_reason"], answer["number"]) == ("rejected", "错了 wrong", None)
    await second.published(published)
    for decided in (rejected, published):
        assert await problem(await second.publish(decided)) == (409, "publication_decided", [])
        assert await problem(await second.reject(decided)) == (409, "publication_decided", [])


async def test_of_an_area_and_period_one_figure_is_published(first: Publisher, second: Publisher) -> None:
    one, other = await first.proposed(), await first.proposed()
    await second.published(one)
    assert await problem(await second.publish(other)) == (409, "already_published", [])
    response = await first.propose()
    document = await response.json()
    assert (response.status, document["code"]) == (409, "already_published")
    assert "publication 1" in document["detail"]


async def test_two_who_publish_at_once_get_numbers_one_after_the_other(first: Publisher, second: Publisher) -> None:
    for area in ("xuefu", "gulou"):
        for kind in ("cleared", "kitchen_treated"):
            await first.record(area=area, kind=kind, grams=10_000, source=f"{area} office")
    proposals = [await first.proposed(area=area) for area in ("nankai", "xuefu", "gulou", "tianjin", "nankai")]
    answers = await asyncio.gather(*(second.publish(each) for each in proposals))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200, 200, 200, 200, 409]
    numbers = [(await answer.json())["number"] for answer in answers if answer.status == 200]
    assert sorted(numbers) == [1, 2, 3, 4]


async def test_of_two_who_decide_at_once_one_is_told_that_it_is_decided(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine
) -> None:
    proposal = await first.proposed()
    async with admin_engine.begin() as connection:
        # Both have come as far as they come before the other is done.
        await connection.execute(sa.select(publication.c.id).with_for_update())
        deciding = asyncio.gather(first.reject(proposal), second.reject(proposal))
        await until_blocked(admin_engine, 2, unless_done=deciding)
    assert sorted([answer.status for answer in await deciding]) == [200, 409]


async def test_a_correction_is_a_restatement_that_names_the_old_figure_and_the_difference(
    first: Publisher, second: Publisher
) -> None:
    await second.published(await first.proposed())
    unchanged = await first.propose(restates=1, reason="again")
    assert await problem(unchanged) == (409, "restatement_refused", [])
    await first.record(grams=700_000, document=a_document(name="更正", sha256="7a" * 32))
    restated = await second.published(await first.proposed(restates=1, reason="清运量更正"))
    assert restated["number"] == 2
    assert (restated["record"]["restates"], restated["record"]["reason"]) == (1, "清运量更正")
    # 191 ÷ 701 − 191 ÷ 601 = 27.2468 % − 31.7804 %
    assert restated["restates"] == {
        "number": 1,
        "counted_at": None,
        "rate_percent": "31.78",
        "difference_percentage_points": "-4.5336",
        "reason": "清运量更正",
    }
    old = (await first.look(period="2025"))["publications"][-1]
    assert (old["number"], old["restated_by"], old["rate_percent"]) == (1, 2, "31.78")
    # A figure is restated once: the next one restates the restatement.
    await first.record(grams=500_000, document=a_document(name="再更正", sha256="7b" * 32))
    assert await problem(await first.propose(restates=1, reason="x")) == (409, "restatement_refused", [])
    assert (await second.published(await first.proposed(restates=2, reason="x")))["number"] == 3


async def test_by_each_formula_one_figure_is_published(first: Publisher, second: Publisher) -> None:
    await first.record(kind="residue_share", ppm=100_000, grams=None)
    await second.published(await first.proposed())
    net = await second.published(await first.proposed(formula="cn.net_residue"))
    assert (net["number"], net["formula"], net["restates"]) == (2, "cn.net_residue", None)
    assert await problem(await first.propose(formula="cn.net_residue")) == (409, "already_published", [])
    await first.record(grams=700_000, document=a_document(name="更正", sha256="7a" * 32))
    # Two formulas are two indicators: there is no difference between them to tell.
    other = await first.propose(formula="cn.net_residue", restates=1, reason="x")
    document = await other.json()
    assert (other.status, document["code"]) == (409, "restatement_refused")
    assert "is by cn.cleared_plus_recovered" in document["detail"]
    # Unsaid, it is the formula of what is restated, not the district's.
    restated = await second.published(await first.proposed(restates=2, reason="x"))
    assert (restated["formula"], restated["restates"]["rate_percent"]) == ("cn.net_residue", net["rate_percent"])


async def test_a_restatement_tells_where_the_old_figure_counted(first: Publisher, second: Publisher) -> None:
    await first.record(kind="yard_recyclables", grams=2_000)
    await second.published(await first.proposed())
    restated = await second.published(await first.proposed(restates=1, counted_at="yard", reason="x"))
    assert (restated["counted_at"], restated["restates"]["counted_at"]) == ("yard", "origin")
    await first.record(grams=700_000, document=a_document(name="更正", sha256="7a" * 32))
    # Unsaid, it counts where what it restates counted.
    again = await second.published(await first.proposed(restates=2, reason="x"))
    assert (again["counted_at"], again["restates"]["counted_at"]) == ("yard", None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"restates": 1}, (422, "validation_failed", ["/reason"])),
        ({"reason": "why"}, (422, "validation_failed", ["/restates"])),
        ({"restates": 9, "reason": "why"}, (404, "publication_unknown", [])),
        ({"restates": 0, "reason": "why"}, (422, "validation_failed", ["/restates"])),
        ({"period": "2025-ytd"}, (422, "validation_failed", ["/period"])),
        ({"period": "2024"}, (409, "rate_not_known", [])),
        ({"area": "xuefu"}, (409, "rate_not_known", [])),
        ({"area": "atlantis"}, (404, "area_unknown", [])),
        ({"formula": "cn.burnt"}, (422, "validation_failed", ["/formula"])),
        ({"formula": "eu.2019_1004", "counted_at": "origin"}, (422, "validation_failed", ["/counted_at"])),
        ({"rate": "0.99"}, (422, "validation_failed", ["/rate"])),
    ],
)
async def test_what_cannot_be_published_is_refused(
    changes: dict[str, Any], expected: tuple[int, str, list[str]], first: Publisher, engine: AsyncEngine
) -> None:
    assert await problem(await first.propose(**changes)) == expected
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(publication))).all() == []


async def test_a_year_that_is_not_over_is_not_published(first: Publisher) -> None:
    year = str(datetime.now(ZoneInfo("Asia/Shanghai")).year)
    await first.record(period=year)
    await first.record(period=year, kind="kitchen_treated", grams=1)
    assert await problem(await first.propose(period=year)) == (409, "period_not_over", [])


async def test_a_period_is_published_from_the_day_after_it_on(
    first: Publisher, keys: dict[str, str], engine: AsyncEngine
) -> None:
    wanted = PublicationProposal(area="nankai", period="2025")
    formula_id = "cn.cleared_plus_recovered"
    async with transaction(engine) as connection:
        operator = await authenticate_operator(connection, keys["operator"], demo=False)
        with pytest.raises(PeriodNotOver):
            await propose(connection, operator, wanted, formula_id=formula_id, today=date(2025, 12, 31))
        found = await propose(connection, operator, wanted, formula_id=formula_id, today=date(2026, 1, 1))
    assert found.state == "waiting"


async def test_a_target_that_is_set_after_the_proposal_must_be_proposed_anew(
    first: Publisher, second: Publisher
) -> None:
    proposal = await first.proposed()
    response = await first.send("/v1/indicator/targets", {"area": "nankai", "year": 2025, "rate_per_mille": 360})
    assert response.status == 201, await response.text()
    document = await (await second.publish(proposal)).json()
    assert document["code"] == "proposal_outdated"
    assert "target 35.00 % (nankai) → 36.00 % (nankai)" in document["detail"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"grams": 610_000, "document": a_document(sha256="7c" * 32)},
            "waste cleared (C) 0.6 t → 0.61 t",
        ),
        (
            {"grams": None, "withdraw": True, "document": a_document(sha256="7d" * 32)},
            "waste cleared (C) 0.6 t → 0 t",
        ),
        ({"kind": "pickup_recyclables", "grams": 1}, "recyclables picked up at the door 0 t → 0.000001 t"),
        # Neither is in the rate; the coverage and what is not counted would be published as they no longer are.
        (
            {"kind": "yard_recyclables", "grams": 999},
            "recyclables that the yard received, not counted 0 t → 0.000999 t",
        ),
        (
            {"kind": "pickup_recyclables", "grams": 1, "period": "2024"},
            "coverage of recyclables picked up at the door – → 0.000000",
        ),
    ],
)
async def test_what_is_recorded_after_the_proposal_must_be_proposed_anew(
    change: dict[str, Any], told: str, first: Publisher, second: Publisher
) -> None:
    proposal = await first.proposed()
    await first.record(**change)
    response = await second.publish(proposal)
    document = await response.json()
    assert (response.status, document["code"]) == (409, "proposal_outdated")
    assert told in document["detail"]
    assert (await first.look(f"/{proposal['id']}"))["state"] == "waiting"


async def test_what_bins_weighed_counts_as_it_was_proposed(
    first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    proposal = await first.proposed()
    async with transaction(engine) as connection:
        await weigh(connection, date(2025, 4, 1), 5_000, "site-1")
    published = await second.published(proposal)
    assert (published["numerator_grams"], published["record_text"]) == ("191000", proposal["record_text"])
    assert (await first.look(f"/{published['id']}/recomputation"))["equal"] is True
    # The late drop is a correction like any other.
    restated = await second.published(await first.proposed(restates=1, reason="补报"))
    assert restated["numerator_grams"] == "196000"


async def test_a_proposal_that_is_computed_otherwise_by_todays_code_is_not_published(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine
) -> None:
    proposal = await first.proposed()
    # As code before a correction would have frozen it.
    other = with_digest(proposal["record_text"].replace('"0.317804"', '"0.317805"'))
    await change_all(admin_engine, **other, rate="0.317805")
    response = await second.publish(proposal)
    document = await response.json()
    assert (response.status, document["code"]) == (409, "proposal_outdated")
    assert "rate: 0.317805 → 0.317804" in document["detail"]


async def test_what_is_recorded_after_publication_changes_no_published_digit(
    first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    published = await second.published(await first.proposed())
    await first.record(grams=1, document=a_document(sha256="7e" * 32))
    async with transaction(engine) as connection:
        await connection.execute(sa.text("UPDATE volume_month SET grams = grams + 5000"))
    assert await first.look(f"/{published['id']}") == published
    again = await first.look(f"/{published['id']}/recomputation")
    assert again["equal"] is True
    steps = {step["what"]: step["recomputed"] for step in again["steps"]}
    assert (steps["numerator_grams"], steps["denominator_grams"], steps["rate"]) == ("191000", "601000", "0.317804")
    assert steps["digest"] == published["digest"]


async def test_a_stored_input_that_was_tampered_with_is_named(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine
) -> None:
    published = await second.published(await first.proposed())
    async with transaction(admin_engine) as connection:
        await connection.execute(
            sa.update(indicator_input).where(indicator_input.c.kind == "cleared").values(grams=600_001)
        )
    again = await first.look(f"/{published['id']}/recomputation")
    wrong = {step["what"] for step in again["steps"] if not step["equal"]}
    ids = {each["id"] for each in published["record"]["figure"]["quantities"][2]["inputs"]}
    assert wrong == {*(f"input {each}" for each in ids), "cleared", "denominator_grams", "rate"}
    assert again["equal"] is False


def with_digest(record: str) -> dict[str, Any]:
    return {"record": record, "digest": hashlib.sha256(record.encode()).digest()}


async def change_all(admin_engine: AsyncEngine, **columns: Any) -> None:
    """Change every publication, past the trigger that forbids it."""
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        await connection.execute(sa.update(publication).values(**columns))


async def wrong_steps(caller: Publisher, published: dict[str, Any]) -> set[str]:
    again = await caller.look(f"/{published['id']}/recomputation")
    wrong = {step["what"] for step in again["steps"] if not step["equal"]}
    assert again["equal"] is (not wrong)
    return wrong


async def test_a_record_that_was_tampered_with_no_longer_has_its_digest(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine
) -> None:
    published = await second.published(await first.proposed())
    await change_all(admin_engine, record=published["record_text"].replace('"31.78"', '"41.78"'))
    assert await wrong_steps(first, published) == {"digest", "column rate_percent", "rate_percent"}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"area_id": "gulou"}, {"column area_id"}),
        (
            {"first_day": date(2024, 1, 1), "last_day": date(2024, 12, 31)},
            {"column first_day", "column last_day"},
        ),
        ({"formula_id": "us.epa1997"}, {"column formula_id"}),
        ({"reason": "x", "restates": 1}, {"column reason", "column restates"}),
    ],
)
async def test_a_figure_that_was_given_to_another_is_named(
    columns: dict[str, Any],
    expected: set[str],
    first: Publisher,
    second: Publisher,
    admin_engine: AsyncEngine,
) -> None:
    published = await second.published(await first.proposed())
    await change_all(admin_engine, **columns)
    assert await wrong_steps(first, published) == expected


async def test_an_input_that_nobody_recorded_is_named(
    first: Publisher, second: Publisher, admin_engine: AsyncEngine
) -> None:
    published = await second.published(await first.proposed())
    record = published["record"]
    [kitchen] = record["figure"]["quantities"][1]["inputs"]
    kitchen["id"] = None
    forged = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    await change_all(admin_engine, **with_digest(forged))
    assert {"input without an id", "rate"} <= await wrong_steps(first, published)


async def test_what_a_figure_covers_may_be_corrected_alone(first: Publisher, second: Publisher) -> None:
    await second.published(await first.proposed())
    await first.record(kind="yard_recyclables", grams=999)
    restated = await second.published(await first.proposed(restates=1, reason="x"))
    assert restated["restates"]["difference_percentage_points"] == "0.0000"


async def test_lists_read_no_record(
    first: Publisher, second: Publisher, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await second.published(await first.proposed())
    await first.record(grams=700_000, document=a_document(name="更正", sha256="7a" * 32))
    await second.published(await first.proposed(restates=1, reason="x"))
    before = await first.look()
    async with transaction(engine) as connection:
        rows = await publication_queries.published_within(connection, "nankai", Period(2025))
    assert [row.number for row in rows] == [1, 2]
    assert not any("record" in row._fields for row in rows)
    await change_all(admin_engine, record="no JSON")
    assert await first.look() == before
    assert before["publications"][0]["restates"]["difference_percentage_points"] == "-4.5336"


async def test_what_is_only_proposed_or_not_there_has_no_recomputation(first: Publisher) -> None:
    proposal = await first.proposed()
    for path in (proposal["id"], str(uuid.uuid4()), "1"):
        response = await first.get(f"{PUBLICATIONS}/{path}/recomputation")
        assert await problem(response) == (404, "publication_unknown", [])


async def test_the_same_key_proposes_and_publishes_once(
    first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    body = {"area": "nankai", "period": "2025"}
    one, other = [await (await first.send(PUBLICATIONS, body, key="k")).json() for _ in range(2)]
    assert one == other
    path = f"{PUBLICATIONS}/{one['id']}/publish"
    assert [(await second.send(path, {}, key="p")).status for _ in range(2)] == [200, 200]
    async with transaction(engine) as connection:
        assert len((await connection.execute(sa.select(publication))).all()) == 1


async def test_pages_follow_each_other(first: Publisher) -> None:
    made = [(await first.proposed())["id"] for _ in range(3)]
    page = await first.look(limit="2")
    rest = await first.look(limit="2", cursor=page["next_cursor"])
    assert [each["id"] for each in (*page["publications"], *rest["publications"])] == made[::-1]
    assert rest["next_cursor"] is None


async def test_the_service_cannot_change_what_was_published(
    first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await second.published(await first.proposed())
    for statement in (
        "UPDATE publication SET record = ''",
        "UPDATE publication SET digest = ''",
        "DELETE FROM publication",
    ):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            async with transaction(engine) as connection:
                await connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE publication SET number = NULL, decision = NULL, decided_by = NULL, decided_at = NULL WHERE number = 1",
        "UPDATE publication SET number = 3 - number WHERE number IS NOT NULL",
        "UPDATE publication SET number = 7 WHERE number = 1",
        "UPDATE publication SET decision = 'rejected', number = NULL WHERE number = 2",
        "UPDATE publication SET decision = 'published', number = 3 WHERE decision = 'rejected'",
        "UPDATE publication SET decided_at = now() WHERE number = 1",
        "UPDATE publication SET decision_reason = 'x' WHERE decision IS NULL",
    ],
)
async def test_the_service_decides_once(
    statement: str, first: Publisher, second: Publisher, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    for part in ("xuefu", "gulou"):
        for kind in ("cleared", "kitchen_treated"):
            await first.record(area=part, kind=kind, grams=10_000, source=f"{part} office")
    for area in ("nankai", "xuefu"):
        await second.published(await first.proposed(area=area))
    assert (await first.reject(await first.proposed(area="tianjin"))).status == 200
    await first.proposed(area="tianjin")
    before = (await first.look())["publications"]
    # Neither the service nor the owner.
    for one in (engine, admin_engine):
        with pytest.raises(sa.exc.IntegrityError, match="decided on once"):
            async with transaction(one) as connection:
                await connection.execute(sa.text(statement))
    assert (await first.look())["publications"] == before
