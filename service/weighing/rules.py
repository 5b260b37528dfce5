"""Decisions about weigh events: no I/O, no web, no database."""

import hashlib
from dataclasses import dataclass

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import WeighEvent
from service.tariffs import Tariffs

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an event may claim before the service calls it absurd."""

    future_seconds_max: int
    age_days_max: int
    weight_grams_max: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that will never be taken, with the field that is to blame."""

    code: OutcomeCode
    pointer: str
    detail: str


def coins_for(weight_grams: int, coins_per_kg: int) -> int:
    """Whole coins, rounded down: 1 250 g at 100 coins/kg are 125."""
    return weight_grams * coins_per_kg // 1000


def rejection_of(
    event: WeighEvent, occurred_at: float, now: float, bounds: Bounds, tariffs: Tariffs
) -> Rejection | None:
    """Why this event cannot be stored; None for one that can. Times are Unix seconds."""
    data = event["data"]
    if not tariffs.knows(data["material"]):
        return Rejection(OutcomeCode.UNKNOWN_MATERIAL, "/data/material", OutcomeCode.UNKNOWN_MATERIAL.meaning)
    if data["weight_grams"] > bounds.weight_grams_max:
        detail = f"More than {bounds.weight_grams_max} g cannot be one drop; check the scale and its unit."
        return Rejection(OutcomeCode.WEIGHT_OUT_OF_RANGE, "/data/weight_grams", detail)
    if occurred_at > now + bounds.future_seconds_max:
        detail = f"More than {bounds.future_seconds_max} s ahead of the service; set the bin's clock."
        return Rejection(OutcomeCode.TIME_IN_FUTURE, "/time", detail)
    if occurred_at < now - bounds.age_days_max * DAY_SECONDS:
        detail = f"Older than {bounds.age_days_max} days; check the bin's clock."
        return Rejection(OutcomeCode.TIME_TOO_OLD, "/time", detail)
    return None


def content_digest(event: WeighEvent, occurred_at: float, credential_digest: bytes | None) -> bytes:
    """SHA-256 of what the event says, however its JSON was written: 32 bytes.

    The same moment in another zone is the same content; a credential takes part as its keyed digest only.
    """
    data = event["data"]
    said = (
        f"{occurred_at!r}|{data['sequence']}|{data['material']}|{data['weight_grams']}|{data.get('box_weight_grams')}|"
    )
    return hashlib.sha256(said.encode() + (credential_digest or b"")).digest()
