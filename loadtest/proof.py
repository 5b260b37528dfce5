"""Whether the database and the API say the same as the journal: nothing lost, nothing twice, nothing invented."""

from collections.abc import Iterator, Mapping, Sequence

from loadtest.findings import Finding
from loadtest.journal import EventKey, Journal, SentEvent
from loadtest.redemption_proof import lives_of, redemption_findings
from loadtest.stored import Row, Stored


def findings_of(journal: Journal, before: Stored, after: Stored) -> list[Finding]:
    """Everything in which the database differs from what clients were told."""
    return [
        *(Finding("contradiction", said) for said in journal.contradictions),
        *event_findings(journal, before, after),
        *redemption_findings(journal, before, after),
        *(Finding("balance", f"wallet {row} differs from its transfers or its holds") for row in after.wallets_off),
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


def expected_balances(journal: Journal, before: Mapping[int, int], after: Stored) -> dict[int, int]:
    """What each resident must have by what clients were told, in coins, from what they had before.

    Clients are not told what the scheme pays of a late capture: that is read from `after`.
    """
    balances = dict(before)
    for event in journal.events.values():
        balances[event.resident_id] += event.coins or 0
    for redemption_id, life in lives_of(journal).items():
        covered, given_back = (sum(after.coins_moved(redemption_id, kind)) for kind in ("cover", "cover_refund"))
        balances[life.grant.resident_id] += sum(life.refunded) - sum(life.captured) + covered - given_back
    return balances


def balance_findings(expected: Mapping[int, int], told: Mapping[int, tuple[int, int]]) -> Iterator[Finding]:
    """Each resident whom the API tells another balance than expected, or that coins are held where every hold's time is
    over; `told` has both by resident."""
    for resident_id, coins in expected.items():
        if told[resident_id] != (coins, 0):
            yield Finding(
                "balance",
                f"resident {resident_id} must have {coins} coins and has {told[resident_id][0]}, with "
                f"{told[resident_id][1]} held",
            )
