"""Credit a batch of weigh events: what the group commit does in its one transaction."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.db import DriverConnection, Writers
from service.ledger.queries import credit_weigh_events
from service.plausibility.drop import AccountDay
from service.plausibility.rule_book import RuleBook
from service.weighing import memories, queries
from service.weighing.deciding import Deciding, Decisions, Told
from service.weighing.facts import Days, Facts, Shown, Stored
from service.weighing.pending import NotActive, PendingEvent, Settled

# Without locks three round trips are saved. In a larger batch they are little, and so is the chance that nobody else
# writes one of its bins or wallets meanwhile.
HOPE_EVENTS_MAX: Final = 32
# Under contention one batch in so many is tried without locks, so that it is noticed when that has passed.
IN_VAIN_MAX: Final = 63


@dataclass
class Crediting:
    """`rules` gives those that are known now; `zone` is where business days begin, as Asia/Shanghai; `demo`: whether
    credentials made by the demo count."""

    rules: Callable[[], RuleBook]
    zone: str
    demo: bool

    def __post_init__(self) -> None:
        self._days = Days(self.zone)
        # Batches to go without hope, and how many of them the last failure was worth.
        self._without_hope = self._in_vain = 0

    async def commit(self, writers: Writers, events: list[PendingEvent]) -> list[Settled | NotActive]:
        """One result an event, in order; committed when this returns.

        An event that is stored already is told apart, so crediting the same again changes nothing.
        """
        async with writers.connection() as connection:
            if len(events) <= HOPE_EVENTS_MAX and self._hopes():
                settled = await self._credit_in_hope(connection, events)
                if settled is not None:
                    return settled
            async with connection.transaction():
                return await self.credit(connection, events)

    async def credit(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> list[Settled | NotActive]:
        """As commit, in the caller's transaction, which is READ COMMITTED and has locked no wallet yet."""
        bin_ids = list({event.bin_id for event in events})
        digests = list({event.credential_digest for event in events if event.credential_digest is not None})
        while True:
            await queries.lock(connection, bin_ids, digests, demo=self.demo)
            made, facts = await self._decide(connection, events)
            balances = await self._write(connection, made, facts)
            # Only a card that was bound between the lock and the look has a wallet that is not locked; it is by now.
            if balances is not None:
                break
        if made.conflicts:
            await queries.record_conflicts(connection, made.conflicts)
        if made.held:
            await queries.hold_events(connection, made.held)
        await memories.write_gaps(connection, made.bins)
        return _with_balances(made.told, balances)

    async def price(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> Decisions:
        """What `commit` would decide now. Nothing is locked and nothing written."""
        return (await self._decide(connection, events))[0]

    async def _credit_in_hope(
        self, connection: DriverConnection, events: Sequence[PendingEvent]
    ) -> list[Settled | NotActive] | None:
        """Look, decide, and write if nothing has changed since: two round trips, and no lock is held between them. None
        where something has, or where there is more to write than one statement does."""
        made, facts = await self._decide(connection, events)
        done_by_one = not (made.conflicts or made.held or memories.gaps_changed(made.bins))
        balances = await self._write(connection, made, facts) if done_by_one else None
        if balances is None:
            # Others write the same bins or wallets, or many drops are doubtful: for a while it is better not to try.
            self._in_vain = min(2 * self._in_vain + 1, IN_VAIN_MAX)
            self._without_hope = self._in_vain
            return None
        self._in_vain = 0
        return _with_balances(made.told, balances)

    def _hopes(self) -> bool:
        if self._without_hope == 0:
            return True
        self._without_hope -= 1
        return False

    async def _decide(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> tuple[Decisions, Facts]:
        facts = await self._facts(connection, events)
        return Deciding(facts, self.rules(), self._days).decide(events), facts

    async def _facts(self, connection: DriverConnection, events: Sequence[PendingEvent]) -> Facts:
        shown = {
            (event.credential_digest, self._days.of(event.occurred_at))
            for event in events
            if event.credential_digest is not None
        }
        earliest = memories.earliest_of((event.bin_id, event.occurred_at) for event in events)
        rows = await queries.read(connection, earliest, shown, [event[:2] for event in events], demo=self.demo)
        facts = Facts(now=time.time(), bins=memories.states_of(rows, self.zone), shown={})
        for row in rows:
            if row["event_id"] is not None:
                facts.stored[row["bin_id"], row["event_id"]] = Stored(
                    *(row[name] for name in ("digest", "outcome", "code", "coins", "resident_id", "balance"))
                )
            elif row["day"] is not None:
                resident_id, kind = row["resident_id"], row["kind"]
                facts.shown[row["digest"]] = Shown(resident_id, kind, row["counts_from"])
                facts.versions[resident_id] = row["version"]
                if row["drops"] is not None:
                    day = AccountDay(kind, row["drops"], row["grams"], row["coins"])
                    facts.days[resident_id, row["day"]] = day
        return facts

    async def _write(self, connection: DriverConnection, made: Decisions, facts: Facts) -> dict[int, int] | None:
        """What the credited residents can spend after it all; None where nothing was written, because something has
        changed since it was read."""
        if not made.rows:
            return {}
        checked, *rows = await credit_weigh_events(connection, *_columns(made, facts))
        if not checked["fresh"]:
            return None
        return {row["owner_id"]: row["balance"] for row in rows}


def _columns(made: Decisions, facts: Facts) -> list[Sequence[Any]]:
    days = [(*key, day.drops, day.grams, day.coins) for key, day in made.days.items()]
    return [
        *zip(*made.rows, strict=True),
        list(made.credited),
        list(made.credited.values()),
        *(zip(*days, strict=True) if days else [()] * 5),
        *memories.columns(made.bins),
        [facts.versions[owner_id] for owner_id in made.credited],
        [state.version for state in made.bins.values()],
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
