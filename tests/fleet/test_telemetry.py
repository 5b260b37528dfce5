"""Telemetry over HTTP: what bins are answered, and what is known of them then."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import Writers, transaction
from service.fleet.alarms import Thresholds
from service.fleet.changes import BY_COMMAND
from service.fleet.lifecycle import retire_bin, suspend_bin
from service.fleet.telemetry_recording import Recording
from service.fleet.telemetry_retention import forget_slice
from service.fleet.telemetry_rules import Told
from service.settings import Settings
from service.tables.bins import bin_alarm, bin_status, bin_telemetry
from tests.blocking import until_blocked
from tests.fleet.telling import Client, post, telemetry, tell
from tests.world import World

MEASURED = {
    "firmware": "2.4.1",
    "boxes": [{"material": "paper", "fill_percent": 64, "mass_grams": 20310}, {"material": "oil_not_known_here"}],
    "temperature_celsius": 18.5,
    "smoke": False,
    "door": "closed",
    "scale_zero_grams": -2,
    "battery_percent": 91,
}


async def rows(engine: AsyncEngine, table: sa.Table) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(sa.select(table).order_by(*table.primary_key))).all())


async def test_what_a_bin_tells_is_its_state_and_a_heartbeat_leaves_it(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    event = telemetry("NK-0002", MEASURED)
    assert await tell(client, world.hmac, event) == [{"id": event["id"], "outcome": "recorded"}]
    await tell(client, world.hmac, telemetry("NK-0002"), created=int(time.time()) - 100)
    [status] = await rows(engine, bin_status)
    assert (status.bin_id, status.firmware, status.temperature_celsius, status.smoke) == (
        "NK-0002",
        "2.4.1",
        18.5,
        False,
    )
    assert (status.door_open, status.scale_zero_grams, status.battery_percent) == (False, -2, 91)
    assert (status.boxes, status.fill_percent_max) == (MEASURED["boxes"], 64)
    assert status.clock_skew_seconds in (100, 101)
    assert status.occurred_at > datetime.fromisoformat(event["time"])
    [kept] = await rows(engine, bin_telemetry)
    assert (kept.temperature_celsius, kept.boxes) == (18.5, MEASURED["boxes"])


BAD: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"data": {"battery_percent": 101}}, "invalid_event", ["/data/battery_percent"]),
    ({"data": {"battery_percent": 50.5}}, "invalid_event", ["/data/battery_percent"]),
    ({"data": {"temperature_celsius": "hot"}}, "invalid_event", ["/data/temperature_celsius"]),
    ({"data": {"smoke": "yes", "door": "ajar"}}, "invalid_event", ["/data/smoke", "/data/door"]),
    ({"data": {"boxes": [{"fill_percent": 5}]}}, "invalid_event", ["/data/boxes/0/material"]),
    ({"data": {"boxes": [{"material": "paper"}] * 17}}, "invalid_event", ["/data/boxes"]),
    ({"data": {"firmware": "2.4\n"}}, "invalid_event", ["/data/firmware"]),
    ({"data": {"humidity": 5}}, "invalid_event", ["/data/humidity"]),
    ({"data": None}, "invalid_event", ["/data"]),
    ({"type": "tanbi.weigh-event.v1"}, "invalid_event", ["/type"]),
    ({"time": "1700000000"}, "invalid_event", ["/time"]),
    ({"id": ""}, "invalid_event", ["/id"]),
    ({"time": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "time_in_future", ["/time"]),
    ({"time": (datetime.now(UTC) - timedelta(days=31)).isoformat()}, "time_too_old", ["/time"]),
]


async def test_a_bad_event_is_rejected_and_spoils_no_other(world: World, client: Client, engine: AsyncEngine) -> None:
    good = telemetry("NK-0001", {"smoke": False})
    outcomes = await tell(
        client, world.ed25519, [*({**telemetry("NK-0001"), **change} for change, _, _ in BAD), None, good]
    )
    *rejected, nothing, recorded = outcomes
    assert [
        (outcome["outcome"], outcome["code"], [error["pointer"] for error in outcome["errors"]]) for outcome in rejected
    ] == [("rejected", code, pointers) for _, code, pointers in BAD]
    assert (nothing["id"], nothing["code"], recorded) == (
        None,
        "invalid_event",
        {"id": good["id"], "outcome": "recorded"},
    )
    assert len(await rows(engine, bin_status)) == 1


async def test_telemetry_of_another_bin_is_refused_with_all_that_came_with_it(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    response = await post(client, world.hmac, [telemetry("NK-0002"), telemetry("NK-0001", {"smoke": True})])
    assert (response.status, (await response.json())["code"]) == (403, "source_mismatch")
    assert await rows(engine, bin_status) == []


async def test_a_bin_that_is_suspended_is_heard_and_one_that_is_retired_is_not(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0001")
    await tell(client, world.ed25519, telemetry("NK-0001", {"smoke": True}))
    await tell(client, world.hmac, telemetry("NK-0002", {"smoke": True}))
    async with transaction(engine) as connection:
        await retire_bin(connection, "NK-0002", BY_COMMAND)
    heard, ended = await rows(engine, bin_alarm)
    assert (heard.bin_id, heard.closed_at, ended.bin_id) == ("NK-0001", None, "NK-0002")
    assert ended.closed_at is not None


async def test_nothing_is_recorded_of_a_bin_that_retires_while_its_batch_waits(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await tell(client, world.hmac, telemetry("NK-0002"))
    async with transaction(engine) as connection:
        await retire_bin(connection, "NK-0002", BY_COMMAND)
        telling = asyncio.create_task(post(client, world.hmac, telemetry("NK-0002", {"smoke": True})))
        await until_blocked(admin_engine, unless_done=telling)
    response = await telling
    assert (response.status, (await response.json())["code"]) == (409, "bin_retired")
    assert await rows(engine, bin_alarm) == []


async def test_an_alarm_is_open_when_the_bin_is_answered_and_logged_once(
    world: World, client: Client, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    burning = telemetry("NK-0001", {"smoke": True, "temperature_celsius": 71.5})
    for _ in range(2):
        await tell(client, world.ed25519, burning)
    opened = await rows(engine, bin_alarm)
    assert [(alarm.kind, alarm.measured, alarm.closed_at) for alarm in opened] == [
        ("smoke", None, None),
        ("heat", 71.5, None),
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "alarm at bin NK-0001: smoke",
        "alarm at bin NK-0001: heat (71.5)",
    ]
    await tell(client, world.ed25519, telemetry("NK-0001", {"smoke": False}))
    await tell(client, world.ed25519, burning)
    smoke, heat = await rows(engine, bin_alarm)
    assert smoke.closed_at > smoke.opened_at
    assert heat.closed_at is None
    assert len(await rows(engine, bin_telemetry)) == 2


async def test_a_backlog_that_comes_after_the_present_adds_to_the_history_alone(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    def at(minutes_ago: int, **data: Any) -> dict[str, Any]:
        moment = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        return telemetry("NK-0001", data, time=moment.isoformat())

    await tell(client, world.ed25519, at(0, battery_percent=50, smoke=False))
    backlog = [at(minutes, battery_percent=90, smoke=minutes == 1000) for minutes in range(1200, 900, -1)]
    for _ in range(2):
        assert {outcome["outcome"] for outcome in await tell(client, world.ed25519, backlog)} == {"recorded"}
    [status] = await rows(engine, bin_status)
    assert (status.battery_percent, status.smoke) == (50, False)
    assert await rows(engine, bin_alarm) == []
    kept = await rows(engine, bin_telemetry)
    # One each five minutes, of which the first and last may be begun; the smoke, where it is none of them; the present.
    assert 60 + 1 <= len(kept) <= 61 + 2
    assert [row.battery_percent for row in kept if row.smoke] == [90]


async def test_two_replicas_that_hear_of_the_same_new_bins_at_once_agree(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    writers = Writers(settings, by_key=True)
    replicas = [Recording(writers, Thresholds(60, 1, 20), 300) for _ in range(4)]
    now = time.time()
    batches = [
        [
            Told(bin_id, now - 10 + number, 0, {"battery_percent": 10 + number, "smoke": True})
            for bin_id in ("NK-0002", "NK-0001")
        ]
        for number in range(4)
    ]
    try:
        results = await asyncio.gather(
            *(replica.commit(batch) for replica, batch in zip(replicas, batches, strict=True))
        )
    finally:
        writers.close()
    assert results == [[True, True]] * 4
    assert [status.battery_percent for status in await rows(engine, bin_status)] == [13, 13]
    assert len(await rows(engine, bin_alarm)) == 4


async def test_an_alarm_that_another_replica_opens_meanwhile_is_not_opened_twice(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await tell(client, world.ed25519, telemetry("NK-0001"))
    async with transaction(engine) as other:
        await other.execute(sa.select(bin_status).with_for_update(key_share=True))
        telling = asyncio.create_task(tell(client, world.ed25519, telemetry("NK-0001", {"smoke": True})))
        await until_blocked(admin_engine, unless_done=telling)
        await other.execute(sa.insert(bin_alarm).values(bin_id="NK-0001", kind="smoke", opened_at=sa.func.now()))
    [outcome] = await telling
    assert outcome["outcome"] == "recorded"
    assert len(await rows(engine, bin_alarm)) == 1


async def test_telemetry_is_deleted_when_it_is_older_than_its_retention(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    days = [
        telemetry("NK-0001", {"battery_percent": 90}, time=(datetime.now(UTC) - timedelta(days=day)).isoformat())
        for day in (20, 10, 5, 0)
    ]
    await tell(client, world.ed25519, days)
    assert await forget_slice(engine, retention=timedelta(days=7), rows_max=1)
    assert len(await rows(engine, bin_telemetry)) == 3
    assert not await forget_slice(engine, retention=timedelta(days=7), rows_max=2)
    assert len(await rows(engine, bin_telemetry)) == 2
    assert len(await rows(engine, bin_status)) == 1
