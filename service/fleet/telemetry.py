"""Take telemetry: decide what needs no database, and hand the rest to the group commit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.telemetry import (
    Telemetry,
    TelemetryCode,
    TelemetryOutcome,
    telemetry_adapter,
    telemetry_batch_adapter,
)
from service.cloud_events import EventReader, Invalid
from service.errors import BinRetired, SourceMismatch
from service.fleet.telemetry_rules import Told, placed_at, rejection_of
from service.groupcommit import GroupCommit, Poisoned

read_telemetry = EventReader(telemetry_adapter, telemetry_batch_adapter).read

# An outcome as it goes on the wire: schemas.telemetry.TelemetryEventOutcome, without the fields that are null.
OutcomeJson = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TelemetryIntake:
    """How far ahead of the service an event may be, and how old: as old as the history is."""

    group_commit: GroupCommit[Told, bool]
    future_seconds_max: int
    age_days_max: int

    async def take(
        self, bin_id: str, events: Sequence[Telemetry | Invalid], clock_skew_seconds: int
    ) -> list[OutcomeJson]:
        """One outcome an event, in order; what is recorded is committed.

        Raises SourceMismatch or BinRetired with nothing stored, and what GroupCommit.submit raises.
        """
        now = time.time()
        source = f"/bins/{bin_id}"
        outcomes: list[OutcomeJson | None] = []
        pending: list[tuple[str, Told]] = []
        for event in events:
            if isinstance(event, Invalid):
                outcomes.append(_rejected(event.id, TelemetryCode.INVALID_EVENT, event.errors))
                continue
            if event["source"] != source:
                raise SourceMismatch
            occurred_at = event["time"].timestamp()
            code = rejection_of(
                occurred_at, now, future_seconds_max=self.future_seconds_max, age_days_max=self.age_days_max
            )
            if code is None:
                told = Told(
                    bin_id, placed_at(occurred_at, clock_skew_seconds, now), clock_skew_seconds, event.get("data", {})
                )
                pending.append((event["id"], told))
                outcomes.append(None)
            else:
                outcomes.append(_rejected(event["id"], code, _at_time(code)))
        results = iter(await self._record(pending))
        return [next(results) if outcome is None else outcome for outcome in outcomes]

    async def _record(self, pending: Sequence[tuple[str, Told]]) -> list[OutcomeJson]:
        if not pending:
            return []
        outcomes: list[OutcomeJson] = []
        results = await self.group_commit.submit([told for _, told in pending])
        for (event_id, _), result in zip(pending, results, strict=True):
            if isinstance(result, Poisoned):
                outcomes.append(_rejected(event_id, TelemetryCode.UNSTORABLE, []))
            elif not result:
                raise BinRetired("This bin is retired: nothing that it tells is taken any more.")
            else:
                outcomes.append({"id": event_id, "outcome": TelemetryOutcome.RECORDED.value})
        return outcomes


def _rejected(event_id: str | None, code: TelemetryCode, errors: list[dict[str, str]]) -> OutcomeJson:
    outcome = {"id": event_id, "outcome": TelemetryOutcome.REJECTED.value, "code": code.value, "detail": code.meaning}
    return {**outcome, "errors": errors} if errors else outcome


def _at_time(code: TelemetryCode) -> list[dict[str, str]]:
    return [{"pointer": "/time", "code": code.value, "detail": code.meaning}]
