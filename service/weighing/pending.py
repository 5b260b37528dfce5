"""An event that was validated and waits to be credited, and what became of it."""

from typing import NamedTuple

from schemas.weigh_events import Outcome


class PendingEvent(NamedTuple):
    """One row of credit_weigh_events.sql: the fields are its columns, in its order."""

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


class Settled(NamedTuple):
    """What the database made of an event; `balance_coins` is None where no resident is known."""

    outcome: Outcome
    coins: int
    balance_coins: int | None


class Unsettled(NamedTuple):
    """The event's id was there before, and what is stored under it could not be read: to be sent again."""


class NotActive(NamedTuple):
    """The event's bin is suspended or gone: nothing was stored."""
