"""What other rules would have made of what happened: decided again over the stored events, and nothing written."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.outcome_codes import OutcomeCode
from service.business_days import day_begins_at
from service.db import database_now
from service.errors import ValidationFailed
from service.moments import by_the_clock
from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import AccountDay, AccountKind, BinFacts, Drop
from service.plausibility.judging import Clearance
from service.plausibility.rule_book import RuleBook
from service.weighing import clearance_deciding
from service.weighing import replaying_queries as queries
from service.weighing.deciding import CREDIT, HOLD, judge_doubted
from service.weighing.facts import Days, Key
from service.weighing.plausibility_rules import Trial
from service.weighing.replaying_queries import Happened
from service.weighing.rules import DAY_SECONDS

# What comes before `since` builds the memory of bins and is not compared: as long as their hours are remembered.
WARM_UP: Final = timedelta(days=3)
EXAMPLES_MAX: Final = 20
RECORD: Final = "record"
REJECT: Final = "reject"
# What stands whatever the rules say, by the code that is stored.
DOUBTS: Final = {
    code.value: code
    for code in (
        OutcomeCode.UNKNOWN_MATERIAL,
        OutcomeCode.WEIGHT_OUT_OF_RANGE,
        OutcomeCode.TIME_OUT_OF_RANGE,
        OutcomeCode.TIME_TOO_OLD,
    )
}


class Decided(NamedTuple):
    """`verdict` is credit, hold or reject, of an emptying record or reject; `code` why."""

    verdict: str
    code: str | None


class Example(NamedTuple):
    """A drop or an emptying that would be decided otherwise. No resident, no card."""

    bin_id: str
    event_id: str
    occurred_at: float
    before: Decided
    after: Decided


@dataclass(slots=True)
class Sum:
    """Of `weight_grams` and `coins` that the drops would earn if they were credited; of emptyings, neither."""

    drops: int = 0
    clearances: int = 0
    grams: int = 0
    coins: int = 0

    def add(self, happened: Happened) -> None:
        if happened.kind == "clearance":
            self.clearances += 1
        else:
            self.drops += 1
            self.grams += happened.weight_grams
            self.coins += happened.coins


@dataclass(slots=True)
class Comparison:
    """Where two decisions differ: sums by (before, after), and the first examples in the order of receipt."""

    sums: dict[tuple[Decided, Decided], Sum] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Drops and emptyings."""
        return sum(each.drops + each.clearances for each in self.sums.values())

    def compare(self, happened: Happened, before: Decided, after: Decided) -> None:
        if before == after:
            return
        self.sums.setdefault((before, after), Sum()).add(happened)
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(
                Example(happened.bin_id, happened.event_id, happened.occurred_at, before, after),
            )


@dataclass(slots=True)
class Replay:
    """`differences` are from the rules as they are to the changed ones; `unlike` from what is stored to the rules as
    they are: what the replay does not reproduce. `seconds` it took."""

    compared: Sum = field(default_factory=Sum)
    warmed_up: int = 0
    differences: Comparison = field(default_factory=Comparison)
    unlike: Comparison = field(default_factory=Comparison)
    seconds: float = 0.0


class People:
    """Of which kind an account was when."""

    def __init__(self, traders: set[int], changes: Iterable[tuple[int, float, str]]) -> None:
        """`changes` are (resident, Unix seconds, kind), of each resident in the order of time."""
        self._traders = traders
        self._changes: dict[int, list[tuple[float, str]]] = {}
        for resident_id, at, kind in changes:
            self._changes.setdefault(resident_id, []).append((at, kind))

    def kind(self, resident_id: int, at: float) -> AccountKind:
        changes = self._changes.get(resident_id)
        if changes is None:
            return "trader" if resident_id in self._traders else "resident"
        # Before the first change it was the other kind: there are two.
        kind = "resident" if changes[0][1] == "trader" else "trader"
        for changed_at, changed_to in changes:
            if changed_at <= at:
                kind = changed_to
        return "trader" if kind == "trader" else "resident"


class Scales:
    """The scales of bins as they are now, for nothing else is kept; service visits as they were known at the time."""

    def __init__(
        self,
        scales: Iterable[tuple[str, int, int, int, date | None]],
        visits: Iterable[tuple[str, float, float]],
        zone: str,
    ) -> None:
        """`visits` are (bin, when it was told, when it was), in Unix seconds, of each bin in the order of telling."""
        self._now: dict[str, BinFacts] = {}
        for bin_id, interval, capacity, box_capacity, expires_on in scales:
            ends_at = math.inf
            if expires_on is not None:
                ends_at = day_begins_at(expires_on + timedelta(days=1), zone).timestamp()
            self._now[bin_id] = BinFacts(interval, capacity, box_capacity, ends_at, -math.inf)
        self._visits: dict[str, list[tuple[float, float]]] = {}
        for bin_id, told_at, serviced_at in visits:
            self._visits.setdefault(bin_id, []).append((told_at, serviced_at))

    def at(self, bin_id: str, when: float) -> BinFacts:
        facts = self._now[bin_id]
        for told_at, serviced_at in self._visits.get(bin_id, ()):
            if told_at <= when:
                facts = facts._replace(serviced_at=serviced_at)
        return facts


class Decider:
    """Decides what happened, in its order, by one book of rules. It remembers each bin, and each account's days. What
    cards that were bound later and operators have credited is taken as it was."""

    def __init__(self, rules: RuleBook, scales: Scales, people: People, days: Days, *, age_days_max: int) -> None:
        self._rules = rules
        self._scales = scales
        self._people = people
        self._days = days
        self._age_seconds_max = age_days_max * DAY_SECONDS
        self._memories: dict[str, BinMemory] = {}
        self._accounts: dict[tuple[int, date], AccountDay] = {}
        # Of drops that were credited later than they came: whether they would be, then.
        self._later: dict[Key, bool] = {}

    def decide(self, happened: Happened) -> Decided | None:
        """None for what is not decided by rules: that somebody was credited later."""
        if happened.kind == "later":
            if self._later.pop((happened.bin_id, happened.event_id), False) and happened.resident_id is not None:
                day = self._account(happened.resident_id, happened.occurred_at, happened.received_at)
                day.drops += 1
                day.grams += happened.weight_grams
                day.coins += happened.coins
            return None
        memory = self._memories.get(happened.bin_id)
        if memory is None:
            memory = self._memories[happened.bin_id] = BinMemory(0, None, None, (), {}, {})
        if happened.kind == "clearance":
            return self._clearance(happened, memory)
        return self._drop(happened, memory)

    def _drop(self, happened: Happened, memory: BinMemory) -> Decided:
        doubt = self._doubt(happened)
        drop = Drop(
            happened.sequence,
            happened.material_id,
            happened.weight_grams,
            happened.box_weight_grams,
            happened.occurred_at,
            happened.clock_skew_seconds,
            happened.coins,
            happened.coins_per_kg is not None or doubt is not None,
        )
        account = None
        if doubt is None and happened.resident_id is not None:
            account = self._account(happened.resident_id, happened.occurred_at, happened.received_at)
        rules = self._rules.at(happened.occurred_at, came_at=happened.received_at)
        scale = self._scales.at(happened.bin_id, happened.received_at)
        verdict = judge_doubted(drop, doubt, happened.received_at, scale, memory, account, rules)
        if happened.later:
            # Nobody's, or held and then released: where it was credited at once, its day has it already.
            counted = verdict.action == CREDIT and account is not None
            self._later[happened.bin_id, happened.event_id] = verdict.action in (CREDIT, HOLD) and not counted
        return Decided(verdict.action, verdict.code)

    def _clearance(self, happened: Happened, memory: BinMemory) -> Decided:
        clearance = Clearance(
            happened.sequence,
            happened.material_id,
            happened.weight_grams,
            happened.box_weight_grams or 0,
            happened.occurred_at,
            happened.clock_skew_seconds,
        )
        scale = self._scales.at(happened.bin_id, happened.received_at)
        rules = self._rules.at(happened.occurred_at, came_at=happened.received_at)
        at, doubt = happened.received_at, self._doubt(happened)
        verdict = clearance_deciding.judge_doubted(clearance, doubt, at, scale, memory, rules).verdict
        # What is doubted of an emptying is written down with it: nobody waits for its coins.
        return Decided(RECORD if verdict.action != REJECT else REJECT, verdict.code)

    def _account(self, resident_id: int, occurred_at: float, at: float) -> AccountDay:
        key = resident_id, self._days.of(occurred_at)
        kind = self._people.kind(resident_id, at)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = AccountDay(kind, 0, 0, 0)
        account.kind = kind
        return account

    def _doubt(self, happened: Happened) -> OutcomeCode | None:
        """What stood whatever the rules said. Only of one that was too old may a rule have said more."""
        if happened.code in DOUBTS:
            return DOUBTS[happened.code]
        too_old = happened.occurred_at < happened.received_at - self._age_seconds_max
        return OutcomeCode.TIME_TOO_OLD if too_old and happened.verdict == REJECT else None


async def replay(
    connection: AsyncConnection,
    trial: Trial,
    *,
    since: datetime,
    zone: str,
    age_days_max: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Replay:
    """Decide all that was received since then by both rules, side by side; `progress` hears how many rows of how many
    are read. `connection` is a snapshot's, without a limit of time. Holds a page of events, and of each bin and of each
    account's day what rules ask for.

    Raises ValidationFailed where `since` is before the first event or has not come.
    """
    await _require_events(connection, since, zone)
    begins_at = since - WARM_UP
    scales = Scales(await queries.read_scales(connection), await queries.read_visits(connection), zone)
    people, days = People(*await queries.read_kinds(connection)), Days(zone)
    before, after = (
        Decider(RuleBook(rows), scales, people, days, age_days_max=age_days_max)
        for rows in (trial.as_they_are, trial.as_changed)
    )
    rows_count, done, found = await queries.count_history(connection, begins_at), 0, Replay()
    began, compared_from = time.perf_counter(), since.timestamp()
    async for page in queries.stream_history(connection, begins_at):
        for happened in page:
            first, second = before.decide(happened), after.decide(happened)
            if first is None or second is None:
                continue
            if happened.received_at < compared_from:
                found.warmed_up += 1
                continue
            found.compared.add(happened)
            found.unlike.compare(happened, Decided(happened.verdict, happened.code), first)
            found.differences.compare(happened, first, second)
        done += len(page)
        progress(done, rows_count)
    found.seconds = time.perf_counter() - began
    return found


async def _require_events(connection: AsyncConnection, since: datetime, zone: str) -> None:
    if since > await database_now(connection):
        raise ValidationFailed(f"{by_the_clock(since, zone)} is still to come: there is nothing to replay.")
    first = await queries.first_received_at(connection)
    if first is None:
        raise ValidationFailed("There is no event yet: there is nothing to replay.")
    if since < first.replace(microsecond=0):
        raise ValidationFailed(
            f"The first event was received at {by_the_clock(first, zone)}: replay since then, or since later."
        )
