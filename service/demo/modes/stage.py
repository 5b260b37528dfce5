"""Who takes part in a mode: its bin with its count and boxes, the accounts of its people, and the operator. No I/O."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pydantic_core

from schemas.signatures import SigningKey
from schemas.telemetry import TELEMETRY_TYPE, TelemetryData
from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT, WeighEvent
from service.demo.demo_file import DemoResident
from service.demo.drops import Drop, clearance, weigh_event
from service.demo.modes.steps import OneOf, Step
from service.demo.uplink import CLEARANCES, TELEMETRY, WEIGH_EVENTS

# By so much a drop comes after the one before it.
BETWEEN_DROPS: Final = timedelta(milliseconds=10)
CAST_SIZE: Final = 3
COLLECTOR: Final = "TJ-A1024"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Cast:
    """Residents that the demo's fleet leaves alone; `trader` is marked as one while that mode runs."""

    resident: DemoResident
    neighbour: DemoResident
    trader: DemoResident


def cast_of(residents: Sequence[DemoResident]) -> Cast | None:
    """The last ones; None where there are too few."""
    return Cast(*residents[: -CAST_SIZE - 1 : -1]) if len(residents) >= CAST_SIZE else None


def left_to_play(residents: Sequence[DemoResident]) -> Sequence[DemoResident]:
    """Whom the fleet plays: not the first, who is the reader's, and not the cast, where others are left."""
    return residents[1:-CAST_SIZE] or residents[1:] or residents


class ModeBin:
    """A bin that was claimed a moment ago, or has stood there for long. It counts its events and weighs its boxes."""

    def __init__(self, key: SigningKey, bin_id: str, now: datetime) -> None:
        """Its drops are from `now` on, one after another, unless they say when."""
        self.key = key
        self.id = bin_id
        self.sequence = 0
        self._now = now
        self._boxes: dict[str, int] = {}

    def drop(
        self,
        resident: DemoResident | None,
        grams: int,
        *,
        gain_grams: int | None = None,
        at: datetime | None = None,
        material: str = "paper",
        weighs_box: bool = True,
        sequence: int | None = None,
    ) -> WeighEvent:
        """Its next event. The box gains `gain_grams`, which are `grams` unless something is wrong."""
        if at is None:
            self._now += BETWEEN_DROPS
            at = self._now
        gain = grams if gain_grams is None else gain_grams
        self.sequence = self.sequence + 1 if sequence is None else sequence
        self._boxes[material] = self._boxes.get(material, 0) + gain
        drop = Drop(material, grams, gain, None if resident is None else resident.card)
        return weigh_event(self.id, self.sequence, at, drop, self._boxes[material] if weighs_box else None)

    def take_out(self, grams: int, material: str = "paper") -> None:
        """Someone reaches into a box."""
        self._boxes[material] -= grams

    def box_grams(self, material: str = "paper") -> int:
        return self._boxes[material]

    def post(self, events: Sequence[WeighEvent], outcomes: Sequence[OneOf], **changes: Any) -> Step:
        """Events in one request; `changes` are other members of the step."""
        return self._post(WEIGH_EVENTS, events, outcomes, changes)

    def post_one(self, event: WeighEvent, outcome: OneOf, **changes: Any) -> Step:
        return self.post([event], [outcome], **changes)

    def post_refused(self, event: WeighEvent, code: str, **changes: Any) -> Step:
        """Nothing of it is stored."""
        return self.post([event], [], **({"status": 401, "code": code} | changes))

    def empty(self, *, before: int, outcome: OneOf, material: str = "paper") -> Step:
        """Its box is emptied, and weighed `before`."""
        self._now += BETWEEN_DROPS
        self.sequence += 1
        self._boxes[material] = 0
        event = clearance(self.id, self.sequence, self._now, material, COLLECTOR, before=before, after=0)
        return self._post(CLEARANCES, [event], [outcome], {})

    def tell(self, data: TelemetryData, outcome: OneOf) -> Step:
        self._now += BETWEEN_DROPS
        event = {
            "specversion": "1.0",
            "type": TELEMETRY_TYPE,
            "source": f"/bins/{self.id}",
            "id": str(uuid.uuid4()),
            "time": self._now,
            "data": data,
        }
        return self._post(TELEMETRY, [event], [outcome], {})

    def config(self, **changes: Any) -> Step:
        """It reads its configuration."""
        return replace(Step("GET", "/v1/bins/me/config", key=self.key), **changes)

    def seen(self, **fields: Any) -> Step:
        """What operators see of this bin."""
        return look(f"/v1/bins/{self.id}", fields)

    def _post(self, path: str, events: Sequence[Any], outcomes: Sequence[OneOf], changes: dict[str, Any]) -> Step:
        single = len(events) == 1
        body = pydantic_core.to_json(events[0] if single else list(events))
        content_type = CONTENT_TYPE_EVENT if single else CONTENT_TYPE_BATCH
        return replace(Step("POST", path, body, content_type, key=self.key, outcomes=outcomes), **changes)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a mode is given. On the day of `paced_morning` the rules of a real day's pace were in force, for which the
    demo's fleet is too fast (nankai.RULES_OF_PACE)."""

    bin: ModeBin
    cast: Cast
    now: datetime
    paced_morning: datetime


def paced_morning(played_from: datetime, zone: str, days: int) -> datetime:
    """Eight o'clock so many days before the fleet began to play."""
    day = played_from.astimezone(ZoneInfo(zone)) - timedelta(days=days)
    return day.replace(hour=8, minute=0, second=0, microsecond=0)


def look(path: str, fields: dict[str, Any]) -> Step:
    """An operator reads."""
    return Step("GET", path, operator=True, fields=fields)


def order(path: str, wanted: dict[str, Any], *, status: int = 200, fields: dict[str, Any] | None = None) -> Step:
    """An operator changes something."""
    body = json.dumps(wanted).encode()
    return Step("POST", path, body, JSON, operator=True, status=status, fields=fields or {})
