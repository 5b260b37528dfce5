"""What simulated bins measure besides drops: temperature, battery, door, the scale's zero. No I/O."""

from collections.abc import Mapping
from random import Random
from typing import Final, Literal

from schemas.telemetry import TelemetryData

FIRMWARE: Final = ("2.3.0", "2.3.1", "2.4.0-rc1")
CELSIUS: Final = (18.0, 34.0)
BATTERY_PERCENT: Final = (55, 100)
# Of all readings, so many are the first of an incident, which lasts for some more.
INCIDENT_SHARE: Final = 0.002
INCIDENT_READINGS: Final = (4, 20)
Incident = Literal["heat", "smoke", "battery", "scale_zero", "door"]
INCIDENTS: Final[tuple[Incident, ...]] = ("heat", "battery", "scale_zero", "scale_zero", "door", "door", "smoke")


class Instruments:
    """Those of one bin."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._firmware = random.choice(FIRMWARE)
        self._celsius = random.uniform(*CELSIUS)
        self._battery_percent = float(random.randint(*BATTERY_PERCENT))
        self._incident: Incident | None = None
        self._readings_left = 0

    def read(self, boxes: Mapping[str, int], box_grams_max: int) -> TelemetryData:
        """`boxes` are grams by material."""
        self._drift()
        random, incident = self._random, self._incident
        return {
            "firmware": self._firmware,
            "boxes": [
                {
                    "material": material,
                    "fill_percent": min(grams * 100 // box_grams_max, 100),
                    "mass_grams": grams,
                }
                for material, grams in sorted(boxes.items())
            ],
            "temperature_celsius": round(self._celsius + (45.0 if incident in ("heat", "smoke") else 0.0), 1),
            "smoke": incident == "smoke",
            "door": "open" if incident == "door" else "closed",
            # Within half of the finest interval, or beyond the coarsest.
            "scale_zero_grams": random.choice((-18, 18)) if incident == "scale_zero" else random.randint(-2, 2),
            "battery_percent": random.randint(8, 14) if incident == "battery" else round(self._battery_percent),
        }

    def _drift(self) -> None:
        random = self._random
        self._celsius = min(max(self._celsius + random.uniform(-0.4, 0.4), CELSIUS[0]), CELSIUS[1])
        self._battery_percent -= random.uniform(0.0, 0.2)
        if self._battery_percent < BATTERY_PERCENT[0]:
            self._battery_percent = float(BATTERY_PERCENT[1])
        if self._readings_left:
            self._readings_left -= 1
        elif self._incident is not None:
            self._incident = None
        elif random.random() < INCIDENT_SHARE:
            self._incident = random.choice(INCIDENTS)
            self._readings_left = random.randint(*INCIDENT_READINGS)
