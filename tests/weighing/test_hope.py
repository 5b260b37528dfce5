"""Events that are decided without locks: written as they were decided, or decided again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome
from service.db import Writers, transaction
from service.fleet.lifecycle import suspend_bin
from service.ledger.queries import CREDIT_WEIGH_EVENTS
from service.plausibility.rule_book import RuleBook, RuleRow
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import wallet
from service.tables.weighing import (
    bin_memory,
    held_event,
    resident_day,
    sequence_gap,
    weigh_event,
    weigh_event_conflict,
)
from service.weighing import queries
from service.weighing.crediting import Crediting
from service.weighing.pending import NotActive, PendingEvent, Settled
from tests.blocking import until_blocked
from tests.folding.drops import drop, write
from tests.world import CARD, World

ONE_A_DAY = RuleBook(
    [RuleRow(1, "day_drops", datetime(2020, 1, 1, tzinfo=UTC), "hold", {"resident": 1, "trader": None})]
)


@pytest.fixture
async def writers(settings: Settings) -> AsyncIterator[Writers]:
    writers = Writers(settings, by_key=True)
    yield writers
    writers.close()


@pytest.fixture
def crediting(world: World) -> Crediting:
    """A service's own, which has not lost hope."""
    return Crediting(lambda: ONE_A_DAY, "Asia/Shanghai", demo=False)


@pytest.fixture
def card(settings: Settings) -> bytes:
    return Keyring.of(settings).credential_digest("card", CARD)


async def statements_of(crediting: Crediting, writers: Writers, *events: PendingEvent) -> list[str]:
    """What is sent to the database for these events, one at a time."""
    sent: list[str] = []

    def note(record: Any) -> None:
        sent.append(record.query)

    async with writers.connection() as connection:
        connection.add_query_logger(note)
    await crediting.commit(writers, list(events))
    # The driver tells of a statement in the next turn of the loop.
    await asyncio.sleep(0)
    async with writers.connection() as connection:
        connection.remove_query_logger(note)
    return sent


async def test_two_statements_do_and_one_for_what_is_stored(crediting: Crediting, writers: Writers) -> None:
    # The first time, the driver asks for the types of columns.
    await crediting.commit(writers, [drop(bin_id="NK-0002")])
    event = drop(sequence=1)
    assert await statements_of(crediting, writers, event) == [queries.READ, CREDIT_WEIGH_EVENTS]
    assert await statements_of(crediting, writers, event) == [queries.READ]


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"bin_id": "NK-0002", "sequence": 1}, Outcome.HELD, OutcomeCode.DAY_DROPS),
        ({"sequence": 7, "card": None}, Outcome.HELD, OutcomeCode.SEQUENCE_REUSED),
        ({"sequence": 8, "card": None}, Outcome.UNCLAIMED, None),
    ],
    ids=["the same resident", "the same number", "the next number"],
)
async def test_what_another_writes_meanwhile_is_decided_on(
    crediting: Crediting,
    writers: Writers,
    card: bytes,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    changes: dict[str, Any],
    outcome: Outcome,
    code: OutcomeCode | None,
) -> None:
    mine = drop(**({"card": card} | changes))
    async with transaction(engine) as connection:
        await write(connection, drop(sequence=7, card=card))
        # It has looked, and waits to write; what it looked at is from before the other's commit.
        task = asyncio.create_task(crediting.commit(writers, [mine]))
        await until_blocked(admin_engine)
    assert await task == [Settled(outcome, 0, None, code)]
    async with engine.connect() as connection:
        remembered = (await connection.execute(sa.select(bin_memory.c.bin_id, bin_memory.c.sequence))).all()
        days = (await connection.execute(sa.select(resident_day.c.drops, resident_day.c.coins))).all()
    assert {row.bin_id: row.sequence for row in remembered}[mine.bin_id] == mine.sequence
    assert days == [(1, 125)]


async def test_what_another_has_stored_meanwhile_is_a_duplicate(
    crediting: Crediting, writers: Writers, card: bytes, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    event = drop(sequence=7, card=card)
    async with transaction(engine) as connection:
        await write(connection, event)
        task = asyncio.create_task(crediting.commit(writers, [event]))
        await until_blocked(admin_engine)
    assert await task == [Settled(Outcome.DUPLICATE, 125, 125)]
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(weigh_event))).scalar_one() == 1
        assert (await connection.execute(sa.select(wallet.c.posted).where(wallet.c.posted > 0))).scalars().all() == [
            125
        ]


async def test_of_a_batch_all_is_written_as_it_was_decided_or_nothing(
    crediting: Crediting, writers: Writers, card: bytes, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    """One bin of two has been written meanwhile: both are decided again, and each is stored once."""
    batch = [drop(sequence=1, card=card), drop(bin_id="NK-0002", sequence=1)]
    async with transaction(engine) as connection:
        await write(connection, drop(bin_id="NK-0002", sequence=2))
        task = asyncio.create_task(replace(crediting, rules=lambda: RuleBook()).commit(writers, batch))
        await until_blocked(admin_engine)
    assert [(each.outcome, each.coins) for each in await task if isinstance(each, Settled)] == [
        (Outcome.CREDITED, 125),
        (Outcome.UNCLAIMED, 0),
    ]
    async with engine.connect() as connection:
        stored = (await connection.execute(sa.select(weigh_event.c.bin_id).order_by("bin_id"))).scalars().all()
    assert stored == ["NK-0001", "NK-0002", "NK-0002"]


async def test_where_others_write_the_same_it_waits_for_them_for_a_while(
    crediting: Crediting, writers: Writers, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        await write(connection, drop(sequence=1))
        task = asyncio.create_task(crediting.commit(writers, [drop(sequence=2)]))
        await until_blocked(admin_engine)
    await task
    locked = await statements_of(crediting, writers, drop(sequence=3))
    assert queries.LOCK in locked
    assert await statements_of(crediting, writers, drop(sequence=4)) == [queries.READ, CREDIT_WEIGH_EVENTS]


async def test_what_one_statement_cannot_write_is_written_all_the_same(
    crediting: Crediting, writers: Writers, card: bytes, engine: AsyncEngine
) -> None:
    """A gap, a drop that is held, and an id that is used for another."""
    first, second = drop(sequence=1, card=card), drop(sequence=4)
    for each in (first, second, drop(bin_id="NK-0002", sequence=1, card=card)):
        await replace(crediting).commit(writers, [each])
    [conflict] = await replace(crediting).commit(writers, [first._replace(content_digest=b"another")])
    assert isinstance(conflict, Settled)
    assert conflict.outcome is Outcome.CONFLICT
    async with engine.connect() as connection:
        gaps = await connection.execute(sa.select(sequence_gap.c.first_sequence, sequence_gap.c.last_sequence))
        held = await connection.execute(sa.select(held_event.c.bin_id))
        conflicts = await connection.execute(sa.select(weigh_event_conflict.c.content_digest))
        assert (gaps.all(), held.all(), conflicts.all()) == ([(2, 3)], [("NK-0002",)], [(b"another",)])


async def test_a_bin_that_is_suspended_between_the_look_and_the_write_is_not_credited(
    crediting: Crediting, writers: Writers, card: bytes, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.select(bin_memory).where(bin_memory.c.bin_id == "NK-0001").with_for_update())
        task = asyncio.create_task(crediting.commit(writers, [drop(sequence=1, card=card)]))
        await until_blocked(admin_engine)
        await suspend_bin(connection, "NK-0001")
    assert await task == [NotActive()]
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(weigh_event.c.event_id))).all() == []
