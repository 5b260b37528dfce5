"""What residents see of their held drops, and their one appeal."""

import asyncio
import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from service.tables.weighing import held_event
from tests.review.conftest import Screens, said, told
from tests.review.held import Held
from tests.world import open_session

PATH = "/v1/me/held-drops"
TEXT = "我当时投了两捆纸板。\nTwo bundles of cardboard."


def appeal_of(held: Held) -> str:
    return f"{PATH}/{held.review_id}/appeal"


async def held_drops(screens: Screens) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await said(screens.resident.get(PATH)))["held_drops"]
    return found


async def test_a_resident_sees_why_what_was_decided_and_why(screens: Screens) -> None:
    office = screens.office
    held = await office.hold(code="no_tariff")
    await office.hold(None)
    [drop] = await held_drops(screens)
    [reason] = drop["reasons"]
    assert (reason["code"], reason["sentence"]) == ("no_tariff", "投放时这种材料还没有定价，确定后会为您处理。")
    assert reason["sentence_en"].startswith("There was no price for this material yet")
    assert (drop["state"], drop["decision"], drop["may_appeal"], drop["coins"]) == ("open", None, True, 125)
    assert (drop["material"], drop["weight_grams"], drop["site"]["name"]) == ("paper", 1250, "一号点")
    await office.reject(held)
    [drop] = await held_drops(screens)
    assert (drop["state"], drop["may_appeal"]) == ("rejected", True)
    assert (drop["decision"]["decision"], drop["decision"]["reason"]) == ("rejected", "the box is wet")
    # Who decided is not for residents.
    assert "李工" not in str(drop)
    await office.appeal(held)
    await office.release(held, "wang")
    [drop] = await held_drops(screens)
    assert (drop["state"], drop["decision"]["reason"], drop["may_appeal"]) == ("released", "weighed again", False)


async def test_an_appeal_is_made_once(screens: Screens) -> None:
    held = await screens.office.hold()
    await screens.office.reject(held)
    first = await screens.resident.post(appeal_of(held), {"text": TEXT}, key="once")
    assert first.status == 201
    assert (await first.json())["state"] == "appealed"
    again = await screens.resident.post(appeal_of(held), {"text": TEXT}, key="once")
    assert (again.headers["Idempotent-Replayed"], await again.json()) == ("true", await first.json())
    assert await told(screens.resident.post(appeal_of(held), {"text": "really"})) == (409, "already_appealed")
    await screens.office.reject(held, "wang")
    assert await told(screens.resident.post(appeal_of(held), {"text": "really"})) == (409, "already_appealed")
    [drop] = await held_drops(screens)
    assert (drop["state"], drop["may_appeal"]) == ("upheld", False)


async def test_there_is_nothing_to_appeal_against_in_a_release(screens: Screens) -> None:
    held = await screens.office.hold()
    await screens.office.release(held)
    assert await told(screens.resident.post(appeal_of(held), {"text": TEXT})) == (409, "nothing_to_appeal")


async def test_a_drop_of_somebody_else_is_not_there(screens: Screens) -> None:
    office = screens.office
    somebody = await office.register()
    caller = type(screens.resident)(screens.client, await open_session(office.engine, somebody))
    held, nobodys = await office.hold(), await office.hold(None)
    assert (await said(caller.get(PATH)))["held_drops"] == []
    for each in (held, nobodys):
        assert await told(caller.post(appeal_of(each), {"text": TEXT})) == (404, "held_drop_unknown")
    for unknown in (str(uuid.uuid4()), "1"):
        assert await told(caller.post(f"{PATH}/{unknown}/appeal", {"text": TEXT})) == (404, "held_drop_unknown")
    assert await told(screens.of("li").get(PATH)) == (401, "token_invalid")


async def test_two_appeals_at_once_are_one(screens: Screens) -> None:
    held = await screens.office.hold()
    answers = await asyncio.gather(*(screens.resident.post(appeal_of(held), {"text": text}) for text in "ab"))
    assert sorted(answer.status for answer in answers) == [201, 409]
    async with screens.office.engine.connect() as connection:
        kept = (await connection.execute(sa.select(held_event.c.appeal))).scalar_one()
    assert kept == "ab"[[answer.status for answer in answers].index(201)]


async def test_bad_input_is_pointed_at(screens: Screens) -> None:
    held = await screens.office.hold()
    for text in ("", " \n ", "a" * 1001, "a\u0000b", "a\u001bb", 7, None):
        response = await screens.resident.post(appeal_of(held), {"text": text})
        problem = await response.json()
        assert (response.status, [error["pointer"] for error in problem["errors"]]) == (422, ["/text"])
    for query in ("limit=0", "limit=101", "cursor=x", "state=open"):
        assert await told(screens.resident.get(f"{PATH}?{query}")) == (422, "validation_failed")
    assert await told(screens.resident.post(appeal_of(held), {"text": TEXT}, key=" ")) == (
        400,
        "idempotency_key_missing",
    )


async def test_what_a_resident_writes_is_in_no_log(screens: Screens, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    held = await screens.office.hold()
    await said(screens.resident.post(appeal_of(held), {"text": TEXT}))
    await said(screens.of("li").get(f"/v1/reviews/{held.review_id}"))
    assert "cardboard" not in caplog.text


async def test_held_drops_are_paged_newest_first(screens: Screens) -> None:
    now = datetime.now(UTC)
    held = [await screens.office.hold(held_at=now - timedelta(minutes=minutes)) for minutes in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await said(screens.resident.get(f"{PATH}?limit=2{cursor}"))
        seen += [each["id"] for each in page["held_drops"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [str(each.review_id) for each in held]
