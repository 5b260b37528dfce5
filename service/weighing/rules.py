"""Decisions about weigh events: no I/O, no web, no database."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.weigh_events import WeighEvent
from service.tariffs import Tariffs


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an event may claim before the service calls it absurd."""

    future_max: timedelta
    age_max: timedelta
    weight_grams_max: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that will never be taken, with the field that is to blame."""

    code: str
    pointer: str
    detail: str


def coins_for(weight_grams: int, coins_per_kg: int) -> int:
    """Whole coins, rounded down: 1 250 g at 100 coins/kg are 125."""
    return weight_grams * coins_per_kg // 1000


def rejection_of(event: WeighEvent, now: datetime, bounds: Bounds, tariffs: Tariffs) -> Rejection | None:
    """Why this event cannot be stored; None for one that can."""
    data = event["data"]
    if not tariffs.knows(data["material"]):
        return Rejection("unknown_material", "/data/material", "No material has this id; see the bin's configuration.")
    if data["weight_grams"] > bounds.weight_grams_max:
        detail = f"More than {bounds.weight_grams_max} g cannot be one drop; check the scale and its unit."
        return Rejection("weight_out_of_range", "/data/weight_grams", detail)
    if event["time"] > now + bounds.future_max:
        detail = f"More than {int(bounds.future_max.total_seconds())} s ahead of the service; set the bin's clock."
        return Rejection("time_in_future", "/time", detail)
    if event["time"] < now - bounds.age_max:
        detail = f"Older than {bounds.age_max.days} days; check the bin's clock, or have an operator enter it."
        return Rejection("time_too_old", "/time", detail)
    return None


def content_digest(event: WeighEvent, credential_digest: bytes | None) -> bytes:
    """SHA-256 of what the event says, however its JSON was written: 32 bytes.

    The same moment in another zone is the same content; a credential takes part as its keyed digest only.
    """
    data = event["data"]
    said = (
        f"{event['time'].astimezone(UTC).isoformat()}|{data['sequence']}|{data['material']}|{data['weight_grams']}"
        f"|{data.get('box_weight_grams')}|"
    )
    return hashlib.sha256(said.encode() + (credential_digest or b"")).digest()
