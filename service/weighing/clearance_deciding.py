"""What becomes of a batch of clearances, in the order in which each bin's boxes were emptied. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.clearances import ClearanceOutcome
from schemas.outcome_codes import OutcomeCode
from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import BinFacts, Finding
from service.plausibility.judging import Clearance, ClearanceVerdict, judge_clearance
from service.plausibility.rule_book import RuleBook, RuleSet
from service.weighing.deciding import ACTION, CODES
from service.weighing.facts import BinState, Key
from service.weighing.pending import NotActive


class PendingClearance(NamedTuple):
    """What a bin says of one emptying; as in PendingEvent."""

    bin_id: str
    event_id: str
    content_digest: bytes
    sequence: int
    material_id: str
    collector: str
    mass_before_grams: int
    mass_after_grams: int
    # Unix seconds.
    occurred_at: float
    clock_skew_seconds: int
    doubt: OutcomeCode | None = None


class SettledClearance(NamedTuple):
    """What became of it; `code` says what is doubtful, or why."""

    outcome: ClearanceOutcome
    code: OutcomeCode | None = None


class StoredClearance(NamedTuple):
    """What is stored under an id."""

    content_digest: bytes
    settled: SettledClearance


@dataclass(slots=True)
class ClearanceDecisions:
    """What is to be written, and what each clearance of the batch hears. `rows` are columns of
    clearance_queries.RECORD."""

    told: list[SettledClearance | NotActive] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    bins: dict[str, BinState] = field(default_factory=dict)
    conflicts: list[PendingClearance] = field(default_factory=list)


def decide(
    clearances: Sequence[PendingClearance],
    bins: Mapping[str, BinState],
    stored: Mapping[Key, StoredClearance],
    rules: RuleBook,
    now: float,
) -> ClearanceDecisions:
    """One word a clearance, in order; of the same id twice, the first decides and the other is its echo. `bins`, whose
    memories are locked and learn of it, lacks those that are not there. `now` in Unix seconds."""
    made = ClearanceDecisions()
    known, fresh = dict(stored), dict[Key, PendingClearance]()
    for clearance in clearances:
        state = bins.get(clearance.bin_id)
        if state is not None and state.active and clearance[:2] not in stored:
            fresh.setdefault(clearance[:2], clearance)
    for clearance in sorted(fresh.values(), key=_as_it_happened):
        state = bins[clearance.bin_id]
        settled = _settle(clearance, state, rules, now, made)
        known[clearance[:2]] = StoredClearance(clearance.content_digest, settled)
        made.bins[clearance.bin_id] = state
    for clearance in clearances:
        before = known.get(clearance[:2])
        if before is None:
            made.told.append(NotActive())
        elif fresh.get(clearance[:2]) is clearance:
            made.told.append(before.settled)
        elif before.content_digest != clearance.content_digest:
            made.conflicts.append(clearance)
            made.told.append(SettledClearance(ClearanceOutcome.CONFLICT, OutcomeCode.ID_REUSED))
        # What was rejected hears the same again.
        elif before.settled.outcome is ClearanceOutcome.REJECTED:
            made.told.append(before.settled)
        else:
            made.told.append(SettledClearance(ClearanceOutcome.DUPLICATE))
    return made


def _settle(
    clearance: PendingClearance, state: BinState, rules: RuleBook, now: float, made: ClearanceDecisions
) -> SettledClearance:
    judged = _judge(clearance, state, rules, now)
    verdict = judged.verdict
    outcome = ClearanceOutcome.REJECTED if verdict.action == "reject" else ClearanceOutcome.RECORDED
    findings = [{"code": each.code, "figures": each.figures} for each in verdict.findings]
    made.rows.append(
        (
            clearance.bin_id,
            clearance.event_id,
            clearance.content_digest,
            state.site_at(clearance.occurred_at),
            verdict.epoch,
            clearance.sequence,
            clearance.material_id,
            clearance.collector,
            clearance.mass_before_grams,
            clearance.mass_after_grams,
            judged.expected_grams,
            judged.permissible_grams,
            outcome.value,
            verdict.code,
            findings or None,
            clearance.clock_skew_seconds,
            clearance.occurred_at,
        )
    )
    return SettledClearance(outcome, None if verdict.code is None else CODES[verdict.code])


def _judge(clearance: PendingClearance, state: BinState, rules: RuleBook, now: float) -> ClearanceVerdict:
    told = Clearance(
        clearance.sequence,
        clearance.material_id,
        clearance.mass_before_grams,
        clearance.mass_after_grams,
        clearance.occurred_at,
        clearance.clock_skew_seconds,
    )
    in_force = rules.at(clearance.occurred_at, came_at=now)
    return judge_doubted(told, clearance.doubt, now, state.scale, state.memory, in_force)


def judge_doubted(
    told: Clearance, doubt: OutcomeCode | None, now: float, scale: BinFacts, memory: BinMemory, rules: RuleSet
) -> ClearanceVerdict:
    """As `judge_clearance`, where `doubt` is what is wrong with it whatever the rules say."""
    found = None if doubt is None else Finding(doubt.value, ACTION[doubt.outcome], {})
    judged = judge_clearance(told, now, scale, memory, rules, doubt=found)
    if doubt is OutcomeCode.UNKNOWN_MATERIAL:
        # There is no such box.
        memory.boxes.pop(told.material_id, None)
    return judged


def _as_it_happened(clearance: PendingClearance) -> tuple[str, float, int]:
    return clearance.bin_id, clearance.occurred_at, clearance.sequence
