"""An event that was validated and waits to be credited, and what became of it."""

from typing import NamedTuple

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome


class PendingEvent(NamedTuple):
    """What a bin says of one drop, with what the reference data adds to it."""

    bin_id: str
    event_id: str
    content_digest: bytes
    sequence: int
    material_id: str
    weight_grams: int
    box_weight_grams: int | None
    credential_digest: bytes | None
    # Unix seconds: a float tells microseconds apart until the year 2255.
    occurred_at: float
    # None where no tariff was in force: the event is held.
    coins_per_kg: int | None
    coins: int
    # How far the bin's clock was behind the service's when it signed, in seconds.
    clock_skew_seconds: int | None = None
    # What is wrong with it whatever the rules say: it is rejected or held, as the code says.
    doubt: OutcomeCode | None = None


class Settled(NamedTuple):
    """What became of an event; `balance_coins` is None where no resident is known, `code` says why."""

    outcome: Outcome
    coins: int
    balance_coins: int | None
    code: OutcomeCode | None = None


class NotActive(NamedTuple):
    """The event's bin is not active or gone: nothing was stored."""
