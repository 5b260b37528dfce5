"""What other rules would have made of what happened, against what they make of it when it happens."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.outcome_codes import OutcomeCode
from service.db import Writers, snapshot, transaction
from service.errors import RuleUnknown, ValidationFailed
from service.ledger.queries import open_wallet
from service.plausibility.rule_book import RuleBook, RuleRow
from service.plausibility.rules import RULES as ALL_RULES
from service.residents.claiming import Terms, claim_waiting
from service.settings import Settings
from service.tables.bins import bin_
from service.tables.columns import metadata
from service.tables.people import credential, resident
from service.tables.reference import plausibility_rule
from service.tables.weighing import clearance, weigh_event
from service.weighing.clearance_deciding import PendingClearance
from service.weighing.clearing import Clearing
from service.weighing.crediting import Crediting
from service.weighing.pending import PendingEvent
from service.weighing.plausibility_rules import try_rules
from service.weighing.replaying import Decided, Replay, replay
from service.weighing.replaying_queries import first_received_at
from tests.world import COINS_PER_KG, EPOCH, NO_RULES, World

ZONE = "Asia/Shanghai"
CARDS = ("card-a", "card-b", "nobody's")
BINS = ("NK-0001", "NK-0002")
DOUBTS = (OutcomeCode.UNKNOWN_MATERIAL, OutcomeCode.WEIGHT_OUT_OF_RANGE, OutcomeCode.TIME_TOO_OLD)
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "below_smallest_load": ("reject", {"intervals_min": 20}),
    "box_mass_short": ("hold", {"tolerance_grams": 0}),
    "box_mass_over": ("credit", {"tolerance_grams": 0}),
    "heavy_drop": ("hold", {"grams_max": 4500}),
    "emptied_mass_short": ("hold", {"tolerance_grams": 0}),
    "emptied_mass_over": ("hold", {"tolerance_grams": 0}),
    "improbable_rate": ("hold", {"drops_max": 8, "grams_max": 60_000}),
    "day_drops": ("hold", {"resident": 6, "trader": 12}),
    "day_coins": ("reject", {"resident": 2000, "trader": None}),
}
CHANGES: dict[str, Any] = {
    "day_drops": {"parameters": {"resident": 3}},
    "heavy_drop": {"action": "reject", "parameters": {"grams_max": 3500}},
    "box_mass_over": {"action": "hold"},
    "improbable_rate": {"action": "off"},
    "emptied_mass_short": {"action": "off"},
    "emptied_mass_over": {"action": "reject"},
}
SEEDS = (1, 2)


History = list[list[PendingEvent] | list[PendingClearance]]


def changed_rules() -> dict[str, tuple[str, dict[str, Any]]]:
    """What CHANGES makes of RULES."""
    return RULES | {
        code: (change.get("action", RULES[code][0]), {**RULES[code][1], **change.get("parameters", {})})
        for code, change in CHANGES.items()
    }


def digest(card: str) -> bytes:
    return hashlib.sha256(card.encode()).digest()


def history(seed: int) -> History:
    """Batches of the two bins: gaps, late and repeated events, reset counters, boxes that disagree, wrong clocks."""
    drawn = random.Random(seed)  # noqa: S311  # not a secret
    now = time.time() - 6 * 3600
    batches: History = []
    counters = dict.fromkeys(BINS, 0)
    masses = {(bin_id, name): 5000 for bin_id in BINS for name in COINS_PER_KG}
    later: list[PendingEvent] = []
    for batch in range(12):
        events: list[PendingEvent] = []
        for number in range(drawn.randrange(2, 9)):
            bin_id, material_id = drawn.choice(BINS), drawn.choice(sorted(COINS_PER_KG))
            now += drawn.randrange(1, 900)
            counters[bin_id] = drawn.choice((1, counters[bin_id])) if drawn.random() < 0.08 else counters[bin_id] + 1
            counters[bin_id] += drawn.choice((0, 0, 0, 1))
            weight_grams = drawn.choice((150, 900, 2000, 4000, 5000))
            masses[bin_id, material_id] += weight_grams + drawn.choice((0, 0, 0, 0, -900, 900))
            doubt = drawn.choice(DOUBTS) if drawn.random() < 0.1 else None
            coins_per_kg = None if drawn.random() < 0.05 else COINS_PER_KG[material_id]
            occurred_at = now + (30 * 86_400 if drawn.random() < 0.05 else 0)
            if doubt is OutcomeCode.TIME_TOO_OLD:
                occurred_at -= 500 * 86_400
            event = PendingEvent(
                bin_id,
                f"{seed}-{batch}-{number}",
                digest(f"{seed}-{batch}-{number}"),
                counters[bin_id],
                material_id,
                weight_grams,
                None if drawn.random() < 0.2 else max(masses[bin_id, material_id], 1),
                drawn.choice((None, *(digest(card) for card in CARDS))),
                occurred_at,
                coins_per_kg,
                0 if coins_per_kg is None else weight_grams * coins_per_kg // 1000,
                drawn.choice((None, 0, 40)),
                doubt,
            )
            (later if drawn.random() < 0.15 else events).append(event)
        if later and drawn.random() < 0.5:
            events.append(later.pop(0))
        drawn.shuffle(events)
        batches.append(events)
        if drawn.random() < 0.5:
            bin_id, material_id = drawn.choice(BINS), drawn.choice(sorted(COINS_PER_KG))
            counters[bin_id] += 1
            doubt = drawn.choice((None, None, OutcomeCode.UNKNOWN_MATERIAL, OutcomeCode.TIME_TOO_OLD))
            mass = max(masses[bin_id, material_id] + drawn.choice((0, 0, -800, 800)), 0)
            masses[bin_id, material_id] = 0
            told = bin_id, f"{seed}-{batch}-c", digest(f"{seed}-{batch}-c"), counters[bin_id], material_id, "truck-1"
            batches.append([PendingClearance(*told, mass, 0, now, 0, doubt)])
    return [each for each in batches if each]


@pytest.fixture
async def people(world: World, engine: AsyncEngine) -> dict[str, int]:
    """Two residents with a card each, one of them a trader."""
    ids = {}
    async with transaction(engine) as connection:
        for card, kind in (("card-a", "resident"), ("card-b", "trader")):
            ids[card] = await open_wallet(connection)
            await connection.execute(sa.insert(resident).values(id=ids[card], kind=kind))
            await connection.execute(
                sa.insert(credential).values(
                    digest=digest(card), kind="card", resident_id=ids[card], bound_at=EPOCH, counts_from=EPOCH
                )
            )
    return ids


@pytest.fixture
async def writers(settings: Settings) -> AsyncIterator[Writers]:
    writers = Writers(settings)
    yield writers
    writers.close()


async def put_in_force(engine: AsyncEngine, rules: dict[str, tuple[str, dict[str, Any]]]) -> Crediting:
    """One that credits by these rules, which are in the table."""
    rows: list[dict[str, Any]] = [
        {"code": code, "effective_from": EPOCH, "action": action, "parameters": parameters}
        for code, (action, parameters) in rules.items()
    ]
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(plausibility_rule), rows)
    return replace(NO_RULES, rules=lambda: RuleBook(RuleRow(0, **row) for row in rows))


async def happen(crediting: Crediting, writers: Writers, batches: History) -> None:
    clearing = Clearing(writers, crediting.rules, ZONE)
    for batch in batches:
        if isinstance(batch[0], PendingEvent):
            await crediting.commit(writers, [each for each in batch if isinstance(each, PendingEvent)])
        else:
            await clearing.commit([each for each in batch if isinstance(each, PendingClearance)])


async def replayed(engine: AsyncEngine, changes: object, *, hours: int = 0) -> Replay:
    """Since `hours` after the first event."""
    async with snapshot(engine) as connection:
        trial = await try_rules(connection, changes, standard=False)
        first = await first_received_at(connection)
        since = (first or datetime.now(UTC)).replace(microsecond=0) + timedelta(hours=hours)
        return await replay(connection, trial, since=since, zone=ZONE, age_days_max=400)


async def decisions(engine: AsyncEngine) -> dict[tuple[str, str], Decided]:
    columns = weigh_event.c
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(columns.bin_id, columns.event_id, columns.verdict, columns.code))
        made = {(row.bin_id, row.event_id): Decided(row.verdict, row.code) for row in found}
        for row in await connection.execute(sa.select(clearance)):
            made[row.bin_id, row.event_id] = Decided("reject" if row.outcome == "rejected" else "record", row.code)
    return made


async def everything(engine: AsyncEngine) -> dict[str, list[str]]:
    """Every row of every table."""
    async with engine.connect() as connection:
        return {
            name: sorted(str(row) for row in await connection.execute(sa.text(f'SELECT * FROM "{name}"')))
            for name in metadata.tables
        }


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_rules_as_they_are_decide_what_was_decided(
    people: dict[str, int], engine: AsyncEngine, admin_engine: AsyncEngine, writers: Writers, seed: int
) -> None:
    await happen(await put_in_force(engine, RULES), writers, history(seed))
    before = await everything(admin_engine)
    found = await replayed(engine, {})
    stored = await decisions(engine)
    assert (found.unlike.sums, found.differences.sums) == ({}, {})
    assert found.compared.drops + found.compared.clearances == len(stored)
    assert found.compared.clearances > 2
    assert await everything(admin_engine) == before
    # The history has something to tell.
    assert {each.verdict for each in stored.values()} == {"credit", "hold", "reject", "record"}
    assert len({each.code for each in stored.values()}) > 6


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_would_differ_is_what_differs_where_the_changed_rules_were_in_force(
    people: dict[str, int], engine: AsyncEngine, admin_engine: AsyncEngine, writers: Writers, seed: int
) -> None:
    batches = history(seed)
    await happen(await put_in_force(engine, changed_rules()), writers, batches)
    wanted = await decisions(engine)
    # The same history again, in a city that never heard of it.
    async with transaction(admin_engine) as connection:
        names = (
            "weigh_event",
            "clearance",
            "held_event",
            "sequence_gap",
            "resident_day",
            "transfer",
            "plausibility_rule",
        )
        await connection.execute(sa.text(f"TRUNCATE {', '.join(names)}"))
        await connection.execute(
            sa.text(
                "UPDATE bin_memory SET epoch = 0, sequence = NULL, sequence_at = NULL, gaps_open = 0,"
                " boxes = DEFAULT, hours = DEFAULT, counts = DEFAULT"
            )
        )
    await happen(await put_in_force(engine, RULES), writers, batches)
    stored = await decisions(engine)
    found = await replayed(engine, CHANGES)
    assert found.unlike.sums == {}
    assert {pair: each.drops + each.clearances for pair, each in found.differences.sums.items()} == Counter(
        (stored[key], wanted[key]) for key in stored if stored[key] != wanted[key]
    )
    assert found.differences.sums
    for each in found.differences.examples:
        key = each.bin_id, each.event_id
        assert (stored[key], wanted[key]) == (each.before, each.after)


def drop(number: int, *, card: str | None = "card-a", **changes: Any) -> PendingEvent:
    event = PendingEvent(
        "NK-0001", f"drop-{number}", digest(f"{number}"), number, "paper", 1000, None,
        None if card is None else digest(card), time.time() - 3600 + number, 100, 100, 0,
    )  # fmt: skip
    return event._replace(**changes)


async def test_a_drop_that_was_claimed_counts_on_its_day_only_from_then_on(
    people: dict[str, int], engine: AsyncEngine, writers: Writers
) -> None:
    crediting = await put_in_force(engine, {"day_drops": ("hold", {"resident": 2, "trader": None})})
    # The last of the three came before the others were anybody's, and is not held for them.
    await happen(crediting, writers, [[drop(1, card="late")], [drop(2, card="late")], [drop(10)]])
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(credential).values(
                digest=digest("late"), kind="card", resident_id=people["card-a"], counts_from=EPOCH
            )
        )
        terms = Terms(timedelta(days=30), ZONE, demo=False, rules=crediting.rules())
        await claim_waiting(connection, [digest("late")], terms)
    await happen(crediting, writers, [[drop(11, card="late")], [drop(12)]])
    found = await replayed(engine, {"day_drops": {"parameters": {"resident": 3}}})
    assert found.unlike.sums == {}
    # One of the two was claimed, so one more is credited where three are, and the last is held by either.
    [(pair, of_both)] = found.differences.sums.items()
    assert pair == (Decided("hold", "day_drops"), Decided("credit", None))
    assert (of_both.drops, of_both.grams, of_both.coins) == (1, 1000, 100)
    [example] = found.differences.examples
    assert example.event_id == "drop-11"


async def test_of_one_batch_the_order_is_by_bin_and_then_as_it_happened(
    people: dict[str, int], engine: AsyncEngine, writers: Writers
) -> None:
    crediting = await put_in_force(engine, {"day_drops": ("hold", {"resident": 1, "trader": 1})})
    of_two_bins = [drop(1, bin_id="NK-0002"), drop(2)]
    # The second of the trader's has the lower number: the counter was reset between them.
    of_one_bin = [drop(20, card="card-b", sequence=1), drop(19, card="card-b", sequence=9)]
    await happen(crediting, writers, [of_two_bins, of_one_bin])
    stored = await decisions(engine)
    assert {event_id for (_, event_id), decided in stored.items() if decided.code is None} == {"drop-2", "drop-19"}
    assert (await replayed(engine, {})).unlike.sums == {}


async def test_what_was_too_old_stays_so_where_a_rule_had_more_to_say(
    people: dict[str, int], engine: AsyncEngine, writers: Writers
) -> None:
    crediting = await put_in_force(engine, {"below_smallest_load": ("reject", {"intervals_min": 20})})
    old = drop(1, weight_grams=150, coins=15, doubt=OutcomeCode.TIME_TOO_OLD, occurred_at=time.time() - 500 * 86_400)
    await happen(crediting, writers, [[old]])
    found = await replayed(engine, {"below_smallest_load": {"action": "off"}})
    assert list(found.differences.sums) == [(Decided("reject", "below_smallest_load"), Decided("hold", "time_too_old"))]


async def test_events_before_it_build_the_memory_and_are_not_compared(
    people: dict[str, int], engine: AsyncEngine, admin_engine: AsyncEngine, writers: Writers
) -> None:
    crediting = await put_in_force(engine, {"day_drops": ("hold", {"resident": 2, "trader": None})})
    await happen(crediting, writers, [[drop(1), drop(2)], [drop(3)]])
    async with transaction(admin_engine) as connection:
        of_first = weigh_event.c.event_id.in_(["drop-1", "drop-2"])
        earlier = weigh_event.c.received_at - timedelta(minutes=30)
        await connection.execute(sa.update(weigh_event).where(of_first).values(received_at=earlier))
        first = await connection.scalar(sa.select(sa.func.min(weigh_event.c.received_at)))
    assert first is not None
    async with snapshot(engine) as connection:
        trial = await try_rules(connection, {"day_drops": {"action": "reject"}}, standard=False)
        found = await replay(connection, trial, since=first + timedelta(minutes=10), zone=ZONE, age_days_max=400)
    assert (found.warmed_up, found.compared.drops, found.unlike.count) == (2, 1, 0)
    assert list(found.differences.sums) == [(Decided("hold", "day_drops"), Decided("reject", "day_drops"))]


async def test_a_clearance_is_replayed_in_its_place(
    people: dict[str, int], engine: AsyncEngine, writers: Writers
) -> None:
    crediting = await put_in_force(engine, {"emptied_mass_short": ("hold", {"tolerance_grams": 0})})
    first, last = drop(1), drop(4)
    of_bin = first.bin_id, "c-1", b"", 1, "paper", "truck-1"
    emptied = PendingClearance(*of_bin, 9000, 0, first.occurred_at, 0)
    again = emptied._replace(event_id="c-4", sequence=4, mass_before_grams=1000, occurred_at=last.occurred_at)
    await happen(crediting, writers, [[emptied], [drop(2), drop(3)], [again]])
    found = await replayed(engine, {"emptied_mass_short": {"action": "off"}})
    assert (found.compared.drops, found.compared.clearances, found.unlike.sums) == (2, 2, {})
    [(pair, of_both)] = found.differences.sums.items()
    assert pair == (Decided("record", "emptied_mass_short"), Decided("record", None))
    assert (of_both.drops, of_both.clearances, of_both.grams) == (0, 1, 0)


async def test_a_visit_is_known_only_from_when_it_was_told(
    people: dict[str, int], engine: AsyncEngine, admin_engine: AsyncEngine, writers: Writers
) -> None:
    await happen(NO_RULES, writers, [[drop(1)]])
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(bin_).values(serviced_at=sa.func.now()))
        await connection.execute(
            sa.text(
                "INSERT INTO bin_change (bin_id, kind, effective_at, created_at)"
                " VALUES ('NK-0001', 'serviced', now(), clock_timestamp())"
            )
        )
    await happen(NO_RULES, writers, [[drop(2)]])
    stored = await decisions(engine)
    assert stored["NK-0001", "drop-2"].code == "time_before_visit"
    assert (await replayed(engine, {})).unlike.sums == {}


async def test_rules_that_make_no_sense_are_told(engine: AsyncEngine) -> None:
    mistakes: list[tuple[object, type[Exception], str]] = [
        ({"moon_phase": {"action": "off"}}, RuleUnknown, "There is no rule moon_phase"),
        ({"heavy_drop": {"parameters": {"grams_max": "many"}}}, ValidationFailed, "heavy_drop: grams_max: "),
        ({"heavy_drop": {"parameters": {"grams": 1}}}, ValidationFailed, "heavy_drop: grams: "),
        ({"heavy_drop": {"action": "scold"}}, ValidationFailed, "the action is one of off, credit, hold, reject"),
        ({"heavy_drop": {"params": {}}}, ValidationFailed, "action and parameters, and nothing else"),
        ({"heavy_drop": {"parameters": []}}, ValidationFailed, "parameters are an object"),
        ([], ValidationFailed, "Rules are an object"),
    ]
    for wanted, error, said in mistakes:
        with pytest.raises(error, match=said):
            await replayed(engine, wanted)


async def test_what_is_not_named_stays_as_it_is_in_force_or_as_it_is_shipped(engine: AsyncEngine) -> None:
    await put_in_force(engine, {"day_drops": ("reject", {"resident": 6, "trader": 12})})
    wanted = {"day_drops": {"parameters": {"trader": 9}}, "heavy_drop": {"action": "reject"}}
    async with snapshot(engine) as connection:
        trial = await try_rules(connection, wanted, standard=False)
        shipped = await try_rules(connection, wanted, standard=True)
    assert {each.code: (each.action, each.parameters) for each in trial.changes} == {
        "day_drops": ("reject", {"resident": 6, "trader": 9}),
        "heavy_drop": ("reject", {"grams_max": 15_000, "material_grams_max": {}}),
    }
    of_shipped = {each.code: (each.action, each.parameters) for each in shipped.changes}
    assert of_shipped.keys() == ALL_RULES.keys()
    assert of_shipped["day_drops"] == ("hold", {"resident": 10, "trader": 9})
    assert len(trial.as_they_are) == 1


async def test_a_time_without_events_is_told(world: World, engine: AsyncEngine, writers: Writers) -> None:
    with pytest.raises(ValidationFailed, match="There is no event yet"):
        await replayed(engine, {})
    await happen(NO_RULES, writers, [[drop(1, card=None)]])
    with pytest.raises(ValidationFailed, match="The first event was received at"):
        await replayed(engine, {}, hours=-1)
    with pytest.raises(ValidationFailed, match="is still to come"):
        await replayed(engine, {}, hours=1)
