"""Record a batch of clearances: what its group commit does in its one transaction."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.clearances import ClearanceOutcome
from service.db import Writers
from service.plausibility.rule_book import RuleBook
from service.weighing import clearance_queries, memories, queries
from service.weighing.clearance_deciding import PendingClearance, SettledClearance, StoredClearance, decide
from service.weighing.deciding import CODES
from service.weighing.pending import NotActive


@dataclass(frozen=True, slots=True)
class Clearing:
    """`rules` gives those that are known now; `zone` is where business days begin, as Asia/Shanghai."""

    writers: Writers
    rules: Callable[[], RuleBook]
    zone: str

    async def commit(self, clearances: Sequence[PendingClearance]) -> list[SettledClearance | NotActive]:
        """One result a clearance, in order; committed when this returns.

        What is stored already is told apart under its bin's lock, so recording the same again changes nothing.
        """
        bin_ids = sorted({each.bin_id for each in clearances})
        async with self.writers.connection() as connection, connection.transaction():
            await queries.lock(connection, bin_ids, [], demo=False)
            earliest = memories.earliest_of((each.bin_id, each.occurred_at) for each in clearances)
            states = memories.states_of(await queries.read(connection, earliest, (), (), demo=False), self.zone)
            stored = {
                (row["bin_id"], row["event_id"]): StoredClearance(
                    row["content_digest"],
                    SettledClearance(
                        ClearanceOutcome(row["outcome"]), None if row["code"] is None else CODES[row["code"]]
                    ),
                )
                for row in await clearance_queries.read_stored(connection, [each[:2] for each in clearances])
            }
            made = decide(clearances, states, stored, self.rules(), time.time())
            if made.rows:
                await clearance_queries.record(connection, made.rows, made.bins)
                await memories.write_gaps(connection, made.bins)
            if made.conflicts:
                await clearance_queries.record_conflicts(connection, made.conflicts)
        return made.told
