"""Decisions about weigh events: no I/O, no web, no database."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import WeighEvent, WeighEventData
from service.tariffs import Tariffs

DAY_SECONDS = 86_400


# Earlier no bin was built; later, and no calendar in the service could be relied on.
EARLIEST: Final = 0.0
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
# The field that is to blame where an event is rejected.
POINTERS: Final = {
    OutcomeCode.UNKNOWN_MATERIAL: "/data/material",
    OutcomeCode.WEIGHT_OUT_OF_RANGE: "/data/weight_grams",
    OutcomeCode.TIME_OUT_OF_RANGE: "/time",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an event may claim before the service calls it absurd."""

    age_days_max: int
    weight_grams_max: int


def coins_for(weight_grams: int, coins_per_kg: int) -> int:
    """Whole coins, rounded down: 1 250 g at 100 coins/kg are 125."""
    return weight_grams * coins_per_kg // 1000


def doubt_of(
    data: WeighEventData, occurred_at: float, now: float, bounds: Bounds, tariffs: Tariffs
) -> OutcomeCode | None:
    """What is wrong with an event whatever the rules say; None for nothing. Times are Unix seconds."""
    if not tariffs.knows(data["material"]):
        return OutcomeCode.UNKNOWN_MATERIAL
    if data["weight_grams"] > bounds.weight_grams_max:
        return OutcomeCode.WEIGHT_OUT_OF_RANGE
    return doubt_of_time(occurred_at, now, bounds.age_days_max)


def doubt_of_time(occurred_at: float, now: float, age_days_max: int) -> OutcomeCode | None:
    """Why the time of an event cannot be believed whatever the rules say; None for nothing. Times are Unix seconds."""
    if not EARLIEST <= occurred_at < LATEST:
        return OutcomeCode.TIME_OUT_OF_RANGE
    if occurred_at < now - age_days_max * DAY_SECONDS:
        return OutcomeCode.TIME_TOO_OLD
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
