"""What becomes of a drop, or of an emptying: the guards that always hold, and the rules in force. Pure."""

from typing import Final, NamedTuple

from schemas.outcome_codes import OutcomeCode
from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import AccountDay, BinFacts, Drop, Finding, Verdict, verdict_of
from service.plausibility.permissible import permissible_error
from service.plausibility.rule_book import RuleSet
from service.plausibility.rules import Case, Emptying

# Both ends of a skew are told in whole seconds, and a request takes a moment.
SLACK_SECONDS: Final = 3

# What may be found before: the time cannot be true.
OF_CLOCKS: Final = (OutcomeCode.TIME_TOO_OLD.value, OutcomeCode.TIME_OUT_OF_RANGE.value)
NO_TARIFF: Final = Finding(OutcomeCode.NO_TARIFF.value, "hold", {})


class Clearance(NamedTuple):
    """A box was emptied, as the bin told it; as in Drop."""

    sequence: int
    material_id: str
    mass_before_grams: int
    mass_after_grams: int
    occurred_at: float
    clock_skew_seconds: int | None


class ClearanceVerdict(NamedTuple):
    """What was found; what must have been in the box, and by how much that and what it weighed may differ; None where
    nobody knows."""

    verdict: Verdict
    expected_grams: int | None
    permissible_grams: int | None


def judge(
    drop: Drop,
    now: float,
    facts: BinFacts,
    memory: BinMemory,
    day: AccountDay | None,
    rules: RuleSet,
    *,
    doubt: Finding | None = None,
) -> Verdict:
    """What is to be done with a drop that is told at `now`, in Unix seconds; a bin's drops are judged as they happened,
    by (occurred_at, sequence).

    `rules` are those of the drop's own time. `day` is the business day of the account it would be credited to; None
    where it is nobody's. It is raised where the drop is to be credited, and so is the bin's hour. `memory` learns of
    sequence and box in any case. `doubt` is what was found before anybody asked the rules.
    """
    sequence, material_id, weight_grams, box_weight_grams, occurred_at, skew_seconds, coins, has_tariff = drop
    findings = [] if doubt is None else [doubt]
    trusted = _trust(occurred_at, skew_seconds, now, facts, findings) and (doubt is None or doubt.code not in OF_CLOCKS)
    epoch = _place(sequence, occurred_at if trusted else None, now, memory, findings)
    if not has_tariff:
        findings.append(NO_TARIFF)
    hour = memory.hour(occurred_at) if trusted else None
    case = Case(
        drop,
        facts,
        day if trusted else None,
        None if epoch is None or box_weight_grams is None else memory.mass_before(material_id, epoch, sequence),
        hour,
    )
    for code, action, check, parameters in rules.of_drops:
        figures = check(case, parameters)
        if figures is not None:
            findings.append(Finding(code, action, figures))
    if epoch is None:
        memory.mistrust(material_id)
        return verdict_of(findings, None)
    error_grams = permissible_error(weight_grams, facts.interval_grams)
    # What the scale cannot weigh, it has not weighed: how much the box holds is open until it is emptied.
    believed_grams = weight_grams if weight_grams <= facts.capacity_grams else None
    memory.dropped(material_id, epoch, sequence, believed_grams, box_weight_grams, error_grams)
    verdict = verdict_of(findings, epoch)
    if verdict.action != "credit":
        return verdict
    if hour is not None:
        hour[0] += 1
        hour[1] += weight_grams
    if day is not None:
        day.drops += 1
        day.grams += weight_grams
        day.coins += coins
    return verdict


def judge_clearance(
    clearance: Clearance,
    now: float,
    facts: BinFacts,
    memory: BinMemory,
    rules: RuleSet,
    *,
    doubt: Finding | None = None,
) -> ClearanceVerdict:
    """As `judge`, of an emptying: it takes the next number of the bin's count, closes the box's account and begins
    another, whatever the rules say of it: nobody can fill the box again."""
    findings = [] if doubt is None else [doubt]
    trusted = _trust(clearance.occurred_at, clearance.clock_skew_seconds, now, facts, findings)
    trusted = trusted and (doubt is None or doubt.code not in OF_CLOCKS)
    epoch = _place(clearance.sequence, clearance.occurred_at if trusted else None, now, memory, findings)
    if epoch is None:
        memory.mistrust(clearance.material_id)
        return ClearanceVerdict(verdict_of(findings, None), None, None)
    expected_grams = permissible_grams = None
    content = memory.content(clearance.material_id, epoch, clearance.sequence)
    if content is not None:
        expected_grams, permissible_grams = content
        permissible_grams += permissible_error(clearance.mass_before_grams, facts.interval_grams)
        emptying = Emptying(facts, clearance.mass_before_grams, *content)
        for code, action, check, parameters in rules.of_clearances:
            figures = check(emptying, parameters)
            if figures is not None:
                findings.append(Finding(code, action, figures))
    error_grams = permissible_error(clearance.mass_after_grams, facts.interval_grams)
    memory.emptied(clearance.material_id, epoch, clearance.sequence, clearance.mass_after_grams, error_grams)
    return ClearanceVerdict(verdict_of(findings, epoch), expected_grams, permissible_grams)


def _trust(at: float, skew: int | None, now: float, facts: BinFacts, findings: list[Finding]) -> bool:
    """Whether the event's own time can be true, as far as the skew of its request explains it; otherwise a finding."""
    if facts.serviced_at <= at <= now:
        return True
    skew_seconds = skew or 0
    if at > now + max(0, -skew_seconds) + SLACK_SECONDS:
        figures = {"seconds_ahead": int(at - now), "skew_seconds": skew_seconds}
        findings.append(Finding(OutcomeCode.TIME_IN_FUTURE.value, "hold", figures))
        return False
    if at < facts.serviced_at - max(0, skew_seconds) - SLACK_SECONDS:
        figures = {"seconds_before": int(facts.serviced_at - at), "skew_seconds": skew_seconds}
        findings.append(Finding(OutcomeCode.TIME_BEFORE_VISIT.value, "hold", figures))
        return False
    return True


def _place(number: int, at: float | None, now: float, memory: BinMemory, findings: list[Finding]) -> int | None:
    """The epoch of the event; None, with a finding, where its number was used. `at` None: its clock is doubted."""
    sequences = memory.sequences
    epoch = sequences.place_without_time(number, now) if at is None else sequences.place(number, at, now)
    if epoch is None:
        figures = {"sequence": number, "highest": sequences.highest or 0}
        findings.append(Finding(OutcomeCode.SEQUENCE_REUSED.value, "hold", figures))
    return epoch
