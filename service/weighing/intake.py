"""From the bytes of a request to one outcome an event."""

import time
from collections.abc import Sequence
from typing import Any, Final

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome, WeighEvent, weigh_event_adapter, weigh_event_batch_adapter
from service.cloud_events import EventReader, Invalid
from service.errors import BinSuspended, SourceMismatch
from service.groupcommit import GroupCommit, Poisoned
from service.reference import Reference
from service.secrets import Keyring
from service.weighing.pending import NotActive, PendingEvent, Settled
from service.weighing.rules import EARLIEST, LATEST, POINTERS, Bounds, coins_for, content_digest, doubt_of

parse_events = EventReader(weigh_event_adapter, weigh_event_batch_adapter).read

SOURCE: Final = "/bins/"

# An outcome as it goes on the wire: schemas.weigh_events.EventOutcome, without the fields that are null.
OutcomeJson = dict[str, Any]


class Intake:
    """Decides what can be decided without the database, and hands the rest to the group commit."""

    def __init__(
        self,
        group_commit: GroupCommit[PendingEvent, Settled | NotActive],
        reference: Reference,
        keyring: Keyring,
        bounds: Bounds,
    ) -> None:
        self._group_commit = group_commit
        self._reference = reference
        self._keyring = keyring
        self._bounds = bounds

    async def take(
        self, bin_id: str, events: Sequence[WeighEvent | Invalid], clock_skew_seconds: int
    ) -> list[OutcomeJson]:
        """One outcome an event, in order; what is credited is committed.

        Raises SourceMismatch or BinSuspended with nothing stored, and what GroupCommit.submit raises.
        """
        pending, outcomes = self.prepare(bin_id, events, clock_skew_seconds)
        if not pending:
            return [outcome for outcome in outcomes if outcome is not None]
        results = iter(zip(pending, await self._group_commit.submit(pending), strict=True))
        return [_settled(*next(results)) if outcome is None else outcome for outcome in outcomes]

    def prepare(
        self, bin_id: str | None, events: Sequence[WeighEvent | Invalid], clock_skew_seconds: int | None
    ) -> tuple[list[PendingEvent], list[OutcomeJson | None]]:
        """The events that the database is to see, and the outcomes of the others: None where one of the first belongs.

        `bin_id` is whose they must be; None where anyone's may be. Raises SourceMismatch.
        """
        now = time.time()
        source = None if bin_id is None else SOURCE + bin_id
        outcomes: list[OutcomeJson | None] = []
        pending: list[PendingEvent] = []
        for event in events:
            if isinstance(event, Invalid):
                outcomes.append(_invalid(event))
                continue
            if source is not None and event["source"] != source:
                raise SourceMismatch
            pending.append(self._pending(event, now, clock_skew_seconds))
            outcomes.append(None)
        return pending, outcomes

    def _pending(self, event: WeighEvent, now: float, clock_skew_seconds: int | None) -> PendingEvent:
        data = event["data"]
        occurred_at = event["time"].timestamp()
        doubt = doubt_of(data, occurred_at, now, self._bounds, self._reference.tariffs)
        credential = data.get("credential")
        digest = (
            None if credential is None else self._keyring.credential_digest(credential["kind"], credential["value"])
        )
        unknown = doubt is OutcomeCode.UNKNOWN_MATERIAL
        coins_per_kg = None if unknown else self._reference.tariffs.coins_per_kg(data["material"], occurred_at)
        return PendingEvent(
            event["source"][len(SOURCE) :],
            event["id"],
            content_digest(event, occurred_at, digest),
            data["sequence"],
            data["material"],
            data["weight_grams"],
            data.get("box_weight_grams"),
            digest,
            # What cannot be a time is rejected, and stored as the nearest that can.
            min(max(occurred_at, EARLIEST), LATEST),
            coins_per_kg,
            0 if coins_per_kg is None else coins_for(data["weight_grams"], coins_per_kg),
            clock_skew_seconds,
            doubt,
        )


def _invalid(event: Invalid) -> OutcomeJson:
    return {
        "id": event.id,
        "outcome": Outcome.REJECTED.value,
        "code": OutcomeCode.INVALID_EVENT.value,
        "detail": OutcomeCode.INVALID_EVENT.meaning,
        "errors": event.errors,
    }


def _settled(event: PendingEvent, result: Settled | NotActive | Poisoned) -> OutcomeJson:
    if isinstance(result, NotActive):
        raise BinSuspended
    if isinstance(result, Poisoned):
        return {"id": event.event_id, "outcome": Outcome.REJECTED.value, **reason(OutcomeCode.UNSTORABLE)}
    outcome: OutcomeJson = {"id": event.event_id, "outcome": result.outcome.value}
    if result.outcome is not Outcome.REJECTED:
        outcome["coins"] = result.coins
    if result.balance_coins is not None:
        outcome["balance_coins"] = result.balance_coins
    # Of what is credited and only noted, the bin has nothing to hear.
    if result.code is not None and result.outcome not in (Outcome.CREDITED, Outcome.UNCLAIMED):
        outcome |= reason(result.code)
        if (pointer := POINTERS.get(result.code)) is not None and result.outcome is Outcome.REJECTED:
            outcome["errors"] = [{"pointer": pointer, **reason(result.code)}]
    return outcome


def reason(code: OutcomeCode) -> dict[str, str]:
    """A code with what to do about it, as an outcome has them."""
    return {"code": code.value, "detail": code.meaning}
