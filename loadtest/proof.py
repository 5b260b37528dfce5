"""Whether the database and the API say the same as the journal: nothing lost, nothing twice, nothing invented."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from loadtest.journal import EventKey, Journal, SentEvent

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row = dict[str, Any]

EVENTS = "SELECT bin_id, event_id, outcome, coins, resident_id FROM weigh_event"
REDEMPTIONS = """
SELECT redemption.id::text AS id, redemption.owner_id, redemption.merchant_id, redemption.coins,
       CASE WHEN captured.id IS NULL THEN 'not captured' ELSE 'captured' END AS state
FROM redemption
LEFT JOIN transfer AS captured
  ON captured.kind = 'redemption' AND captured.owner_id = redemption.owner_id
 AND captured.redemption_id = redemption.id
"""
TRANSFERS = """
SELECT owner_id, kind, coins, bin_id, event_id, redemption_id::text AS redemption_id
FROM transfer
WHERE kind IN ('credit', 'redemption')
"""
WALLETS_OFF = """
SELECT wallet.owner_id, wallet.posted, wallet.held, coalesce(moved.coins, 0) AS moved
FROM wallet
LEFT JOIN (
    SELECT owner_id, sum(CASE WHEN credit_account_id = owner_id THEN coins ELSE -coins END) AS coins
    FROM transfer
    GROUP BY owner_id
) AS moved ON moved.owner_id = wallet.owner_id
WHERE wallet.posted <> coalesce(moved.coins, 0) OR wallet.held <> 0
ORDER BY wallet.owner_id
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be. `code` is `lost`, `doubled`, `wrong`, `invented`, `unanswered`,
    `contradiction`, `balance`, `verify` or `not_back`; `detail` names it."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds: events and redemptions, the transfers of both (`rewards`, `payments`), and the wallets
    that differ from the sum of their transfers."""

    events: dict[EventKey, Row]
    redemptions: dict[str, Row]
    rewards: dict[EventKey, list[Row]]
    payments: dict[str, list[Row]]
    wallets_off: list[Row]


async def read_stored(connection: Connection) -> Stored:
    """All of it, as of one moment."""
    rewards: dict[EventKey, list[Row]] = defaultdict(list)
    payments: dict[str, list[Row]] = defaultdict(list)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        events = await connection.fetch(EVENTS)
        redemptions = await connection.fetch(REDEMPTIONS)
        for row in await connection.fetch(TRANSFERS):
            if row["kind"] == "credit":
                rewards[row["bin_id"], row["event_id"]].append(dict(row))
            else:
                payments[row["redemption_id"]].append(dict(row))
        wallets_off = [dict(row) for row in await connection.fetch(WALLETS_OFF)]
    return Stored(
        events={(row["bin_id"], row["event_id"]): dict(row) for row in events},
        redemptions={row["id"]: dict(row) for row in redemptions},
        rewards=rewards,
        payments=payments,
        wallets_off=wallets_off,
    )


def findings_of(journal: Journal, before: Stored, after: Stored) -> list[Finding]:
    """Everything in which the database differs from what clients were told."""
    return [
        *(Finding("contradiction", said) for said in journal.contradictions),
        *event_findings(journal, before, after),
        *redemption_findings(journal, before, after),
        *payment_findings(after),
        *(Finding("balance", f"wallet {row} differs from its transfers") for row in after.wallets_off),
    ]


def event_findings(journal: Journal, before: Stored, after: Stored) -> Iterator[Finding]:
    """Each event that was sent: stored once with its coins, and one transfer; and none that was not sent."""
    for key, event in journal.events.items():
        row = after.events.get(key)
        if event.answers == 0:
            yield Finding("unanswered", f"event {key} was sent until the end and never acknowledged")
        elif row is None:
            yield Finding("lost", f"event {key} was acknowledged with {event.coins} coins and is not there")
        if row is not None:
            yield from stored_event_findings(key, event, row, after.rewards.get(key, []))
    for key in after.events.keys() - before.events.keys() - journal.events.keys():
        yield Finding("invented", f"event {key} is there and nobody sent it")
    for key in after.rewards.keys() - after.events.keys():
        yield Finding("invented", f"a transfer pays for event {key}, which is not there")


def stored_event_findings(key: EventKey, event: SentEvent, row: Row, rewards: Sequence[Row]) -> Iterator[Finding]:
    """One event that is there: what it says, and what was paid for it."""
    coins = row["coins"] if event.coins is None else event.coins
    wanted = ("credited", coins, event.resident_id)
    if (row["outcome"], row["coins"], row["resident_id"]) != wanted:
        yield Finding("wrong", f"event {key} must be {wanted} and is {row}")
    if len(rewards) > 1:
        yield Finding("doubled", f"event {key} was paid for {len(rewards)} times")
    elif not rewards and coins:
        yield Finding("lost", f"event {key} is there and was never paid for")
    elif rewards and (rewards[0]["owner_id"], rewards[0]["coins"]) != (event.resident_id, coins):
        yield Finding("wrong", f"event {key} is worth {coins} coins and was paid for with {rewards[0]}")


def redemption_findings(journal: Journal, before: Stored, after: Stored) -> Iterator[Finding]:
    """Each redemption that was asked for: taken once, or declined; and none that nobody heard of."""
    told: Counter[str] = Counter()
    for key, spending in journal.spendings.items():
        if spending.status is None:
            yield Finding("unanswered", f"the redemption with key {key} was sent until the end and never answered")
        if spending.redemption_id is None:
            continue
        told[spending.redemption_id] += 1
        row = after.redemptions.get(spending.redemption_id)
        wanted = (spending.resident_id, spending.merchant_id, spending.coins)
        if row is None:
            yield Finding("lost", f"redemption {spending.redemption_id} was acknowledged and is not there")
        elif (row["owner_id"], row["merchant_id"], row["coins"]) != wanted:
            yield Finding("wrong", f"redemption {spending.redemption_id} must be {wanted} and is {row}")
    for redemption_id, times in told.items():
        if times > 1:
            yield Finding("doubled", f"redemption {redemption_id} was the answer to {times} keys")
    for redemption_id in after.redemptions.keys() - before.redemptions.keys() - told.keys():
        yield Finding("doubled", f"coins were taken by redemption {redemption_id}, of which nobody was told")


def payment_findings(after: Stored) -> Iterator[Finding]:
    """Each redemption that is there is paid once, and nothing else is."""
    for redemption_id, row in after.redemptions.items():
        paid = [(payment["owner_id"], payment["coins"]) for payment in after.payments.get(redemption_id, [])]
        if paid != [(row["owner_id"], row["coins"])]:
            yield Finding("wrong", f"redemption {row} was paid with {paid}")
    for redemption_id in after.payments.keys() - after.redemptions.keys():
        yield Finding("invented", f"a transfer pays for redemption {redemption_id}, which is not there")


def expected_balances(journal: Journal, before: Mapping[int, int]) -> dict[int, int]:
    """What each resident must have by what clients were told, in coins, from what they had before."""
    balances = dict(before)
    for event in journal.events.values():
        balances[event.resident_id] += event.coins or 0
    for spending in journal.spendings.values():
        if spending.redemption_id is not None:
            balances[spending.resident_id] -= spending.coins
    return balances


def balance_findings(expected: Mapping[int, int], told: Mapping[int, int]) -> Iterator[Finding]:
    """Each resident whom the API tells another balance than expected."""
    for resident_id, coins in expected.items():
        if told[resident_id] != coins:
            yield Finding("balance", f"resident {resident_id} must have {coins} coins and has {told[resident_id]}")
