"""What the database holds of the things that clients were told of, read as its owner."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from loadtest.journal import EventKey

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row = dict[str, Any]
# Who asked, and the Idempotency-Key.
AnswerKey = tuple[str, str]

EVENTS = "SELECT bin_id, event_id, outcome, coins, resident_id FROM weigh_event"
REDEMPTIONS = "SELECT id::text AS id, owner_id, merchant_id, machine_id, coins, expires_at FROM redemption"
# `merchant_id` is whose account the coins came to or from; of a cover, nobody's.
TRANSFERS = """
SELECT transfer.owner_id, transfer.kind, transfer.coins, transfer.bin_id, transfer.event_id,
       transfer.redemption_id::text AS redemption_id, merchant.id AS merchant_id
FROM transfer
LEFT JOIN merchant
  ON merchant.account_id = CASE WHEN transfer.owner_id = transfer.debit_account_id THEN transfer.credit_account_id
                                ELSE transfer.debit_account_id END
WHERE transfer.kind = 'credit' OR transfer.redemption_id IS NOT NULL
"""
HOLDS = "SELECT redemption_id::text AS redemption_id, owner_id, coins, expires_at FROM hold"
RESOLUTIONS = "SELECT redemption_id::text AS redemption_id, outcome, captured_coins FROM hold_resolution"
UNCOVERED = "SELECT redemption_id::text AS redemption_id, coins FROM uncovered_capture"
ANSWERS = "SELECT actor, key, status, answer FROM idempotency_key"
WALLETS_OFF = """
SELECT wallet.owner_id, wallet.posted, wallet.held, coalesce(moved.coins, 0) AS moved, coalesce(open.coins, 0) AS open
FROM wallet
LEFT JOIN (
    SELECT owner_id, sum(CASE WHEN credit_account_id = owner_id THEN coins ELSE -coins END) AS coins
    FROM transfer
    GROUP BY owner_id
) AS moved ON moved.owner_id = wallet.owner_id
LEFT JOIN (SELECT owner_id, sum(coins) AS coins FROM hold GROUP BY owner_id) AS open
  ON open.owner_id = wallet.owner_id
WHERE wallet.posted <> coalesce(moved.coins, 0) OR wallet.held <> coalesce(open.coins, 0)
ORDER BY wallet.owner_id
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Events and redemptions, the transfers of both (`rewards`, `moves`), by redemption its open hold, its hold's
    resolution and what its merchant bears (`uncovered`); the status and text of each answer that is kept; and the
    wallets that differ from the sum of their transfers or of their holds."""

    events: Mapping[EventKey, Row] = field(default_factory=dict)
    redemptions: Mapping[str, Row] = field(default_factory=dict)
    rewards: Mapping[EventKey, list[Row]] = field(default_factory=dict)
    moves: Mapping[str, list[Row]] = field(default_factory=dict)
    holds: Mapping[str, Row] = field(default_factory=dict)
    resolutions: Mapping[str, Row] = field(default_factory=dict)
    uncovered: Mapping[str, Row] = field(default_factory=dict)
    answers: Mapping[AnswerKey, tuple[int, str]] = field(default_factory=dict)
    wallets_off: list[Row] = field(default_factory=list)

    def coins_moved(self, redemption_id: str, kind: str) -> list[int]:
        """The coins of each transfer of this kind for a redemption, the smallest first."""
        return sorted(row["coins"] for row in self.moves.get(redemption_id, []) if row["kind"] == kind)


async def read_stored(connection: Connection) -> Stored:
    """All of it, as of one moment."""
    rewards: dict[EventKey, list[Row]] = defaultdict(list)
    moves: dict[str, list[Row]] = defaultdict(list)

    async def by_redemption(query: str) -> dict[str, Row]:
        return {row["redemption_id"]: dict(row) for row in await connection.fetch(query)}

    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for row in await connection.fetch(TRANSFERS):
            if row["kind"] == "credit":
                rewards[row["bin_id"], row["event_id"]].append(dict(row))
            else:
                moves[row["redemption_id"]].append(dict(row))
        return Stored(
            events={(row["bin_id"], row["event_id"]): dict(row) for row in await connection.fetch(EVENTS)},
            redemptions={row["id"]: dict(row) for row in await connection.fetch(REDEMPTIONS)},
            rewards=rewards,
            moves=moves,
            holds=await by_redemption(HOLDS),
            resolutions=await by_redemption(RESOLUTIONS),
            uncovered=await by_redemption(UNCOVERED),
            answers={
                (row["actor"], row["key"]): (row["status"], row["answer"]) for row in await connection.fetch(ANSWERS)
            },
            wallets_off=[dict(row) for row in await connection.fetch(WALLETS_OFF)],
        )
