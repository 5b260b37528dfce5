"""What operators do to a bin in the field, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.signatures import SigningKey
from service.tables.bins import bin_placement
from service.tables.weighing import weigh_event as stored_event
from tests.fleet.field import BIN, NEWER_SITE, Yard, done, new_pair, told, until
from tests.world import post, weigh_event

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)


async def weigh(field: Yard, key: SigningKey, sequence: int, at: datetime) -> str:
    """A drop of that time, which is credited; its id."""
    event = weigh_event(BIN, time=at.isoformat(), sequence=sequence)
    outcomes = await done(await post(field.client, key, event), 200)
    assert outcomes["outcomes"][0]["outcome"] == "credited"
    found: str = event["id"]
    return found


async def placed_earlier(field: Yard, days: int) -> None:
    """As if all bins had stood there, and been visited, so many days ago."""
    async with field.owner.begin() as connection:
        for column in ("bin SET placed_at", "bin SET serviced_at", "bin_placement SET effective_from"):
            await connection.exec_driver_sql(f"UPDATE {column} = now() - interval '{days} days'")


async def sites_of(field: Yard, *event_ids: str) -> list[str]:
    async with field.engine.connect() as connection:
        rows = await connection.execute(sa.select(stored_event.c.event_id, stored_event.c.site_id))
        by_id = {row.event_id: row.site_id for row in rows}
    return [by_id[event_id] for event_id in event_ids]


async def test_a_bin_that_was_moved_leaves_last_months_volume_where_it_was(field: Yard) -> None:
    key = await field.install()
    await placed_earlier(field, 60)
    last_month = await weigh(field, key, 1, NOW - timedelta(days=31))
    moved = await done(await field.act("move", site_id=NEWER_SITE), 200)
    assert (moved["site_id"], moved["stored_events_since"]) == (NEWER_SITE, 0)
    from_the_queue = await weigh(field, key, 2, NOW - timedelta(days=30))
    after = await weigh(field, key, 3, datetime.now(UTC))
    assert await sites_of(field, last_month, from_the_queue, after) == ["site-1", "site-1", NEWER_SITE]
    assert (await field.changes())[-1] == ("moved", NEWER_SITE)


async def test_a_move_that_is_told_late_says_what_it_does_not_move(field: Yard) -> None:
    key = await field.install()
    await placed_earlier(field, 10)
    moved_at = NOW - timedelta(days=2)
    before = await weigh(field, key, 2, moved_at - timedelta(hours=1))
    told_too_early = [await weigh(field, key, 3 + hours, moved_at + timedelta(hours=hours)) for hours in (0, 1)]
    moved = await done(await field.act("move", site_id=NEWER_SITE, effective_at=moved_at.isoformat()), 200)
    assert moved["stored_events_since"] == 2
    assert datetime.fromisoformat(moved["placed_at"]) == moved_at
    late = [await weigh(field, key, 3 + hours, moved_at + timedelta(hours=hours)) for hours in (-2, 2)]
    sites = await sites_of(field, before, *told_too_early, *late)
    assert sites == ["site-1", "site-1", "site-1", "site-1", NEWER_SITE]


async def test_moves_are_told_in_their_order(field: Yard) -> None:
    await field.register()
    await placed_earlier(field, 5)
    refused = (409, "bin_time_refused")

    async def move(site_id: str, **ago: float) -> tuple[int, str]:
        at = datetime.now(UTC) - timedelta(**ago)
        response = await field.act("move", site_id=site_id, effective_at=at.isoformat())
        return (200, "") if response.status == 200 else await told(response)

    assert await move(NEWER_SITE, days=6) == refused
    assert await move(NEWER_SITE, hours=-1) == refused
    assert await move("nowhere", days=3) == (404, "site_unknown")
    assert await move("site-1", days=3) == (409, "bin_stands_there")
    assert await move(NEWER_SITE, days=3) == (200, "")
    assert await move("site-1", days=4) == refused
    assert await move("site-1", days=2) == (200, "")
    async with field.engine.connect() as connection:
        of_bin = sa.select(bin_placement.c.site_id).where(bin_placement.c.bin_id == BIN)
        placements = (await connection.execute(of_bin.order_by(bin_placement.c.effective_from))).scalars().all()
    assert placements == ["site-1", NEWER_SITE, "site-1"]


async def test_a_visit_is_told_in_its_order(field: Yard) -> None:
    await field.register()
    hour_ago, later = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (60, 30))
    visited = await done(await field.act("service", serviced_at=hour_ago.isoformat()), 200)
    assert datetime.fromisoformat(visited["serviced_at"]) == hour_ago
    for at in (hour_ago, hour_ago - timedelta(days=1), datetime.now(UTC) + timedelta(minutes=5)):
        assert await told(await field.act("service", serviced_at=at.isoformat())) == (409, "bin_time_refused")
    assert (await field.act("service", serviced_at=later.isoformat())).status == 200
    assert (await field.act("service")).status == 200


async def test_a_scale_gets_a_new_certificate_and_keeps_the_rest(field: Yard) -> None:
    await field.register(capacity_grams=40_000, certificate_expires_on="2026-12-31")
    change = {"certificate_expires_on": "2028-12-31", "reason": "检定合格"}
    changed = await done(await field.operate(f"/{BIN}/scale", change, method="PATCH"), 200)
    assert (changed["certificate_expires_on"], changed["capacity_grams"]) == ("2028-12-31", 40_000)
    history = await done(await field.read(f"/v1/bins/{BIN}/history"), 200)
    newest = history["changes"][0]
    assert (newest["kind"], newest["reason"]) == ("scale", "检定合格")
    assert newest["subject"] == "e 10 g, to 40000 g; box 30000 g; certificate to 2028-12-31"
    bad: list[dict[str, Any]] = [{}, {"capacity_grams": 0}, {"capacity_grams": None}, {"certificate_expires_on": None}]
    for each in [*bad, {"state": "active"}]:
        response = await field.operate(f"/{BIN}/scale", {"reason": "x", **each}, method="PATCH")
        assert await told(response) == (422, "validation_failed"), each


async def test_a_suspended_bin_is_resumed_and_a_second_time_changes_nothing(field: Yard) -> None:
    key = await field.install()
    for what, state in (("suspend", "suspended"), ("resume", "active")):
        for _ in range(2):
            assert (await done(await field.act(what), 200))["state"] == state
    assert [kind for kind, _ in await field.changes()][-2:] == ["suspended", "resumed"]

    async def noticed() -> bool:
        return (await field.config(key)).status == 200

    await until(noticed)
    assert (await post(field.client, key, weigh_event(BIN))).status == 200


async def test_a_bin_that_nobody_has_claimed_is_neither_suspended_nor_resumed(field: Yard) -> None:
    await field.register()
    for what in ("suspend", "resume"):
        assert await told(await field.act(what)) == (409, "bin_not_claimed")
    assert (await field.act("retire")).status == 200


async def test_a_retired_bin_is_over(field: Yard) -> None:
    key = await field.install()
    code = await field.claim_code()
    assert (await done(await field.act("retire"), 200))["state"] == "retired"
    assert (await post(field.client, key, weigh_event(BIN))).status in (401, 403)
    await until(lambda: field.is_told(key, 401, "key_unknown"))
    assert await told(await field.claim(code, new_pair())) == (401, "claim_code_refused")
    for what in ("claim-code", "rotate", "suspend", "resume", "service", "retire"):
        assert await told(await field.act(what)) == (409, "bin_retired"), what
    assert await told(await field.act("move", site_id=NEWER_SITE)) == (409, "bin_retired")
    assert await told(await field.act("end-key", keyid=BIN)) == (409, "bin_retired")
    scale = await field.operate(f"/{BIN}/scale", {"capacity_grams": 1, "reason": "x"}, method="PATCH")
    assert await told(scale) == (409, "bin_retired")
    assert (await field.changes())[-2:] == [("key_ended", BIN), ("retired", None)]


async def test_the_history_names_who_and_why_and_comes_in_pages(field: Yard) -> None:
    await field.install()
    for number in range(3):
        assert (await field.operate(f"/{BIN}/service", {"reason": f"visit {number}"})).status == 200
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await done(await field.read(f"/v1/bins/{BIN}/history?limit=2{cursor}"), 200)
        seen += page["changes"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [change["kind"] for change in seen] == ["serviced"] * 3 + ["claimed", "claim_code", "registered"]
    assert [change["reason"] for change in seen] == ["visit 2", "visit 1", "visit 0", None, "test", None]
    by = [change["changed_by"] and change["changed_by"]["name"] for change in seen]
    assert by == ["the operator"] * 3 + [None, "the operator", "the operator"]
    for query in ("limit=0", "limit=201", "cursor=x", "state=x"):
        assert await told(await field.read(f"/v1/bins/{BIN}/history?{query}")) == (422, "validation_failed")


async def test_a_change_has_a_reason_and_a_key_and_is_made_once(field: Yard) -> None:
    await field.install()
    for reason in ("", " ", "a\nb", "x" * 201, None):
        assert await told(await field.act("suspend", reason=reason)) == (422, "validation_failed")
    first = await field.operate(f"/{BIN}/service", {"reason": "visit"}, key="once")
    again = await field.operate(f"/{BIN}/service", {"reason": "visit"}, key="once")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await again.read() == await first.read()
    for what in ("suspend", "resume", "service", "retire", "claim-code", "rotate"):
        response = await field.operate(f"/{BIN}/{what}", {"reason": "x"}, who="viewer")
        assert await told(response) == (403, "forbidden"), what
    assert [kind for kind, _ in await field.changes()] == ["registered", "claim_code", "claimed", "serviced"]
