"""What bins tell of themselves: telemetry as CloudEvents 1.0, and the outcome of each event."""

from enum import StrEnum
from typing import Annotated, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict

from schemas.common import Answer, FieldError, MaterialId
from schemas.patterns import visible
from schemas.weigh_events import BATCH_EVENTS_MAX, BinSource, EventId, EventTime

TELEMETRY_TYPE: Final = "tanbi.telemetry.v1"
BOXES_MAX: Final = 16
MASS_GRAMS_MAX: Final = 1_000_000_000

Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
# A scale that has drifted shows less than nothing, and that is worth knowing.
MassGrams = Annotated[int, Field(strict=True, ge=-MASS_GRAMS_MAX, le=MASS_GRAMS_MAX)]
Celsius = Annotated[float, Field(strict=True, ge=-100, le=2000, allow_inf_nan=False)]


@with_config(ConfigDict(extra="forbid"))
class Box(TypedDict):
    """How full one box is, by whatever the bin can measure."""

    material: MaterialId
    fill_percent: NotRequired[Percent]
    mass_grams: NotRequired[MassGrams]


@with_config(ConfigDict(extra="forbid"))
class TelemetryData(TypedDict):
    """What the bin measured; what is left out is as it was told before. Nothing at all is a heartbeat."""

    firmware: NotRequired[Annotated[str, StringConstraints(pattern=visible(1, 64))]]
    boxes: NotRequired[Annotated[list[Box], Field(max_length=BOXES_MAX, description="All boxes of the bin")]]
    temperature_celsius: NotRequired[Annotated[Celsius, Field(description="The highest that it measures inside")]]
    smoke: NotRequired[Annotated[bool, Field(strict=True)]]
    door: NotRequired[Literal["open", "closed"]]
    scale_zero_grams: NotRequired[Annotated[MassGrams, Field(description="What the scale shows with nothing on it")]]
    battery_percent: NotRequired[Percent]


@with_config(ConfigDict(extra="forbid", title="Telemetry"))
class Telemetry(TypedDict):
    """A CloudEvent 1.0 in structured mode: what a bin was like at a time."""

    specversion: Literal["1.0"]
    type: Literal["tanbi.telemetry.v1"]
    source: BinSource
    id: EventId
    time: EventTime
    data: NotRequired[TelemetryData]
    datacontenttype: NotRequired[Literal["application/json"]]
    subject: NotRequired[Annotated[str, StringConstraints(max_length=256)]]
    dataschema: NotRequired[Annotated[str, StringConstraints(max_length=256)]]


telemetry_adapter: TypeAdapter[Telemetry] = TypeAdapter(Telemetry)
telemetry_batch_adapter: TypeAdapter[list[Telemetry]] = TypeAdapter(
    Annotated[list[Telemetry], Field(title="TelemetryBatch", min_length=1, max_length=BATCH_EVENTS_MAX)]
)


class TelemetryOutcome(StrEnum):
    RECORDED = "recorded"
    REJECTED = "rejected"


class TelemetryCode(StrEnum):
    """Why an event was rejected; `meaning` says what to do."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "TelemetryCode":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    INVALID_EVENT = (
        "invalid_event",
        "The event does not have the form of one; `errors` points at each field. Mend the firmware.",
    )
    TIME_IN_FUTURE = ("time_in_future", "The time has not come yet. Set the bin's clock and tell the present state.")
    TIME_TOO_OLD = ("time_too_old", "The event is older than the service keeps telemetry. Tell the present state.")
    UNSTORABLE = ("unstorable", "The database refuses this event. Tell the operator.")


class TelemetryEventOutcome(Answer):
    """What became of one event."""

    id: str | None = Field(description="The event's id; null where it had none that could be read")
    outcome: TelemetryOutcome = Field(
        description="recorded, also where it came before or is older than what is known; rejected: never send it again"
    )
    code: TelemetryCode | None = Field(None, description="Why it was rejected")
    detail: str | None = None
    errors: list[FieldError] | None = None


class TelemetryOutcomes(Answer):
    """One outcome an event, in the order of the request."""

    outcomes: list[TelemetryEventOutcome]
