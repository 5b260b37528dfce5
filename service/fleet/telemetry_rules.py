"""What a bin's telemetry makes of what is known of it: pure.

Of each thing that a bin tells, the newest by its own time is what is known. So what comes late, as smoke whose first
request was lost while heartbeats went through, still changes that of which nothing newer spoke, and opens its alarm;
otherwise it changes nothing, and is in the history all the same. Taking an event again changes nothing.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from schemas.telemetry import Box, TelemetryCode, TelemetryData
from service.fleet.alarms import AlarmKind, Sign, Thresholds, signs_of

DAY_SECONDS: Final = 86_400
SKEW_BELIEVED_SECONDS_MAX: Final = 10
# A box that is told to be ten times as heavy as it can be is none; the column ends soon after.
FILL_PERCENT_MAX: Final = 1000
# That one batch of a bin opens.
ALARMS_OF_A_KIND_MAX: Final = 3


class Told(NamedTuple):
    """One event of a bin; `occurred_at` in Unix seconds."""

    bin_id: str
    occurred_at: float
    clock_skew_seconds: int
    data: TelemetryData


class Condition(NamedTuple):
    """What is known of a bin, None where it never said. `boxes` is JSON, a list of schemas.telemetry.Box."""

    firmware: str | None = None
    temperature_celsius: float | None = None
    smoke: bool | None = None
    door_open: bool | None = None
    scale_zero_grams: int | None = None
    battery_percent: int | None = None
    boxes: str | None = None
    fill_percent_max: int | None = None
    mass_grams: int | None = None

    def after(self, data: TelemetryData, box_capacity_grams: int) -> "Condition":
        """What is known once this was told, too."""
        changed: dict[str, Any] = {name: value for name, value in data.items() if name not in ("door", "boxes")}
        if "door" in data:
            changed["door_open"] = data["door"] == "open"
        if "boxes" in data:
            changed["boxes"] = json.dumps(data["boxes"], separators=(",", ":"))
            changed["fill_percent_max"] = fill_percent_max(data["boxes"], box_capacity_grams)
            masses = [box["mass_grams"] for box in data["boxes"] if "mass_grams" in box]
            changed["mass_grams"] = sum(masses) if masses else None
        return self._replace(**changed)


NOTHING: Final = Condition()


class Kept(NamedTuple):
    """A row for the history; `always`: whatever else is kept of the same span of time. Unix seconds."""

    bin_id: str
    occurred_at: float
    span_begins_at: float
    condition: Condition
    always: bool


class Opened(NamedTuple):
    """An alarm from then on; `closed_at` where a later event of the same batch ends it. Unix seconds."""

    bin_id: str
    kind: AlarmKind
    measured: float | None
    opened_at: float
    closed_at: float | None


class Closed(NamedTuple):
    """The end of an alarm that was open before; `closed_at` in Unix seconds."""

    bin_id: str
    kind: AlarmKind
    closed_at: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one bin: `history_seconds` is the time of which one event is kept."""

    thresholds: Thresholds
    history_seconds: int
    verification_interval_grams: int
    box_capacity_grams: int


@dataclass
class Chronicle:
    """What is stored of one bin, times in Unix seconds, and what a batch of its events makes of it.

    `occurred_at` is minus infinity where nothing was told yet; `told_at` are the times of the newest events that told
    each field of TelemetryData; `alarms` are those that are open, with the time they opened.
    """

    bin_id: str
    rules: Rules
    occurred_at: float
    kept_at: float | None
    clock_skew_seconds: int | None
    condition: Condition
    told_at: dict[str, float]
    alarms: dict[AlarmKind, float]
    kept: list[Kept] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)

    def take(self, events: Iterable[Told]) -> None:
        """All events of this bin in a batch, in any order."""
        earlier = NOTHING
        for event in sorted(events, key=lambda event: event.occurred_at):
            self.clock_skew_seconds = event.clock_skew_seconds
            news = self._news(event)
            self.condition = self.condition.after(news, self.rules.box_capacity_grams)
            changed = self._judge(news, event.occurred_at)
            if event.occurred_at >= self.occurred_at:
                self.occurred_at = event.occurred_at
                self._keep(event.occurred_at, self.condition, always=changed)
            else:
                # What else was known of it then is as the same batch told it, and not as it is now.
                earlier = earlier.after(event.data, self.rules.box_capacity_grams)
                alarming = any(sign.alarming for sign in self._signs(event.data))
                self._keep(event.occurred_at, earlier, always=changed or alarming)

    def _news(self, event: Told) -> TelemetryData:
        """What it tells of which nothing newer was told."""
        told = {
            name: value
            for name, value in event.data.items()
            if event.occurred_at >= self.told_at.get(name, event.occurred_at)
        }
        self.told_at |= dict.fromkeys(told, event.occurred_at)
        return cast("TelemetryData", told)

    def _signs(self, data: TelemetryData) -> Iterable[Sign]:
        return signs_of(data, self.rules.verification_interval_grams, self.rules.thresholds)

    def _judge(self, news: TelemetryData, occurred_at: float) -> bool:
        """Whether an alarm opened or closed."""
        changed = False
        for kind, alarming, measured in self._signs(news):
            if alarming and kind not in self.alarms:
                self.alarms[kind] = occurred_at
                changed |= self._open(kind, measured, occurred_at)
            # Of two events from the same second, that of the alarm counts.
            elif not alarming and self.alarms.get(kind, occurred_at) < occurred_at:
                del self.alarms[kind]
                self._close(kind, occurred_at)
                changed = True
        return changed

    def _open(self, kind: AlarmKind, measured: float | None, opened_at: float) -> bool:
        """Whether it is one of its own. A sensor that flickers goes on with its last one: one batch of a bin that is
        broken, or lies, must not fill the list."""
        places = [place for place, alarm in enumerate(self.opened) if alarm.kind is kind]
        if len(places) < ALARMS_OF_A_KIND_MAX:
            self.opened.append(Opened(self.bin_id, kind, measured, opened_at, None))
            return True
        self.opened[places[-1]] = self.opened[places[-1]]._replace(closed_at=None)
        return False

    def _close(self, kind: AlarmKind, closed_at: float) -> None:
        for position, alarm in enumerate(self.opened):
            if alarm.kind is kind and alarm.closed_at is None:
                self.opened[position] = alarm._replace(closed_at=closed_at)
                return
        self.closed.append(Closed(self.bin_id, kind, closed_at))

    def _keep(self, occurred_at: float, condition: Condition, *, always: bool) -> None:
        if condition == NOTHING:
            return
        if always or self.kept_at is None or self._span(occurred_at) != self._span(self.kept_at):
            self.kept.append(Kept(self.bin_id, occurred_at, self._span(occurred_at), condition, always))
            self.kept_at = occurred_at

    def _span(self, occurred_at: float) -> float:
        """When the time began of which one event is kept: another second for each bin, or all would be kept at once."""
        seconds = self.rules.history_seconds
        offset = zlib.crc32(self.bin_id.encode()) % seconds
        return (occurred_at - offset) // seconds * seconds + offset


def fill_percent_max(boxes: Iterable[Box], box_capacity_grams: int) -> int | None:
    """How full the fullest box is; by its mass where that is all it tells. None where no box tells anything."""
    told = []
    for box in boxes:
        if "fill_percent" in box:
            told.append(box["fill_percent"])
        elif "mass_grams" in box:
            told.append(min(max(box["mass_grams"], 0) * 100 // box_capacity_grams, FILL_PERCENT_MAX))
    return max(told, default=None)


def placed_at(occurred_at: float, clock_skew_seconds: int, now: float) -> float:
    """When an event was by the service's clock, in Unix seconds: never later than now.

    A skew is known to a second only, so a clock that is right is believed to the last digit. One that is far off is
    corrected: or when it is set back, nothing would be news until it has caught up with itself.
    """
    behind_seconds = clock_skew_seconds if abs(clock_skew_seconds) > SKEW_BELIEVED_SECONDS_MAX else 0
    return min(occurred_at + behind_seconds, now)


def rejection_of(occurred_at: float, now: float, *, future_seconds_max: int, age_days_max: int) -> TelemetryCode | None:
    """Why an event of this time is not recorded; None for one that is. Times are Unix seconds."""
    if occurred_at > now + future_seconds_max:
        return TelemetryCode.TIME_IN_FUTURE
    if occurred_at < now - age_days_max * DAY_SECONDS:
        return TelemetryCode.TIME_TOO_OLD
    return None
