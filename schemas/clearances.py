"""Boxes that were emptied, as bins tell it: clearances as CloudEvents 1.0, the outcome of each, and lists of them."""

from enum import StrEnum
from typing import Annotated, Final, Literal, NotRequired
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict

from schemas.common import Answer, FieldError, MaterialId, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.outcome_codes import OutcomeCode
from schemas.patterns import BIN_ID, COLLECTOR, visible
from schemas.reviews import Finding
from schemas.times import TimeOfThisAge
from schemas.weigh_events import BATCH_EVENTS_MAX, BinSource, EventId, EventSequence, EventTime

CLEARANCE_TYPE: Final = "tanbi.clearance.v1"
CLEARANCES_LIMIT_DEFAULT: Final = 50
CLEARANCES_LIMIT_MAX: Final = 200

BoxMass = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


@with_config(ConfigDict(extra="forbid"))
class ClearanceData(TypedDict):
    """One box that was emptied."""

    sequence: EventSequence
    material: Annotated[MaterialId, Field(description="Which box")]
    collector: Annotated[
        str,
        StringConstraints(pattern=COLLECTOR),
        Field(description="Who emptied it: the id of a staff card or of a vehicle, never a person's name"),
    ]
    mass_before_grams: Annotated[BoxMass, Field(description="What the box weighed before it was emptied")]
    mass_after_grams: Annotated[BoxMass, Field(description="What it weighed when it was back in its place")]


@with_config(ConfigDict(extra="forbid", title="Clearance"))
class Clearance(TypedDict):
    """A CloudEvent 1.0 in structured mode: a box was emptied. (source, id) names the emptying for ever."""

    specversion: Literal["1.0"]
    type: Literal["tanbi.clearance.v1"]
    source: BinSource
    id: EventId
    time: EventTime
    data: ClearanceData
    datacontenttype: NotRequired[Literal["application/json"]]
    subject: NotRequired[Annotated[str, StringConstraints(max_length=256)]]
    dataschema: NotRequired[Annotated[str, StringConstraints(max_length=256)]]


clearance_adapter: TypeAdapter[Clearance] = TypeAdapter(Clearance)
clearance_batch_adapter: TypeAdapter[list[Clearance]] = TypeAdapter(
    Annotated[list[Clearance], Field(title="ClearanceBatch", min_length=1, max_length=BATCH_EVENTS_MAX)]
)


class ClearanceOutcome(StrEnum):
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class ClearanceEventOutcome(Answer):
    """What became of one event."""

    id: str | None = Field(description="The event's id; null where it had none that could be read")
    outcome: ClearanceOutcome = Field(
        description="recorded, with a code where it is doubtful: the box's account is closed all the same"
    )
    code: OutcomeCode | None = Field(None, description="What is doubtful, or why it was rejected or in conflict")
    detail: str | None = None
    errors: list[FieldError] | None = None


class ClearanceOutcomes(Answer):
    """One outcome an event, in the order of the request."""

    outcomes: list[ClearanceEventOutcome]


class ClearancesQuery(Request):
    """Filters; all that are given hold together."""

    bin: Annotated[str, StringConstraints(pattern=BIN_ID)] | None = None
    material: MaterialId | None = None
    code: Annotated[str, StringConstraints(pattern=visible(1, 64))] | None = Field(
        None, description="With this code, such as emptied_mass_short; any: those that have one"
    )
    since: TimeOfThisAge | None = Field(None, description="Emptied then or later")
    limit: Annotated[int, Field(ge=1, le=CLEARANCES_LIMIT_MAX)] = CLEARANCES_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class ClearanceRecord(Answer):
    """An emptying, held against what was dropped since the one before."""

    id: UUID
    bin_id: str
    event_id: str
    site_id: str = Field(description="Where the bin stood then")
    material: str
    collector: str = Field(description="The id of a staff card or of a vehicle")
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    sequence: int
    epoch: int | None = Field(description="Which count of the bin's; null where the number was used before")
    mass_before_grams: int
    mass_after_grams: int
    removed_grams: int = Field(description="Before less after")
    expected_grams: int | None = Field(
        description="What the box must have weighed before: what was left at the emptying before this one and the drops"
        " since. Null where nobody knows, as where an event in between is missing"
    )
    difference_grams: int | None = Field(description="What it weighed before less what was expected")
    permissible_grams: int | None = Field(description="By how much the scale's readings may err together, either way")
    within_permissible: bool | None
    outcome: Literal["recorded", "rejected"]
    code: str | None
    findings: list[Finding]


class Clearances(Answer):
    """Newest first, by their own time."""

    clearances: list[ClearanceRecord]
    next_cursor: NextMomentCursor
