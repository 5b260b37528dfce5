"""What becomes of a batch of weigh events: rules over facts, in the order in which each bin's drops happened. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from schemas.outcome_codes import HELD_FOR_ITS_CLOCK, OutcomeCode
from schemas.weigh_events import Outcome
from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import AccountDay, Action, BinFacts, Drop, Finding, Verdict
from service.plausibility.judging import judge
from service.plausibility.rule_book import RuleBook, RuleSet
from service.weighing.facts import BinState, Days, Facts, Key, Shown
from service.weighing.pending import NotActive, PendingEvent

CREDIT: Final = "credit"
HOLD: Final = "hold"
# What a verdict makes of an event; what is credited and somebody's is CREDITED.
OUTCOME: Final = {CREDIT: Outcome.UNCLAIMED, HOLD: Outcome.HELD, "reject": Outcome.REJECTED}
# What a code does that stands whatever the rules say.
ACTION: Final[dict[str, Action]] = {"held": "hold", "rejected": "reject"}
CODES: Final = {code.value: code for code in OutcomeCode}

Row = tuple[Any, ...]


class Told(NamedTuple):
    """What an event hears. `resident_id` is whose coins they are; `fresh`: it was credited by this batch."""

    outcome: Outcome
    coins: int
    code: OutcomeCode | None = None
    resident_id: int | None = None
    balance_coins: int | None = None
    fresh: bool = False


@dataclass(slots=True)
class Decisions:
    """What is to be written, and what each event of the batch hears. `rows` are columns $1 to $18 of
    ledger/credit_weigh_events.sql, `held` the arguments of queries.hold_events."""

    told: list[Told | NotActive] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    credited: dict[int, int] = field(default_factory=dict)
    days: dict[tuple[int, date], AccountDay] = field(default_factory=dict)
    bins: dict[str, BinState] = field(default_factory=dict)
    held: list[tuple[str, str, int | None, list[dict[str, Any]]]] = field(default_factory=list)
    conflicts: list[PendingEvent] = field(default_factory=list)
    # Of those events where any rule acted.
    findings: dict[Key, tuple[Finding, ...]] = field(default_factory=dict)


def judge_doubted(
    drop: Drop,
    doubt: OutcomeCode | None,
    now: float,
    scale: BinFacts,
    memory: BinMemory,
    account: AccountDay | None,
    rules: RuleSet,
) -> Verdict:
    """As `judge`, where `doubt` is what is wrong with the drop whatever the rules say; then it is on no `account`."""
    if doubt is None:
        return judge(drop, now, scale, memory, account, rules)
    found = Finding(doubt.value, ACTION[doubt.outcome], {})
    verdict = judge(drop, now, scale, memory, None, rules, doubt=found)
    if doubt is OutcomeCode.UNKNOWN_MATERIAL:
        # There is no such box, or a bin could have its memory grow with every name it thinks of.
        memory.boxes.pop(drop.material_id, None)
    return verdict


class Deciding:
    """Decides one batch. Changes the facts as it goes: each drop is judged with all before it."""

    def __init__(self, facts: Facts, rules: RuleBook, days: Days) -> None:
        self._facts = facts
        self._rules = rules
        self._days = days
        self._made = Decisions()
        self._firsts: dict[Key, PendingEvent] = {}
        self._fresh: dict[Key, Told] = {}

    def decide(self, events: Sequence[PendingEvent]) -> Decisions:
        """One word an event, in order. Of the same id twice, the first decides and the other is its echo."""
        fresh: dict[str, list[PendingEvent]] = {}
        for event in events:
            key = event[:2]
            state = self._facts.bins.get(event.bin_id)
            if key in self._facts.stored or key in self._firsts or state is None or not state.active:
                continue
            self._firsts[key] = event
            fresh.setdefault(event.bin_id, []).append(event)
        # In an order that the stored events tell too, so that a replay decides as it was decided.
        for bin_id, of_bin in sorted(fresh.items()):
            of_bin.sort(key=_as_it_happened)
            self._decide_bin(self._facts.bins[bin_id], of_bin)
        self._made.told = [self._tell(event) for event in events]
        return self._made

    def _decide_bin(self, state: BinState, events: Sequence[PendingEvent]) -> None:
        made = self._made
        made.bins[events[0].bin_id] = state
        for event in events:
            shown = self._facts.owner_of(event.credential_digest, event.occurred_at)
            day = None if shown is None else (shown.resident_id, self._days.of(event.occurred_at))
            verdict = self._judge(event, state, shown, day)
            outcome, resident_id = OUTCOME[verdict.action], None
            if verdict.action == CREDIT and day is not None:
                outcome, resident_id = Outcome.CREDITED, day[0]
                made.credited[resident_id] = made.credited.get(resident_id, 0) + event.coins
                made.days[day] = self._facts.days[day]
            elif verdict.action == HOLD:
                findings = [{"code": each.code, "figures": each.figures} for each in verdict.findings]
                if shown is None and any(each.code in HELD_FOR_ITS_CLOCK for each in verdict.findings):
                    # Its time says nothing about whose card it was; the resident hears of it all the same.
                    shown = self._facts.owner_of(event.credential_digest, self._facts.now)
                made.held.append((event.bin_id, event.event_id, None if shown is None else shown.resident_id, findings))
            if verdict.findings:
                made.findings[event[:2]] = verdict.findings
            self._store(event, state, verdict, outcome, resident_id)

    def _judge(
        self, event: PendingEvent, state: BinState, shown: Shown | None, day: tuple[int, date] | None
    ) -> Verdict:
        drop = Drop(
            event.sequence,
            event.material_id,
            event.weight_grams,
            event.box_weight_grams,
            event.occurred_at,
            event.clock_skew_seconds,
            event.coins,
            # What is unknown as a whole has no tariff either, and that is not what is wrong with it.
            event.coins_per_kg is not None or event.doubt is not None,
        )
        rules = self._rules.at(event.occurred_at, came_at=self._facts.now)
        account = None
        if event.doubt is None and shown is not None and day is not None:
            account = self._facts.days.get(day)
            if account is None:
                account = self._facts.days[day] = AccountDay(shown.kind, 0, 0, 0)
        return judge_doubted(drop, event.doubt, self._facts.now, state.scale, state.memory, account, rules)

    def _store(
        self, event: PendingEvent, state: BinState, verdict: Verdict, outcome: Outcome, resident_id: int | None
    ) -> None:
        code = verdict.code
        self._made.rows.append(
            (
                event.bin_id,
                event.event_id,
                event.content_digest,
                state.site_at(event.occurred_at),
                verdict.epoch,
                event.sequence,
                event.material_id,
                event.weight_grams,
                event.box_weight_grams,
                event.credential_digest,
                resident_id,
                verdict.action,
                code,
                outcome,
                event.clock_skew_seconds,
                event.coins_per_kg,
                event.coins,
                event.occurred_at,
            )
        )
        self._fresh[event[:2]] = Told(
            outcome,
            0 if resident_id is None else event.coins,
            None if code is None else CODES[code],
            resident_id,
            fresh=True,
        )

    def _tell(self, event: PendingEvent) -> Told | NotActive:
        key = event[:2]
        told = self._fresh.get(key)
        if told is not None:
            first = self._firsts[key]
            if first is event:
                return told
            return self._echo(event, first.content_digest, told)
        stored = self._facts.stored.get(key)
        if stored is None:
            return NotActive()
        code = None if stored.code is None else CODES[stored.code]
        before = Told(Outcome(stored.outcome), stored.coins, code, stored.resident_id, stored.balance_coins)
        return self._echo(event, stored.content_digest, before)

    def _echo(self, event: PendingEvent, content_digest: bytes, before: Told) -> Told:
        if content_digest != event.content_digest:
            self._made.conflicts.append(event)
            return Told(Outcome.CONFLICT, 0, OutcomeCode.ID_REUSED)
        # Nothing ever becomes of what was rejected: it hears the same again.
        if before.outcome is Outcome.REJECTED:
            return Told(Outcome.REJECTED, 0, before.code)
        return Told(Outcome.DUPLICATE, before.coins, None, before.resident_id, before.balance_coins)


def _as_it_happened(event: PendingEvent) -> tuple[float, int, str]:
    return event.occurred_at, event.sequence, event.event_id
