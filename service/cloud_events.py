"""From the bytes that a bin posts to events: CloudEvents 1.0, structured or batched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import pydantic
import pydantic_core
from pydantic import TypeAdapter

from schemas.weigh_events import BATCH_EVENTS_MAX
from service.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Draining,
    KeyUnknown,
    KeyUnreadable,
    MalformedJson,
    QueueFull,
    SignatureRefused,
    SourceMismatch,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.problems import field_errors

Event = TypeVar("Event")

# What any path that takes signed events may answer, besides what it says of a bin that is none of its own.
POSTING_PROBLEMS: Final = (
    MalformedJson,
    SignatureRefused,
    KeyUnknown,
    SourceMismatch,
    BodyTooLarge,
    KeyUnreadable,
    UnsupportedMediaType,
    ValidationFailed,
    QueueFull,
    Draining,
    DatabaseUnavailable,
)


@dataclass(frozen=True, slots=True)
class Invalid:
    """An event that does not have the form of one; `errors` are {pointer, code, detail}."""

    id: str | None
    errors: list[dict[str, str]]


class EventReader(Generic[Event]):
    """Reads requests of one path, whose events have one form."""

    def __init__(self, event: TypeAdapter[Event], batch: TypeAdapter[list[Event]]) -> None:
        self._form = event
        # Straight to the compiled validators: the adapters' own methods cost a quarter of a validation.
        self._validate_event: Callable[[bytes], Event] = event.validator.validate_json
        self._validate_batch: Callable[[bytes], list[Event]] = batch.validator.validate_json

    def read(self, body: bytes) -> list[Event | Invalid]:
        """The events of a structured or batched request: one bad event does not spoil the others.

        Raises MalformedJson where there are no events to speak of, ValidationFailed for none or too many.
        """
        batched = body[:1] == b"[" or body.lstrip()[:1] == b"["
        try:
            if batched:
                return list(self._validate_batch(body))
            return [self._validate_event(body)]
        except pydantic.ValidationError:
            return self._read_one_by_one(body)

    def _read_one_by_one(self, body: bytes) -> list[Event | Invalid]:
        try:
            document = pydantic_core.from_json(body, allow_inf_nan=False)
        except ValueError as error:
            if not body.strip():
                raise MalformedJson("There is no body. Send an event, or an array of events.") from None
            raise MalformedJson(f"The body is not JSON in UTF-8: {error}.") from None
        if isinstance(document, dict):
            return [self._read_event(document)]
        if not isinstance(document, list):
            raise MalformedJson("The body is neither an event (a JSON object) nor a batch of events (an array).")
        if not 1 <= len(document) <= BATCH_EVENTS_MAX:
            detail = f"A batch has 1 to {BATCH_EVENTS_MAX} events; this one has {len(document)}."
            raise ValidationFailed(detail, errors=[{"pointer": "", "code": "batch_size", "detail": detail}])
        return [self._read_event(value) for value in document]

    def _read_event(self, value: object) -> Event | Invalid:
        try:
            # Through JSON again: only so are strings taken for times, and strings for numbers not.
            return self._validate_event(pydantic_core.to_json(value))
        except pydantic.ValidationError as error:
            event_id = value.get("id") if isinstance(value, dict) else None
            return Invalid(event_id if isinstance(event_id, str) else None, field_errors(error, form=self._form))
        except ValueError:
            detail = "A string is not valid Unicode."
            return Invalid(None, [{"pointer": "", "code": "string_unicode", "detail": detail}])
