"""Credit a batch of weigh events: what the group commit does in its one transaction."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.weigh_events import Outcome
from service.db import driver_connection
from service.ledger.queries import credit_weigh_events
from service.weighing import queries
from service.weighing.pending import NotActive, PendingEvent, Settled

Key = tuple[str, str]
OUTCOMES = {outcome.value: outcome for outcome in Outcome}


async def credit(engine: AsyncEngine, events: list[PendingEvent], *, demo: bool) -> list[Settled | NotActive]:
    """One result an event, in order; committed when this returns.

    The claim is by insertion, so crediting the same events again changes nothing and tells that they are duplicates.
    """
    # The same id twice in one batch: the first is claimed, the others are told apart by what is stored then.
    unique: dict[Key, PendingEvent] = {}
    for event in events:
        unique.setdefault(event[:2], event)
    async with driver_connection(engine) as connection:
        records = await credit_weigh_events(connection, list(zip(*unique.values(), strict=True)), demo=demo)
        settled = _settled_by_id(events, {(record[0], record[1]): record for record in records})
        echoes = [event for event in events if id(event) not in settled]
        if echoes:
            settled |= await _settle_echoes(connection, echoes)
    return [settled[id(event)] for event in events]


def _settled_by_id(events: list[PendingEvent], claimed: dict[Key, asyncpg.Record]) -> dict[int, Settled | NotActive]:
    """The newly claimed events. The statement gives each wallet's balance after the whole batch; walking back from it
    gives the balance after each event."""
    balances = {record["resident_id"]: record["balance"] for record in claimed.values()}
    firsts: dict[Key, PendingEvent] = {}
    for event in events:
        if event[:2] in claimed:
            firsts.setdefault(event[:2], event)
    settled: dict[int, Settled | NotActive] = {}
    for key, event in reversed(firsts.items()):
        record = claimed[key]
        owner_id = record["resident_id"]
        if owner_id is None:
            settled[id(event)] = Settled(OUTCOMES[record["outcome"]], 0, None)
            continue
        settled[id(event)] = Settled(Outcome.CREDITED, record["coins"], balances[owner_id])
        balances[owner_id] -= record["coins"]
    return settled


async def _settle_echoes(
    connection: "asyncpg.Connection[asyncpg.Record]", echoes: list[PendingEvent]
) -> dict[int, Settled | NotActive]:
    """Events whose id was there before: the same content is a duplicate, another a conflict, and recorded."""
    stored = {(record[0], record[1]): record for record in await queries.find_weigh_events(connection, echoes)}
    conflicts = [
        event for event in echoes if event[:2] in stored and stored[event[:2]]["content_digest"] != event.content_digest
    ]
    if conflicts:
        await queries.record_conflicts(connection, conflicts)
    return {id(event): _echo(event, stored.get(event[:2])) for event in echoes}


def _echo(event: PendingEvent, record: asyncpg.Record | None) -> Settled | NotActive:
    if record is None:
        return NotActive()
    if record["content_digest"] != event.content_digest:
        return Settled(Outcome.CONFLICT, 0, None)
    coins = record["coins"] if record["outcome"] == "credited" else 0
    return Settled(Outcome.DUPLICATE, coins, record["balance"])
