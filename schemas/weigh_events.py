"""What bins post: weigh events as CloudEvents 1.0, and the outcome of each.

Events are typed dictionaries, not models: they are validated 15 000 times a second, and a dictionary costs half.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    TypeAdapter,
    with_config,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import TypedDict

from schemas.common import Answer, FieldError, MaterialId
from schemas.outcome_codes import OutcomeCode
from schemas.patterns import BIN_SOURCE, RFC_3339, visible

EVENT_TYPE = "tanbi.weigh-event.v1"
BATCH_EVENTS_MAX = 500
CONTENT_TYPE_EVENT = "application/cloudevents+json"
CONTENT_TYPE_BATCH = "application/cloudevents-batch+json"

EventSequence = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1, description="The bin's own count of its events")]
EventId = Annotated[str, StringConstraints(pattern=visible(1, 64))]
CredentialValue = Annotated[str, StringConstraints(pattern=visible(4, 64))]
BinSource = Annotated[str, StringConstraints(pattern=BIN_SOURCE)]


class _OnlyRfc3339:
    """The schema of a time that is a string of this form: read by pydantic's core, and so as quick as before."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.chain_schema(
            [core_schema.str_schema(pattern=RFC_3339, strict=True), core_schema.datetime_schema(tz_constraint="aware")]
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


EventTime = Annotated[datetime, _OnlyRfc3339]
# Far above any scale: what a bin of this service can weigh is a setting and refused by a rule.
Grams = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]


@with_config(ConfigDict(extra="forbid"))
class Credential(TypedDict):
    """What a resident showed the bin."""

    kind: Literal["card", "code"]
    value: CredentialValue


@with_config(ConfigDict(extra="forbid"))
class WeighEventData(TypedDict):
    """One drop, weighed by a bin."""

    sequence: EventSequence
    material: MaterialId
    weight_grams: Grams
    credential: NotRequired[Credential]
    box_weight_grams: NotRequired[Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]]


@with_config(ConfigDict(extra="forbid", title="WeighEvent"))
class WeighEvent(TypedDict):
    """A CloudEvent 1.0 in structured mode. (source, id) names the drop for ever: a retry sends the same again."""

    specversion: Literal["1.0"]
    type: Literal["tanbi.weigh-event.v1"]
    source: BinSource
    id: EventId
    time: EventTime
    data: WeighEventData
    datacontenttype: NotRequired[Literal["application/json"]]
    subject: NotRequired[Annotated[str, StringConstraints(max_length=256)]]
    dataschema: NotRequired[Annotated[str, StringConstraints(max_length=256)]]


# Adapters, because typed dictionaries have no methods to validate with.
weigh_event_adapter: TypeAdapter[WeighEvent] = TypeAdapter(WeighEvent)
weigh_event_batch_adapter: TypeAdapter[list[WeighEvent]] = TypeAdapter(
    Annotated[list[WeighEvent], Field(title="WeighEventBatch", min_length=1, max_length=BATCH_EVENTS_MAX)]
)


class Outcome(StrEnum):
    CREDITED = "credited"
    UNCLAIMED = "unclaimed"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    HELD = "held"
    REJECTED = "rejected"


class EventOutcome(Answer):
    """What became of one event. Only a request that was not answered with 200 is to be sent again."""

    id: str | None = Field(description="The event's id; null where it had none that could be read")
    outcome: Outcome
    coins: int | None = Field(None, description="Coins credited; of a duplicate, those of the first time")
    balance_coins: int | None = Field(None, description="What the resident can spend after this event")
    code: OutcomeCode | None = Field(None, description="Why it was held, rejected or in conflict")
    detail: str | None = None
    errors: list[FieldError] | None = None


class WeighEventOutcomes(Answer):
    """One outcome an event, in the order of the request."""

    outcomes: list[EventOutcome]


class RuleFinding(Answer):
    """A rule that acts on an event, or a guard that always does, in words and with the figures that they tell."""

    code: OutcomeCode
    action: Literal["credit", "hold", "reject"] = Field(description="What this finding alone would come to")
    sentence: str = Field(description="In Chinese")
    sentence_en: str
    figures: dict[str, int]


class PricedEvent(Answer):
    """What would become of one event if it were posted now."""

    id: str | None = Field(description="The event's id; null where it had none that could be read")
    outcome: Outcome
    coins: int | None = Field(None, description="What it earns where it is credited, at once or later")
    code: OutcomeCode | None = Field(None, description="What decides where it would not simply be credited")
    detail: str | None = None
    findings: list[RuleFinding] = Field(description="All rules that would act, in the order in which they are asked")
    errors: list[FieldError] | None = None


class PricedEvents(Answer):
    """One an event, in the order of the request; each is judged as if those before it had been posted."""

    priced: list[PricedEvent]
