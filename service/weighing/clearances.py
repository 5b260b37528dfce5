"""Take clearances: decide what needs no database, and hand the rest to the group commit."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.clearances import Clearance, ClearanceOutcome, clearance_adapter, clearance_batch_adapter
from schemas.outcome_codes import OutcomeCode
from service.cloud_events import EventReader, Invalid
from service.errors import BinSuspended, SourceMismatch
from service.groupcommit import GroupCommit, Poisoned
from service.reference import Reference
from service.weighing.clearance_deciding import PendingClearance, SettledClearance
from service.weighing.intake import SOURCE, OutcomeJson, reason
from service.weighing.pending import NotActive
from service.weighing.rules import EARLIEST, LATEST, POINTERS, doubt_of_time

read_clearances = EventReader(clearance_adapter, clearance_batch_adapter).read


@dataclass(frozen=True, slots=True)
class ClearanceIntake:
    """`age_days_max`: of an event that is older the time is doubted."""

    group_commit: GroupCommit[PendingClearance, SettledClearance | NotActive]
    reference: Reference
    age_days_max: int

    async def take(
        self, bin_id: str, events: Sequence[Clearance | Invalid], clock_skew_seconds: int
    ) -> list[OutcomeJson]:
        """One outcome an event, in order; what is recorded is committed.

        Raises SourceMismatch or BinSuspended with nothing stored, and what GroupCommit.submit raises.
        """
        now = time.time()
        source = SOURCE + bin_id
        outcomes: list[OutcomeJson | None] = []
        pending: list[PendingClearance] = []
        for event in events:
            if isinstance(event, Invalid):
                outcomes.append({**_rejected(event.id, OutcomeCode.INVALID_EVENT), "errors": event.errors})
                continue
            if event["source"] != source:
                raise SourceMismatch
            pending.append(self._pending(bin_id, event, now, clock_skew_seconds))
            outcomes.append(None)
        results = iter(zip(pending, await self.group_commit.submit(pending) if pending else [], strict=True))
        return [_settled(*next(results)) if outcome is None else outcome for outcome in outcomes]

    def _pending(self, bin_id: str, event: Clearance, now: float, clock_skew_seconds: int) -> PendingClearance:
        data = event["data"]
        occurred_at = event["time"].timestamp()
        doubt = doubt_of_time(occurred_at, now, self.age_days_max)
        if not self.reference.tariffs.knows(data["material"]):
            doubt = OutcomeCode.UNKNOWN_MATERIAL
        return PendingClearance(
            bin_id,
            event["id"],
            content_digest(event, occurred_at),
            data["sequence"],
            data["material"],
            data["collector"],
            data["mass_before_grams"],
            data["mass_after_grams"],
            # What cannot be a time is rejected, and stored as the nearest that can.
            min(max(occurred_at, EARLIEST), LATEST),
            clock_skew_seconds,
            doubt,
        )


def content_digest(event: Clearance, occurred_at: float) -> bytes:
    """SHA-256 of what the event says, however its JSON was written: 32 bytes."""
    data = event["data"]
    said = (
        f"{occurred_at!r}|{data['sequence']}|{data['material']}|{data['collector']}|{data['mass_before_grams']}|"
        f"{data['mass_after_grams']}"
    )
    return hashlib.sha256(said.encode()).digest()


def _settled(event: PendingClearance, result: SettledClearance | NotActive | Poisoned) -> OutcomeJson:
    if isinstance(result, NotActive):
        raise BinSuspended
    if isinstance(result, Poisoned):
        return _rejected(event.event_id, OutcomeCode.UNSTORABLE)
    outcome: OutcomeJson = {"id": event.event_id, "outcome": result.outcome.value}
    if result.code is not None:
        outcome |= reason(result.code)
        if (pointer := POINTERS.get(result.code)) is not None and result.outcome is ClearanceOutcome.REJECTED:
            outcome["errors"] = [{"pointer": pointer, **reason(result.code)}]
    return outcome


def _rejected(event_id: str | None, code: OutcomeCode) -> OutcomeJson:
    return {"id": event_id, "outcome": ClearanceOutcome.REJECTED.value, **reason(code)}
