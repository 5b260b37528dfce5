"""Boxes that are emptied: what bins are answered, what is stored, and what is known of their boxes then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.fleet.lifecycle import suspend_bin
from service.reference import raise_revision
from service.tables.bins import bin_, bin_placement
from service.tables.places import site
from service.tables.reference import plausibility_rule
from service.tables.weighing import bin_memory, clearance_conflict, sequence_gap, weigh_event
from service.tables.weighing import clearance as stored_clearance
from tests.weighing.emptying import CLEARANCES, Client, TellingBin, clearance, post
from tests.world import World

RECORDED = ("recorded", None)
DROPPED = ("unclaimed", None)
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)


RULES = {
    "box_mass_short": "hold",
    "box_mass_over": "hold",
    "emptied_mass_short": "hold",
    "emptied_mass_over": "reject",
}


@pytest.fixture
async def rules(world: World, engine: AsyncEngine) -> None:
    """In force for longer than anything that happens here; before the service starts."""
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(plausibility_rule),
            [
                {
                    "code": code,
                    "effective_from": BEGIN - timedelta(days=1),
                    "action": action,
                    "parameters": {"tolerance_grams": 0},
                }
                for code, action in RULES.items()
            ],
        )
        await raise_revision(connection)


@pytest.fixture
def telling(world: World, rules: None, client: Client) -> TellingBin:
    return TellingBin(client, world.hmac, BEGIN)


async def stored(engine: AsyncEngine) -> list[Any]:
    """Clearances by sequence."""
    async with transaction(engine) as connection:
        return list((await connection.execute(sa.select(stored_clearance).order_by("sequence", "received_at"))).all())


async def memory_of(engine: AsyncEngine, bin_id: str) -> Any:
    async with transaction(engine) as connection:
        return (await connection.execute(sa.select(bin_memory).where(bin_memory.c.bin_id == bin_id))).one()


async def gaps(engine: AsyncEngine) -> list[tuple[int, int]]:
    """Those that are open."""
    open_gaps = sa.select(sequence_gap.c.first_sequence, sequence_gap.c.last_sequence).where(
        sequence_gap.c.closed_at.is_(None)
    )
    async with transaction(engine) as connection:
        return [(row[0], row[1]) for row in await connection.execute(open_gaps.order_by("first_sequence"))]


# -- what is stored -------------------------------------------------------------------------------------------------


async def test_an_emptying_is_recorded_and_held_against_the_drops_since_the_one_before(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    assert await telling.tell(telling.drop(1)) == [DROPPED]
    assert await telling.tell(telling.emptied(2, 4000, 100)) == [RECORDED]
    assert await telling.tell(telling.drop(3), telling.drop(4, 6000)) == [DROPPED, DROPPED]
    assert await telling.tell(telling.emptied(5, 7130, 20)) == [RECORDED]
    first, second = await stored(engine)
    # What was in the box when the service first heard of it, nobody knows.
    assert (first.expected_grams, first.permissible_grams) == (None, None)
    # e is 10 g: what was left with 10 to err, the drops with 10 and 20, and what it weighs with 20.
    assert (second.expected_grams, second.permissible_grams) == (100 + 7000, 60)
    assert (second.bin_id, second.site_id, second.epoch, second.sequence) == ("NK-0002", "site-1", 0, 5)
    assert (second.material_id, second.collector) == ("paper", "V-07")
    assert (second.mass_before_grams, second.mass_after_grams) == (7130, 20)
    assert (second.outcome, second.code, second.findings) == ("recorded", None, None)
    assert (second.occurred_at, second.clock_skew_seconds in (0, 1)) == (telling.at(5), True)
    memory = await memory_of(engine, "NK-0002")
    assert (memory.sequence, memory.sequence_at, memory.heard_at) == (5, telling.at(5), second.received_at)
    assert await gaps(engine) == []


async def test_an_emptying_is_recorded_once_and_its_retry_is_a_duplicate(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    emptied = telling.emptied(1, 4000)
    assert await telling.tell(emptied, emptied) == [RECORDED, ("duplicate", None)]
    assert await telling.tell(emptied) == [("duplicate", None)]
    assert len(await stored(engine)) == 1
    memory = await memory_of(engine, "NK-0002")
    assert (memory.epoch, memory.sequence) == (0, 1)


async def test_another_content_under_the_same_id_is_a_conflict_that_changes_no_account(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    emptied = telling.emptied(1, 4000)
    other = {**emptied, "data": {**emptied["data"], "mass_after_grams": 3000}}
    assert await telling.tell(emptied, other) == [RECORDED, ("conflict", "id_reused")]
    before = await memory_of(engine, "NK-0002")
    assert await telling.tell(other) == [("conflict", "id_reused")]
    assert await memory_of(engine, "NK-0002") == before
    async with transaction(engine) as connection:
        [conflict] = (await connection.execute(sa.select(clearance_conflict))).all()
    assert (conflict.event_id, conflict.mass_after_grams) == (emptied["id"], 3000)


async def test_a_doubtful_emptying_is_recorded_with_its_code_or_rejected_and_closes_the_account_all_the_same(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    await telling.tell(telling.emptied(1, 0))
    await telling.tell(telling.drop(2, 5000))
    assert await telling.tell(telling.emptied(3, 4900)) == [("recorded", "emptied_mass_short")]
    await telling.tell(telling.drop(4, 5000))
    over = telling.emptied(5, 6000, 300)
    assert await telling.tell(over) == [("rejected", "emptied_mass_over")]
    assert await telling.tell(over) == [("rejected", "emptied_mass_over")]
    await telling.tell(telling.drop(6, 500))
    assert await telling.tell(telling.emptied(7, 800)) == [RECORDED]
    _, short, rejected, last = await stored(engine)
    assert short.findings == [
        {
            "code": "emptied_mass_short",
            "figures": {
                "mass_before_grams": 4900,
                "expected_grams": 5000,
                "difference_grams": 100,
                "permissible_grams": 30,
            },
        }
    ]
    assert (rejected.outcome, last.expected_grams) == ("rejected", 800)
    assert await gaps(engine) == []


async def test_a_material_that_there_is_not_is_rejected_and_its_number_is_seen(
    telling: TellingBin, world: World, client: Client, engine: AsyncEngine
) -> None:
    unknown = telling.emptied(1, 4000, material="gold")
    assert await telling.tell(unknown, telling.emptied(2, 4000)) == [("rejected", "unknown_material"), RECORDED]
    [again] = (await (await post(client, world.hmac, CLEARANCES, unknown)).json())["outcomes"]
    assert (again["outcome"], again["code"]) == ("rejected", "unknown_material")
    assert [error["pointer"] for error in again["errors"]] == ["/data/material"]
    memory = await memory_of(engine, "NK-0002")
    assert (memory.sequence, memory.boxes.keys()) == (2, {"paper"})
    assert await gaps(engine) == []


async def test_a_wrong_clock_is_told_and_its_time_is_not_believed(telling: TellingBin, engine: AsyncEngine) -> None:
    async def told_at(sequence: int, at: datetime) -> tuple[str, str | None]:
        return (await telling.tell(clearance("NK-0002", sequence, at, 0)))[0]

    assert await told_at(1, BEGIN) == RECORDED
    assert await told_at(2, datetime.now(UTC) + timedelta(days=1)) == ("recorded", "time_in_future")
    assert await told_at(3, datetime(1970, 1, 1, 8, tzinfo=UTC)) == ("recorded", "time_too_old")
    assert await told_at(4, datetime(1969, 1, 1, tzinfo=UTC)) == ("rejected", "time_out_of_range")
    memory = await memory_of(engine, "NK-0002")
    assert (memory.epoch, memory.sequence, memory.sequence_at) == (0, 4, BEGIN)
    assert (await told_at(4, BEGIN), (await stored(engine))[-1].epoch) == (("recorded", "sequence_reused"), None)


async def test_an_emptying_is_of_the_site_where_the_bin_stood_then(telling: TellingBin, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(site).values(id="site-2", area_id="xuefu-1", kind="community", name="二", name_en="2")
        )
        for site_id, since in (("site-1", BEGIN - timedelta(days=9)), ("site-2", telling.at(2))):
            await connection.execute(
                sa.insert(bin_placement).values(bin_id="NK-0002", site_id=site_id, effective_from=since)
            )
        moved = sa.update(bin_).where(bin_.c.id == "NK-0002").values(site_id="site-2", placed_at=telling.at(2))
        await connection.execute(moved)
    await telling.tell(telling.emptied(3, 100), telling.emptied(1, 200))
    assert [(each.sequence, each.site_id) for each in await stored(engine)] == [(1, "site-1"), (3, "site-2")]


# -- bad input ------------------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"collector": "王师傅"}, ["/data/collector"]),
    ({"collector": "Wang"}, ["/data/collector"]),
    ({"collector": "V 07"}, ["/data/collector"]),
    ({"collector": "7" * 65}, ["/data/collector"]),
    ({"mass_before_grams": -1, "mass_after_grams": 10**9 + 1}, ["/data/mass_before_grams", "/data/mass_after_grams"]),
    ({"mass_before_grams": 1.5}, ["/data/mass_before_grams"]),
    ({"sequence": -1}, ["/data/sequence"]),
    ({"material": "Paper!"}, ["/data/material"]),
    ({"data": {}}, [f"/data/{name}" for name in clearance("NK-0002", 1, BEGIN, 0)["data"]]),
    ({"driver": "V-07"}, ["/driver"]),
    ({"type": "tanbi.weigh-event.v1"}, ["/type"]),
    ({"time": "1700000000"}, ["/time"]),
    ({"id": ""}, ["/id"]),
]


def _changed(event: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    inside = {name: value for name, value in change.items() if name in event["data"]}
    return {**event, "data": {**event["data"], **inside}, **{name: change[name] for name in change.keys() - inside}}


async def test_a_bad_event_is_rejected_and_spoils_no_other(
    telling: TellingBin, world: World, client: Client, engine: AsyncEngine
) -> None:
    bad = [_changed(telling.emptied(9, 1), change) for change, _ in BAD]
    response = await post(client, world.hmac, CLEARANCES, [*bad, None, telling.emptied(1, 4000)])
    *rejected, nothing, recorded = (await response.json())["outcomes"]
    assert [(each["code"], [error["pointer"] for error in each["errors"]]) for each in rejected] == [
        ("invalid_event", pointers) for _, pointers in BAD
    ]
    assert rejected[0]["errors"][0]["detail"].startswith("Must be the id of a staff card or vehicle, with a digit")
    assert (nothing["code"], recorded["outcome"]) == ("invalid_event", "recorded")
    assert len(await stored(engine)) == 1


async def test_nothing_is_recorded_with_an_emptying_of_another_bin_or_of_a_bin_that_was_suspended_meanwhile(
    telling: TellingBin, world: World, client: Client, engine: AsyncEngine
) -> None:
    batch = [telling.emptied(1, 4000), clearance("NK-0001", 1, BEGIN, 4000)]
    response = await post(client, world.hmac, CLEARANCES, batch)
    assert (response.status, (await response.json())["code"]) == (403, "source_mismatch")
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0002")
    response = await post(client, world.hmac, CLEARANCES, telling.emptied(1, 4000))
    assert (response.status, (await response.json())["code"]) == (403, "bin_suspended")
    assert await stored(engine) == []


# -- late ones ------------------------------------------------------------------------------------------------------


async def test_a_late_emptying_closes_its_gap_and_the_account_is_known_again_after_the_next(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    await telling.tell(telling.emptied(1, 0))
    # Two drops of after the emptying came before it.
    await telling.tell(telling.drop(2), telling.drop(4), telling.drop(5))
    assert await gaps(engine) == [(3, 3)]
    assert await telling.tell(telling.emptied(3, 1000)) == [RECORDED]
    assert await gaps(engine) == []
    await telling.tell(telling.emptied(6, 2000))
    await telling.tell(telling.drop(7, 700))
    await telling.tell(telling.emptied(8, 700))
    assert [each.expected_grams for each in await stored(engine)] == [None, None, None, 700]


async def test_after_three_days_offline_with_emptyings_in_between_nothing_is_missing_and_nobody_doubted(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    """In the order in which it happened, each kind in requests of its own."""
    await telling.tell(telling.emptied(1, 0))
    for day in range(3):
        first = 2 + 21 * day
        drops = [telling.drop(first + number, 1000, 1000 * (number + 1)) for number in range(20)]
        assert await telling.tell(*drops) == [DROPPED] * 20
        assert await telling.tell(telling.emptied(first + 20, 20_000)) == [RECORDED]
    assert [each.expected_grams for each in await stored(engine)] == [None, 20_000, 20_000, 20_000]
    assert await gaps(engine) == []


async def test_a_bin_that_sends_all_drops_before_all_emptyings_is_not_doubted_either(
    telling: TellingBin, engine: AsyncEngine
) -> None:
    await telling.tell(telling.emptied(1, 0))
    days = [2 + 11 * day for day in range(3)]
    drops = [telling.drop(first + number, 1000, 1000 * (number + 1)) for first in days for number in range(10)]
    assert await telling.tell(*drops) == [DROPPED] * 30
    # The box weighs less after each emptying that the service has not heard of: a missing number says why.
    assert await gaps(engine) == [(first + 10, first + 10) for first in days[:-1]]
    assert await telling.tell(*(telling.emptied(first + 10, 10_000) for first in days)) == [RECORDED] * 3
    assert await gaps(engine) == []
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(weigh_event.c.code).distinct())).scalars().all() == [None]
