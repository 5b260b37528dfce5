"""From the bytes of a request to one outcome an event."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic
import pydantic_core

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import (
    BATCH_EVENTS_MAX,
    Outcome,
    WeighEvent,
    weigh_event_adapter,
    weigh_event_batch_adapter,
)
from service.errors import BinSuspended, DatabaseUnavailable, MalformedJson, SourceMismatch, ValidationFailed
from service.groupcommit import GroupCommit, Poisoned
from service.problems import field_errors
from service.reference import Reference
from service.secrets import Keyring
from service.weighing.pending import NotActive, PendingEvent, Settled, Unsettled
from service.weighing.rules import Bounds, Rejection, coins_for, content_digest, rejection_of

# Straight to the compiled validators: the adapters' own methods cost a quarter of a validation.
validate_event: Callable[[bytes], WeighEvent] = weigh_event_adapter.validator.validate_json
validate_batch: Callable[[bytes], list[WeighEvent]] = weigh_event_batch_adapter.validator.validate_json

# An outcome as it goes on the wire: schemas.weigh_events.EventOutcome, without the fields that are null.
OutcomeJson = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invalid:
    """An event that does not have the form of one; `errors` are {pointer, code, detail}."""

    id: str | None
    errors: list[dict[str, str]]


def parse_events(body: bytes) -> list[WeighEvent | Invalid]:
    """The events of a structured or batched request: one bad event does not spoil the others.

    Raises MalformedJson where there are no events to speak of, ValidationFailed for none or too many.
    """
    batched = body[:1] == b"[" or body.lstrip()[:1] == b"["
    try:
        if batched:
            return list(validate_batch(body))
        return [validate_event(body)]
    except pydantic.ValidationError:
        return _parse_one_by_one(body)


def _parse_one_by_one(body: bytes) -> list[WeighEvent | Invalid]:
    try:
        document = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if not body.strip():
            raise MalformedJson("There is no body. Send an event, or an array of events.") from None
        raise MalformedJson(f"The body is not JSON in UTF-8: {error}.") from None
    if isinstance(document, dict):
        return [_parse_event(document)]
    if not isinstance(document, list):
        raise MalformedJson("The body is neither an event (a JSON object) nor a batch of events (an array).")
    if not 1 <= len(document) <= BATCH_EVENTS_MAX:
        detail = f"A batch has 1 to {BATCH_EVENTS_MAX} events; this one has {len(document)}."
        raise ValidationFailed(detail, errors=[{"pointer": "", "code": "batch_size", "detail": detail}])
    return [_parse_event(value) for value in document]


def _parse_event(value: object) -> WeighEvent | Invalid:
    try:
        # Through JSON again: only so are strings taken for times, and strings for numbers not.
        return validate_event(pydantic_core.to_json(value))
    except pydantic.ValidationError as error:
        event_id = value.get("id") if isinstance(value, dict) else None
        return Invalid(event_id if isinstance(event_id, str) else None, field_errors(error, form=weigh_event_adapter))
    except ValueError:
        return Invalid(None, [{"pointer": "", "code": "string_unicode", "detail": "A string is not valid Unicode."}])


class Intake:
    """Decides what can be decided without the database, and hands the rest to the group commit."""

    def __init__(
        self,
        group_commit: GroupCommit[PendingEvent, Settled | NotActive | Unsettled],
        reference: Reference,
        keyring: Keyring,
        bounds: Bounds,
    ) -> None:
        self._group_commit = group_commit
        self._reference = reference
        self._keyring = keyring
        self._bounds = bounds

    async def take(self, bin_id: str, events: Sequence[WeighEvent | Invalid]) -> list[OutcomeJson]:
        """One outcome an event, in order; what is credited is committed.

        Raises SourceMismatch or BinSuspended with nothing stored, and what GroupCommit.submit raises.
        """
        now = time.time()
        source = f"/bins/{bin_id}"
        outcomes: list[OutcomeJson | None] = []
        pending: list[PendingEvent] = []
        for event in events:
            if isinstance(event, Invalid):
                outcomes.append(_invalid(event))
                continue
            if event["source"] != source:
                raise SourceMismatch
            occurred_at = event["time"].timestamp()
            rejection = rejection_of(event, occurred_at, now, self._bounds, self._reference.tariffs)
            if rejection is None:
                pending.append(self._pending(bin_id, event, occurred_at))
                outcomes.append(None)
            else:
                outcomes.append(_rejected(event["id"], rejection))
        if not pending:
            return [outcome for outcome in outcomes if outcome is not None]
        results = iter(zip(pending, await self._group_commit.submit(pending), strict=True))
        return [_settled(*next(results)) if outcome is None else outcome for outcome in outcomes]

    def _pending(self, bin_id: str, event: WeighEvent, occurred_at: float) -> PendingEvent:
        data = event["data"]
        credential = data.get("credential")
        digest = (
            None if credential is None else self._keyring.credential_digest(credential["kind"], credential["value"])
        )
        coins_per_kg = self._reference.tariffs.coins_per_kg(data["material"], occurred_at)
        return PendingEvent(
            bin_id,
            event["id"],
            content_digest(event, occurred_at, digest),
            data["sequence"],
            data["material"],
            data["weight_grams"],
            data.get("box_weight_grams"),
            digest,
            occurred_at,
            coins_per_kg,
            0 if coins_per_kg is None else coins_for(data["weight_grams"], coins_per_kg),
        )


def _invalid(event: Invalid) -> OutcomeJson:
    return {
        "id": event.id,
        "outcome": Outcome.REJECTED.value,
        "code": OutcomeCode.INVALID_EVENT.value,
        "errors": event.errors,
    }


def _rejected(event_id: str, rejection: Rejection) -> OutcomeJson:
    return {
        "id": event_id,
        "outcome": Outcome.REJECTED.value,
        "code": rejection.code.value,
        "errors": [{"pointer": rejection.pointer, "code": rejection.code.value, "detail": rejection.detail}],
    }


def _settled(event: PendingEvent, result: Settled | NotActive | Unsettled | Poisoned) -> OutcomeJson:
    if isinstance(result, Settled):
        outcome: OutcomeJson = {"id": event.event_id, "outcome": result.outcome.value, "coins": result.coins}
        if result.balance_coins is not None:
            outcome["balance_coins"] = result.balance_coins
        if result.outcome is Outcome.CONFLICT:
            outcome |= _reason(OutcomeCode.ID_REUSED)
        elif result.outcome is Outcome.HELD:
            outcome |= _reason(OutcomeCode.NO_TARIFF)
        return outcome
    if isinstance(result, NotActive):
        raise BinSuspended
    if isinstance(result, Unsettled):
        raise DatabaseUnavailable
    return {"id": event.event_id, "outcome": Outcome.REJECTED.value, **_reason(OutcomeCode.UNSTORABLE)}


def _reason(code: OutcomeCode) -> dict[str, str]:
    return {"code": code.value, "detail": code.meaning}
