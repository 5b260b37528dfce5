"""Credit a batch of weigh events: what the group commit does in its one transaction."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from service.db import DriverConnection, Writers
from service.ledger.queries import available_coins, credit_weigh_events
from service.plausibility.drop import AccountDay
from service.plausibility.rule_book import RuleBook
from service.weighing import memories, queries
from service.weighing.deciding import Deciding, Decisions, Told
from service.weighing.facts import Days, Facts, Shown, Stored
from service.weighing.pending import NotActive, PendingEvent, Settled


@dataclass
class Crediting:
    """`rules` gives those that are known now; `zone` is where business days begin, as Asia/Shanghai; `demo`: whether
    credentials made by the demo count."""

    rules: Callable[[], RuleBook]
    zone: str
    demo: bool

    def __post_init__(self) -> None:
        self._days = Days(self.zone)

    async def commit(self, writers: Writers, events: list[PendingEvent]) -> list[Settled | NotActive]:
        """One result an event, in order; committed when this returns.

        An event that is stored already is told apart under its bin's lock, so crediting the same again changes nothing.
        """
        async with writers.connection() as connection, connection.transaction():
            return await self.credit(connection, events)

    async def credit(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> list[Settled | NotActive]:
        """As commit, in the caller's transaction, which is READ COMMITTED and has locked no wallet yet."""
        bin_ids, digests = _asked(events)
        rows = await queries.lock(connection, bin_ids, digests, demo=self.demo)
        facts = await self._facts(connection, events, rows)
        made = Deciding(facts, self.rules(), self._days).decide(events)
        return _with_balances(made.told, await self._write(connection, made))

    async def price(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> Decisions:
        """What `commit` would decide now. Nothing is locked and nothing written."""
        bin_ids, digests = _asked(events)
        rows = await queries.look(connection, bin_ids, digests, demo=self.demo)
        facts = await self._facts(connection, events, rows)
        return Deciding(facts, self.rules(), self._days).decide(events)

    async def _facts(
        self, connection: DriverConnection, events: Sequence[PendingEvent], rows: Sequence[asyncpg.Record]
    ) -> Facts:
        shown = {
            row["digest"]: Shown(row["resident_id"], row["kind"], row["counts_from"])
            for row in rows
            if row["bin_id"] is None
        }
        told = ((event.bin_id, event.occurred_at) for event in events)
        facts = Facts(now=time.time(), bins=await memories.read_states(connection, rows, told, self.zone), shown=shown)
        days = {
            (owner.resident_id, self._days.of(event.occurred_at))
            for event in events
            if (owner := facts.owner_of(event.credential_digest, event.occurred_at)) is not None
        }
        kinds = {each.resident_id: each.kind for each in shown.values()}
        for row in await queries.read_facts(connection, [event[:2] for event in events], list(days)):
            if row["bin_id"] is None:
                counted = AccountDay(kinds[row["owner_id"]], row["drops"], row["grams"], row["coins"])
                facts.days[row["owner_id"], row["day"]] = counted
            else:
                facts.stored[row["bin_id"], row["event_id"]] = Stored(
                    *(row[name] for name in ("content_digest", "outcome", "code", "coins", "owner_id", "balance"))
                )
        return facts

    async def _write(self, connection: DriverConnection, made: Decisions) -> dict[int, int]:
        """What the credited residents can spend after it all."""
        if made.conflicts:
            await queries.record_conflicts(connection, made.conflicts)
        if not made.rows:
            return {}
        rows = await credit_weigh_events(connection, *_columns(made))
        balances: dict[int, int] = {row["owner_id"]: row["balance"] for row in rows}
        if holding := [row["owner_id"] for row in rows if row["held"]]:
            # Those whose time is over hold nothing, written down yet or not.
            balances |= await available_coins(connection, holding)
        if made.held:
            await queries.hold_events(connection, made.held)
        await memories.write_gaps(connection, made.bins)
        return balances


def _asked(events: Sequence[PendingEvent]) -> tuple[list[str], list[bytes]]:
    bin_ids = {event.bin_id for event in events}
    digests = {event.credential_digest for event in events if event.credential_digest is not None}
    return list(bin_ids), list(digests)


def _columns(made: Decisions) -> list[Sequence[Any]]:
    days = [(*key, day.drops, day.grams, day.coins) for key, day in made.days.items()]
    return [
        *zip(*made.rows, strict=True),
        list(made.credited),
        list(made.credited.values()),
        *(zip(*days, strict=True) if days else [()] * 5),
        *memories.columns(made.bins),
    ]


def _with_balances(told: Sequence[Told | NotActive], balances: dict[int, int]) -> list[Settled | NotActive]:
    """`balances` are each wallet's after the whole batch; walking back from it gives that after each event."""
    after = dict(balances)
    results: list[Settled | NotActive] = []
    for each in reversed(told):
        if isinstance(each, NotActive):
            results.append(each)
            continue
        balance = each.balance_coins
        if each.resident_id is not None:
            if each.fresh:
                balance = after[each.resident_id]
                after[each.resident_id] -= each.coins
            else:
                balance = balances.get(each.resident_id, balance)
        results.append(Settled(each.outcome, each.coins, balance, each.code))
    results.reverse()
    return results
