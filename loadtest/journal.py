"""What clients sent and what the service said of it: the other side of the ledger, kept where no kill reaches it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.weigh_events import Outcome

EventKey = tuple[str, str]

ACKNOWLEDGED = (Outcome.CREDITED, Outcome.DUPLICATE)


@dataclass(slots=True)
class SentEvent:
    """One event and what was said of it. `coins` is None until it was acknowledged; `credited` counts the answers that
    called it new, of which there may be none: the reply may have been cut."""

    resident_id: int
    answers: int = 0
    credited: int = 0
    coins: int | None = None


@dataclass(slots=True)
class Spending:
    """One redemption that a resident asked for, under one Idempotency-Key, and what was said of it.

    `status` is None until there was a definite answer; `redemption_id` None where it was declined.
    """

    resident_id: int
    merchant_id: str
    coins: int
    status: int | None = None
    redemption_id: str | None = None


@dataclass(slots=True)
class Journal:
    """Everything that was sent, by what names it for ever.

    `contradictions` are answers that cannot be true at once, or that no bin should ever get; each is a finding.
    """

    events: dict[EventKey, SentEvent] = field(default_factory=dict)
    spendings: dict[str, Spending] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    replays: int = 0

    def will_send(self, key: EventKey, resident_id: int) -> None:
        """Before the first send: an event that reached the service without a trace here would be taken for invented."""
        self.events.setdefault(key, SentEvent(resident_id))

    def answered(self, keys: Sequence[EventKey], outcomes: Sequence[Mapping[str, Any]]) -> None:
        """A request with these events, in order, was answered with 200 and these outcomes."""
        if len(keys) != len(outcomes):
            self.contradictions.append(f"{len(keys)} events were answered with {len(outcomes)} outcomes")
            return
        for key, outcome in zip(keys, outcomes, strict=True):
            self._answered(key, outcome)

    def _answered(self, key: EventKey, outcome: Mapping[str, Any]) -> None:
        event, said = self.events[key], outcome.get("outcome")
        self.outcomes[str(said)] += 1
        if outcome.get("id") != key[1] or said not in ACKNOWLEDGED:
            self.contradictions.append(f"event {key} was answered with {dict(outcome)}")
            return
        event.answers += 1
        event.credited += said == Outcome.CREDITED
        if event.credited > 1:
            self.contradictions.append(f"event {key} was said to be credited {event.credited} times")
        coins = outcome.get("coins")
        if event.coins is not None and coins != event.coins:
            self.contradictions.append(f"event {key} was said to be worth {event.coins} coins, then {coins}")
        event.coins = coins

    def spent(self, idempotency_key: str, status: int, redemption_id: str | None) -> None:
        """A definite answer to a redemption: each further one must say the same."""
        spending = self.spendings[idempotency_key]
        if spending.status is None:
            spending.status, spending.redemption_id = status, redemption_id
            return
        self.replays += 1
        if (spending.status, spending.redemption_id) != (status, redemption_id):
            self.contradictions.append(
                f"the redemption with key {idempotency_key} was answered with {spending.status} "
                f"{spending.redemption_id}, then with {status} {redemption_id}"
            )
