"""From the bytes of a request to one outcome an event."""

import time
from collections.abc import Sequence
from typing import Any

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome, WeighEvent, weigh_event_adapter, weigh_event_batch_adapter
from service.cloud_events import EventReader, Invalid
from service.errors import BinSuspended, DatabaseUnavailable, SourceMismatch
from service.groupcommit import GroupCommit, Poisoned
from service.reference import Reference
from service.secrets import Keyring
from service.weighing.pending import NotActive, PendingEvent, Settled, Unsettled
from service.weighing.rules import Bounds, Rejection, coins_for, content_digest, rejection_of

parse_events = EventReader(weigh_event_adapter, weigh_event_batch_adapter).read

# An outcome as it goes on the wire: schemas.weigh_events.EventOutcome, without the fields that are null.
OutcomeJson = dict[str, Any]


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
