"""What clients sent and what the service said of it: the other side of the ledger, kept where no kill reaches it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
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


class Phase(StrEnum):
    """What is asked for with an Idempotency-Key: coins taken at once by a resident, and the life of what is held."""

    REDEEM = "redeem"
    AUTHORISE = "authorise"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


@dataclass(slots=True)
class Call:
    """One call, under one Idempotency-Key, and the first definite answer, which must be the answer for ever.

    - `actor`: who asks, as the service's stored answers name them.
    - `coins`: asked for; None for all.
    - `redemption_id`: of which redemption; None where a new one is asked for, with `pay_code` where a machine does.
    - `too_late_from`: Unix seconds from which on "too late" is an answer that may be given.
    - `status`, `answer`, `answered_at` (Unix seconds): None until there was a definite answer.
    """

    phase: Phase
    actor: str
    resident_id: int
    merchant_id: str
    machine_id: str | None = None
    coins: int | None = None
    redemption_id: str | None = None
    pay_code: str | None = None
    too_late_from: float | None = None
    status: int | None = None
    answer: Mapping[str, Any] | None = None
    answered_at: float | None = None

    @property
    def done(self) -> bool:
        """Whether it was answered, and not with a decline."""
        return self.status in (200, 201)

    @property
    def granted_id(self) -> str | None:
        """Of the redemption that this call was granted."""
        return self.answer["id"] if self.done and self.redemption_id is None and self.answer is not None else None

    @property
    def declined_as(self) -> str | None:
        """The code of a decline."""
        return None if self.done or self.answer is None else str(self.answer.get("code"))

    @property
    def expires_at(self) -> float | None:
        """When the hold that the answer told of frees its coins, in Unix seconds."""
        told = None if self.answer is None else self.answer.get("expires_at")
        return None if told is None else datetime.fromisoformat(told).timestamp()


@dataclass(slots=True)
class Journal:
    """Everything that was sent, by what names it for ever.

    `contradictions` are answers that cannot be true at once, or that no bin should ever get; each is a finding.
    """

    events: dict[EventKey, SentEvent] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    replays: Counter[Phase] = field(default_factory=Counter)

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

    def heard(self, idempotency_key: str, status: int, answer: Mapping[str, Any], at: float) -> None:
        """A definite answer to a call, at this moment in Unix seconds: each further one must be the same."""
        call = self.calls[idempotency_key]
        if call.status is None:
            call.status, call.answer, call.answered_at = status, answer, at
            return
        self.replays[call.phase] += 1
        if (call.status, call.answer) != (status, answer):
            self.contradictions.append(
                f"{call.phase} with key {idempotency_key} was answered with {call.status} {call.answer}, then with "
                f"{status} {answer}"
            )
