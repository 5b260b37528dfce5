"""/v1/reviews over HTTP."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from service.db import transaction
from service.tables.bins import bin_
from service.tables.places import area, site
from service.tables.redemption import idempotency_key
from service.tables.reference import tariff
from service.tables.weighing import clearance
from tests.review.conftest import Screens, said, told
from tests.review.held import Held
from tests.world import CARD, post, weigh_event

PATH = "/v1/reviews"
NOW = datetime.now(UTC).replace(microsecond=0)
WHY = {"reason": "weighed again"}


def minutes_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def path_of(held: Held) -> str:
    return f"{PATH}/{held.review_id}"


async def ids(call: Any) -> list[str]:
    return [each["id"] for each in (await said(call))["reviews"]]


async def test_a_drop_from_the_queue_to_the_wallet(screens: Screens) -> None:
    office, li, viewer = screens.office, screens.of("li"), screens.of("viewer")
    held = await office.hold()
    queue = await said(viewer.get(f"{PATH}?state=waiting"))
    assert [each["id"] for each in queue["reviews"]] == [str(held.review_id)]
    first = await li.post(f"{path_of(held)}/release", WHY, key="once")
    assert (first.status, first.headers["Cache-Control"]) == (200, "no-store")
    decided = await first.json()
    assert (decided["state"], decided["outcome"], decided["coins"]) == ("released", "credited", 125)
    again = await li.post(f"{path_of(held)}/release", WHY, key="once")
    assert (again.headers["Idempotent-Replayed"], await again.json()) == ("true", decided)
    assert await told(li.post(f"{path_of(held)}/release", WHY)) == (409, "review_decided")
    assert await ids(viewer.get(f"{PATH}?state=waiting")) == []
    assert await ids(viewer.get(f"{PATH}?state=released")) == [str(held.review_id)]
    assert (await said(screens.resident.get("/v1/me")))["balance_coins"] == 125
    [transfer] = (await said(screens.resident.get("/v1/me/transfers")))["transfers"]
    assert (transfer["kind"], transfer["weight_grams"], transfer["coins"]) == ("credit", 1250, 125)


async def test_the_statement_shows_when_a_drop_was_weighed_and_not_what_its_bin_believed(screens: Screens) -> None:
    placed_at = minutes_ago(90).isoformat().replace("+00:00", "Z")
    held = await screens.office.hold(occurred_at=datetime(1970, 1, 1, tzinfo=UTC))
    await said(screens.of("li").post(f"{path_of(held)}/release", WHY | {"placed_at": placed_at}))
    [transfer] = (await said(screens.resident.get("/v1/me/transfers")))["transfers"]
    assert transfer["occurred_at"] == placed_at


async def test_the_page_of_a_drop_has_all_that_is_needed_to_decide(screens: Screens) -> None:
    office = screens.office
    around = {"material_id": "paper", "verdict": "credit", "outcome": "unclaimed", "epoch": 0}
    first = await office.hold(None, sequence=5, occurred_at=minutes_ago(50), **around)
    second = await office.hold(None, sequence=7, occurred_at=minutes_ago(30), **around)
    # Of another box.
    await office.hold(None, sequence=8, **(around | {"material_id": "metal"}))
    held = await office.hold(
        epoch=0,
        sequence=6,
        occurred_at=minutes_ago(40),
        box_weight_grams=20_000,
        clock_skew_seconds=12,
        code="day_drops",
        figures={"drops": 11, "drops_max": 10},
    )
    async with transaction(office.engine) as connection:
        await connection.execute(
            sa.insert(clearance).values(
                bin_id="NK-0001",
                event_id="emptied",
                content_digest=b"",
                site_id="site-1",
                epoch=0,
                sequence=9,
                material_id="paper",
                collector="V-7",
                mass_before_grams=20_500,
                mass_after_grams=100,
                outcome="recorded",
                occurred_at=minutes_ago(20),
                received_at=minutes_ago(20),
            )
        )
        await connection.execute(sa.update(bin_).values(serviced_at=minutes_ago(600)))
    # At the same moment: of the same day whenever this runs.
    await office.release(await office.hold(bin_id="NK-0002", occurred_at=minutes_ago(40)))
    review = await said(screens.of("viewer").get(path_of(held)))
    assert [(each["event_id"], each["kind"], each["weight_grams"]) for each in review["before"]] == [
        (first.event_id, "drop", 1250)
    ]
    assert [(each["event_id"], each["kind"], each["weight_grams"]) for each in review["after"]] == [
        (second.event_id, "drop", 1250),
        ("emptied", "emptying", -20_400),
    ]
    assert review["day"] == {
        "resident_id": office.world.resident_id,
        "kind": "resident",
        "day": review["day"]["day"],
        "drops": 1,
        "weight_grams": 1250,
        "coins": 125,
    }
    assert (review["clock_skew_seconds"], review["box_weight_grams"], review["coins"]) == (12, 20_000, 125)
    assert review["bin"]["site"] == {"id": "site-1", "name": "一号点", "name_en": "Site 1"}
    assert review["bin"]["serviced_at"] == minutes_ago(600).isoformat().replace("+00:00", "Z")
    [finding] = review["findings"]
    assert finding == {
        "code": "day_drops",
        "sentence": "这是该账户当天的第 11 次投放，上限为 10 次。",
        "sentence_en": "This is drop 11 of the account on this day; 10 are the most.",
        "figures": {"drops": 11, "drops_max": 10},
    }
    assert CARD not in str(review)


async def test_the_queue_is_filtered_and_paged_oldest_first(screens: Screens) -> None:
    office, viewer = screens.office, screens.of("viewer")
    async with transaction(office.engine) as connection:
        await connection.execute(
            sa.insert(area).values(id="huayuan", parent_id="nankai", kind="subdistrict", name="华苑", name_en="Huayuan")
        )
        await connection.execute(
            sa.insert(site).values(id="site-2", area_id="huayuan", kind="community", name="二号点", name_en="Site 2")
        )
    held = [
        await office.hold(held_at=minutes_ago(9 - number), **changes)
        for number, changes in enumerate(
            ({}, {"code": "day_coins"}, {"bin_id": "NK-0002"}, {"site_id": "site-2"}, {"code": "day_coins"})
        )
    ]
    names = [str(each.review_id) for each in held]
    await office.reject(held[4])
    assert await ids(viewer.get(PATH)) == names
    assert await ids(viewer.get(f"{PATH}?state=waiting")) == names[:4]
    assert await ids(viewer.get(f"{PATH}?code=day_coins")) == [names[1], names[4]]
    assert await ids(viewer.get(f"{PATH}?code=day_coins&state=open")) == [names[1]]
    assert await ids(viewer.get(f"{PATH}?bin=NK-0002")) == [names[2]]
    assert await ids(viewer.get(f"{PATH}?area=huayuan")) == [names[3]]
    assert await ids(viewer.get(f"{PATH}?area=nankai&limit=200")) == names
    seen: list[str] = []
    cursor = ""
    while True:
        page = await said(viewer.get(f"{PATH}?limit=2{cursor}"))
        seen += [each["id"] for each in page["reviews"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == names


async def test_who_may_only_read_does_not_decide(screens: Screens) -> None:
    held = await screens.office.hold()
    for action in ("release", "reject"):
        assert await told(screens.of("viewer").post(f"{path_of(held)}/{action}", WHY)) == (403, "forbidden")
        assert await told(screens.resident.post(f"{path_of(held)}/{action}", WHY)) == (401, "token_invalid")
    assert await told(screens.resident.get(PATH)) == (401, "token_invalid")
    assert await screens.office.outcome(held) == "held"


async def test_bad_input_is_pointed_at_and_changes_nothing(screens: Screens) -> None:
    office, li = screens.office, screens.of("li")
    held = await office.hold()
    bad: dict[str, list[Any]] = {
        "reason": ["", "  ", "a" * 201, "a\u0000b", None],
        "placed_at": ["yesterday", "2026-11-20", "1999-12-31T00:00:00Z", "2400-01-01T00:00:00Z", 1, minutes_ago(-99)],
        "coins_per_kg": [-1, 1.5, "70", 10**7, 100],
        "coins": [7],
    }
    for field, values in bad.items():
        for value in values:
            sent = value.isoformat() if isinstance(value, datetime) else value
            response = await li.post(f"{path_of(held)}/release", WHY | {field: sent})
            problem = await response.json()
            assert (response.status, problem["code"]) == (422, "validation_failed"), (field, value)
            assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]
    for unknown in (str(uuid.uuid4()), "1", uuid.uuid4().hex):
        assert await told(li.get(f"{PATH}/{unknown}")) == (404, "review_unknown")
        for action in ("release", "reject"):
            assert await told(li.post(f"{PATH}/{unknown}/{action}", WHY)) == (404, "review_unknown")
    for query in ("state=lost", "limit=0", "limit=201", "cursor=x", "code=", "colour=red", "bin=a%20b"):
        assert await told(li.get(f"{PATH}?{query}")) == (422, "validation_failed"), query
    assert await told(li.get(f"{PATH}?bin=NK-9999")) == (404, "bin_unknown")
    assert await told(li.get(f"{PATH}?area=nowhere")) == (404, "area_unknown")
    assert await office.outcome(held) == "held"


async def test_what_cannot_be_mended_by_another_body_is_kept_under_its_key(screens: Screens) -> None:
    """A release without a tariff may be sent again with one, under the same key; a drop that is decided stays so."""
    office, li = screens.office, screens.of("li")
    held = await office.hold(occurred_at=datetime(2019, 1, 1, tzinfo=UTC), coins_per_kg=None)
    path = f"{path_of(held)}/release"
    assert await told(li.post(path, WHY, key="once")) == (422, "validation_failed")
    assert (await said(li.post(path, WHY | {"coins_per_kg": 0}, key="once")))["coins"] == 0
    assert await told(li.post(path, WHY | {"coins_per_kg": 9}, key="once")) == (422, "idempotency_key_reused")


async def test_an_appeal_is_read_on_the_page_and_kept_nowhere_else(screens: Screens) -> None:
    office = screens.office
    held = await office.hold()
    appealed = await said(screens.resident.post(f"/v1/me/held-drops/{held.review_id}/appeal", {"text": "雨前投的"}))
    assert appealed["state"] == "appealed"
    assert (await said(screens.of("viewer").get(path_of(held))))["appeal"] == "雨前投的"
    await said(screens.of("li").post(f"{path_of(held)}/reject", {"reason": "no"}))
    async with office.engine.connect() as connection:
        kept = (await connection.execute(sa.select(idempotency_key.c.answer))).scalars().all()
    assert len(kept) == 2
    assert not [answer for answer in kept if "雨前投的" in answer]


async def test_a_drop_from_its_bin_to_the_wallet_and_the_bin_hears_of_it(screens: Screens) -> None:
    office = screens.office
    event = weigh_event("NK-0002", time="2019-06-01T08:00:00+08:00")
    [told_first] = (await said(post(screens.client, office.world.hmac, event)))["outcomes"]
    assert (told_first["outcome"], told_first["coins"]) == ("held", 0)
    [review] = (await said(screens.of("li").get(f"{PATH}?state=waiting")))["reviews"]
    page = await said(screens.of("li").get(f"{PATH}/{review['id']}"))
    assert [each["code"] for each in page["findings"]] == page["codes"]
    assert all(each["sentence"] and each["sentence_en"] for each in page["findings"])
    # It earns what was paid when it counts as weighed, which is not what was paid in 2019.
    async with transaction(office.engine) as connection:
        dearer = {"material_id": "paper", "effective_from": minutes_ago(120), "coins_per_kg": 300}
        await connection.execute(sa.insert(tariff).values(dearer))
    wanted = WHY | {"placed_at": minutes_ago(60).isoformat()}
    assert (await said(screens.of("li").post(f"{PATH}/{review['id']}/release", wanted)))["coins"] == 375
    [told_again] = (await said(post(screens.client, office.world.hmac, event)))["outcomes"]
    assert (told_again["outcome"], told_again["coins"], told_again["balance_coins"]) == ("duplicate", 375, 375)
