"""When what a bin tells is an alarm, and when one is over: pure.

An alarm opens beyond its threshold and closes only some way below it, so that a value that hovers there does not open
one after another. Between the two, and where the bin says nothing of it, everything stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.telemetry import TelemetryData

HEAT_HYSTERESIS_CELSIUS: Final = 5.0
BATTERY_HYSTERESIS_PERCENT: Final = 5
# Of what opened it: a scale errs by 1 e in service and may by half of that when it is verified (OIML R76, JJG 539).
SCALE_ZERO_CLOSED_SHARE: Final = 0.5


class AlarmKind(StrEnum):
    SMOKE = "smoke"
    HEAT = "heat"
    SCALE_ZERO = "scale_zero"
    BATTERY = "battery"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Above, beyond and below which there is an alarm; `scale_zero_intervals` are of e, either way."""

    heat_celsius: float
    scale_zero_intervals: float
    battery_percent: int


class Sign(NamedTuple):
    """That there is an alarm of this kind, or is none; `measured` in degrees, grams or percent."""

    kind: AlarmKind
    alarming: bool
    measured: float | None


def signs_of(data: TelemetryData, verification_interval_grams: int, thresholds: Thresholds) -> Iterator[Sign]:
    """What an event says of alarms; nothing of those that it leaves as they are."""
    if "smoke" in data:
        yield Sign(AlarmKind.SMOKE, data["smoke"], None)
    if "temperature_celsius" in data:
        celsius, heat_celsius = data["temperature_celsius"], thresholds.heat_celsius
        yield from _signs(
            AlarmKind.HEAT,
            celsius,
            opens=celsius > heat_celsius,
            closes=celsius <= heat_celsius - HEAT_HYSTERESIS_CELSIUS,
        )
    if "scale_zero_grams" in data:
        zero_grams = data["scale_zero_grams"]
        permissible_grams = thresholds.scale_zero_intervals * verification_interval_grams
        yield from _signs(
            AlarmKind.SCALE_ZERO,
            zero_grams,
            opens=abs(zero_grams) > permissible_grams,
            closes=abs(zero_grams) <= permissible_grams * SCALE_ZERO_CLOSED_SHARE,
        )
    if "battery_percent" in data:
        percent, low_percent = data["battery_percent"], thresholds.battery_percent
        yield from _signs(
            AlarmKind.BATTERY,
            percent,
            opens=percent < low_percent,
            closes=percent >= low_percent + BATTERY_HYSTERESIS_PERCENT,
        )


def _signs(kind: AlarmKind, measured: float, *, opens: bool, closes: bool) -> Iterator[Sign]:
    if opens or closes:
        yield Sign(kind, opens, measured)
