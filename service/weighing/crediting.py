"""Credit a batch of weigh events: what the group commit does in its one transaction."""

import logging

import asyncpg

from schemas.weigh_events import Outcome
from service.db import DriverConnection, Writers
from service.ledger.queries import available_coins, credit_weigh_events
from service.weighing import queries
from service.weighing.pending import NotActive, PendingEvent, Settled, Unsettled

logger = logging.getLogger(__name__)

Key = tuple[str, str]
Outcomes = list[Settled | NotActive | Unsettled]


async def credit(writers: Writers, events: list[PendingEvent], *, demo: bool) -> Outcomes:
    """One result an event, in order; committed when this returns.

    The claim is by insertion, so crediting the same events again changes nothing and tells that they are duplicates.
    What is new is committed by the first statement; when a later one fails, only those whose id was there before hear
    of it.
    """
    # The same id twice in one batch: the first is claimed, the others are told apart by what is stored then.
    firsts: dict[Key, PendingEvent] = {}
    for event in events:
        firsts.setdefault(event[:2], event)
    async with writers.connection() as connection:
        columns = list(zip(*firsts.values(), strict=True))
        records = await credit_weigh_events(connection, columns, demo=demo)
        balances = {owner_id: balance for bin_id, _, owner_id, balance, _ in records if bin_id is None}
        if holding := [owner_id for _, _, owner_id, _, held in records if held]:
            balances |= await _available_if_possible(connection, holding)
        results = _settle_claimed(events, firsts, records, balances)
        echoes = [event for event, result in zip(events, results, strict=True) if result is None]
        settled_echoes = iter(await _settle_echoes_if_possible(connection, echoes) if echoes else ())
    return [next(settled_echoes) if result is None else result for result in results]


async def _available_if_possible(connection: DriverConnection, owner_ids: list[int]) -> dict[int, int]:
    """What residents with holds have by now: those whose time is over hold nothing, written down yet or not."""
    try:
        return await available_coins(connection, owner_ids)
    except Exception as error:  # noqa: BLE001  # whatever it is, the new events of this batch are committed
        logger.warning("%d wallets with holds could not be looked up: %s", len(owner_ids), type(error).__name__)
        return {}


def _settle_claimed(
    events: list[PendingEvent],
    firsts: dict[Key, PendingEvent],
    records: list[asyncpg.Record],
    balances: dict[int, int],
) -> list[Settled | NotActive | None]:
    """The events that were new; None for the rest.

    `balances` are each wallet's after the whole batch; walking back from it gives that after each event.
    """
    owners: dict[Key, int | None] = {
        (bin_id, event_id): owner_id for bin_id, event_id, owner_id, _, _ in records if bin_id is not None
    }
    results: list[Settled | NotActive | None] = [None] * len(events)
    for position in range(len(events) - 1, -1, -1):
        event = events[position]
        key = event[:2]
        if key not in owners or firsts[key] is not event:
            continue
        owner_id = owners[key]
        if owner_id is not None:
            results[position] = Settled(Outcome.CREDITED, event.coins, balances[owner_id])
            balances[owner_id] -= event.coins
        elif event.coins_per_kg is None:
            results[position] = Settled(Outcome.HELD, 0, None)
        else:
            results[position] = Settled(Outcome.UNCLAIMED, 0, None)
    return results


async def _settle_echoes_if_possible(connection: DriverConnection, echoes: list[PendingEvent]) -> Outcomes:
    try:
        return [*await _settle_echoes(connection, echoes)]
    except Exception as error:  # noqa: BLE001  # whatever it is, the new events of this batch are committed
        logger.warning("%d events that were there before could not be looked up: %s", len(echoes), type(error).__name__)
        return [Unsettled() for _ in echoes]


async def _settle_echoes(connection: DriverConnection, echoes: list[PendingEvent]) -> list[Settled | NotActive]:
    """Events whose id was there before: the same content is a duplicate, another a conflict, and recorded."""
    stored = {(record[0], record[1]): record for record in await queries.find_weigh_events(connection, echoes)}
    conflicts = [
        event for event in echoes if event[:2] in stored and stored[event[:2]]["content_digest"] != event.content_digest
    ]
    if conflicts:
        await queries.record_conflicts(connection, conflicts)
    return [_settle_echo(event, stored.get(event[:2])) for event in echoes]


def _settle_echo(event: PendingEvent, record: asyncpg.Record | None) -> Settled | NotActive:
    if record is None:
        return NotActive()
    if record["content_digest"] != event.content_digest:
        return Settled(Outcome.CONFLICT, 0, None)
    coins = record["coins"] if record["outcome"] == "credited" else 0
    return Settled(Outcome.DUPLICATE, coins, record["balance"])
