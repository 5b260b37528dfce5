"""The year's dossier (一标一档) of an area as figures: no I/O, no web, no database.

Months, quarters and the year are figures of their own by the one formula. What was reported only for a quarter, half a
year or a year is a row of its own and never spread over months: for each quantity the months and those rows together
are the year, exactly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from math import ceil
from typing import Final, Literal, NamedTuple, TypeAlias

from schemas.indicator import Coverage, NotCounted
from schemas.publications import PublicationSummary
from service.indicator.evidence import BINS, Document, Evidence, Recorded, Sum, Used, year_to_date
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import Formula, Quotient, rate_of
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING, CountedAt
from service.indicator.record import Frozen, Step, recomputation
from service.indicator.targets import target_rate
from service.periods import QUARTER_MONTHS, YEAR_MONTHS, Period

# Area, period, kind, source, material.
Identity: TypeAlias = tuple[str, Period, str, str, str | None]
RowKind = Literal["month", "longer", "quarter", "to_date", "year"]
Status = Literal["counted", "superseded", "withdrawn", "not_counted"]
# What is published beside what today's inputs give: the same, from the same inputs; the same digits, from others; or
# other digits.
Agreement = Literal["same", "same_digits", "other_digits"]
QUARTERS: Final = YEAR_MONTHS // QUARTER_MONTHS
# What the area itself reported, and none of its parts.
OWN: Final = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An area by its names."""

    id: str
    name: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Of a quantity; `grams` is None where nothing is recorded of it and something should be. Not whole where some
    line did not report, or reported for a longer period only."""

    grams: Fraction | None
    is_whole: bool


@dataclass(frozen=True, slots=True)
class FigureRow:
    """Of one period; `is_running`: it is the month that is not over. `amounts` are in the order of Dossier.columns; a
    row of what was reported for longer than a month has no rate. Where a rate is of amounts that are not whole, it is
    without what was reported for longer."""

    kind: RowKind
    period: Period
    amounts: Sequence[Amount]
    quotient: Quotient | None
    rate: Fraction | None
    why_zh: str
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class AreaRow:
    """Of a part of the area in the year; of what it reported itself, `place` has the id OWN."""

    place: Place
    amounts: Sequence[Amount]
    quotient: Quotient | None
    rate: Fraction | None
    why_zh: str
    coverage: str | None
    sites: int
    sites_with_volume: int


@dataclass(frozen=True, slots=True)
class InputVersion:
    """One version of an input as it is stored; `amount` is None where it withdraws the input."""

    id: int
    area_id: str
    period: Period
    kind: str
    source: str
    material: str | None
    version: int
    amount: int | None
    entered: str | None
    document: Document
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class InputRow:
    """An input with what became of it, or what bins weighed in a month, of which nothing is `stored`."""

    stored: InputVersion | None
    area_id: str
    period: Period
    kind: str
    source: str
    material: str | None
    amount: int | None
    status: Status
    why_zh: str
    why_en: str
    in_publication: bool | None


@dataclass(frozen=True, slots=True)
class Goal:
    """The year's target beside the rate: the published one, where something is published. `points`: the rate less the
    target, in percentage points; `grams`: what the numerator lacks of it, of as much waste as arose; below 0 where the
    target is exceeded. Both None without a rate."""

    rate: Fraction
    area_id: str
    interpolated: bool
    points: Fraction | None
    grams: Fraction | None

    @property
    def is_met(self) -> bool | None:
        return None if self.points is None else self.points >= 0

    @property
    def whole_grams(self) -> int:
        """Rounded up: so much is enough, and so much is not beyond it."""
        return 0 if self.grams is None else ceil(self.grams)


class MadeOf(NamedTuple):
    """A quantity's inputs by id, each with its share's, and what bins weighed of it."""

    quantity_id: str
    inputs: frozenset[tuple[int, int | None]]
    bin_grams: int


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of the year and not restated: its record, and what stands beside it (record.COLUMNS)."""

    summary: PublicationSummary
    frozen: Frozen
    columns: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A part of the area with its figure of the year, how many sites it has, and at how many bins weighed something."""

    place: Place
    figure: Figure
    coverage: str | None
    sites: int
    sites_with_volume: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says at one moment. `targets`: per mille by year, of the nearest area that has some first.
    `stored`: the inputs that the publication used, by id; `published` of the year, in the order of numbers."""

    place: Place
    year: int
    today: date
    made_at: datetime
    formula: Formula
    counted_at: CountedAt
    code_version: str
    evidence: Evidence
    figure: Figure
    coverage: Coverage
    not_counted: Sequence[NotCounted]
    sites: int
    sites_with_volume: int
    parts: Sequence[PartFacts]
    names: Mapping[str, str]
    versions: Sequence[InputVersion]
    targets: Sequence[tuple[str, Mapping[int, int]]]
    latest: Published | None
    waiting: PublicationSummary | None
    published: Sequence[PublicationSummary]
    stored: Mapping[int, Recorded]


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that the workbook and the page show. `columns`: the formula's quantities; `agreement` is None where
    nothing is published; `checks`: the publication computed again from its stored inputs."""

    facts: Facts
    columns: Sequence[Sum]
    agreement: Agreement | None
    goal: Goal | None
    rows: Sequence[FigureRow]
    areas: Sequence[AreaRow]
    inputs: Sequence[InputRow]
    checks: Sequence[Step]

    @property
    def is_over(self) -> bool:
        """The year: before, every figure may still change."""
        return Period(self.facts.year).is_over(self.facts.today)

    @property
    def to_date(self) -> FigureRow | None:
        """The year to date, where not all of the year is known."""
        return next((row for row in self.rows if row.kind == "to_date"), None)

    @property
    def months(self) -> list[FigureRow]:
        return [row for row in self.rows if row.kind == "month"]


def dossier_of(facts: Facts) -> Dossier:
    """Everything that follows from the facts."""
    latest = facts.latest
    return Dossier(
        facts=facts,
        columns=facts.figure.sums,
        agreement=None if latest is None else _agreement(facts.figure, latest.frozen),
        goal=_goal(facts),
        rows=list(_rows(facts)),
        areas=[*_areas(facts)],
        inputs=[*_inputs(facts)],
        checks=[] if latest is None else recomputation(latest.frozen, latest.columns, facts.stored),
    )


def _agreement(today: Figure, frozen: Frozen) -> Agreement:
    if today.rate is None or today.quotient != _published_quotient(frozen):
        return "other_digits"
    # Two corrections may cancel out.
    published = [
        MadeOf(
            quantity["id"],
            frozenset(
                (each["id"], None if each["share"] is None else each["share"]["id"])
                for each in quantity["inputs"]
                if each["id"] is not None
            ),
            sum(each["grams"] for each in quantity["inputs"] if each["id"] is None),
        )
        for quantity in frozen.figure["quantities"]
    ]
    now = [
        MadeOf(
            one.quantity.id,
            frozenset(
                (each.input.id, None if each.share is None else each.share.id)
                for each in one.used
                if each.input.id is not None
            ),
            sum(each.input.amount for each in one.used if each.input.id is None),
        )
        for one in today.sums
    ]
    return "same" if now == published else "same_digits"


def _published_quotient(frozen: Frozen) -> Quotient:
    return Quotient(Fraction(frozen.figure["numerator_grams"]), Fraction(frozen.figure["denominator_grams"]))


def _quotient(facts: Facts) -> Quotient | None:
    """Of what is published, where something is: the verdict belongs to it, and not to what was recorded since."""
    return facts.figure.quotient if facts.latest is None else _published_quotient(facts.latest.frozen)


def _goal(facts: Facts) -> Goal | None:
    for area_id, per_mille in facts.targets:
        wanted = target_rate(per_mille, facts.year)
        if wanted is not None:
            quotient = _quotient(facts)
            rate = None if quotient is None else rate_of(quotient)
            known = rate is not None
            return Goal(
                rate=wanted,
                area_id=area_id,
                interpolated=facts.year not in per_mille,
                points=(rate - wanted) * 100 if known and rate is not None else None,
                grams=(
                    wanted * quotient.denominator_grams - quotient.numerator_grams
                    if known and quotient is not None
                    else None
                ),
            )
    return None


def _rows(facts: Facts) -> Iterable[FigureRow]:
    """Each quarter after its months, what was reported for longer, and the year."""
    year = Period(facts.year)
    # Of each quantity the periods that something of it was reported for.
    reported = [{each.input.period for each in one.used} for one in facts.figure.sums]
    for quarter in range(1, QUARTERS + 1):
        of_quarter = Period.of_quarter(facts.year, quarter)
        for month in of_quarter.months:
            yield _row(facts, "month", month, reported)
        yield _row(facts, "quarter", of_quarter, reported)
    for period in sorted(each for each in set().union(*reported) if each.first_month < each.last_month):
        amounts = [_reported_for(one, period) for one in facts.figure.sums]
        yield FigureRow("longer", period, amounts, None, None, "")
    to_date = year_to_date(facts.evidence, facts.formula, facts.place.id, facts.year, facts.counted_at, facts.today)
    if to_date != year:
        yield _row(facts, "to_date", to_date, reported)
    yield _row(facts, "year", year, reported)


def _row(facts: Facts, kind: RowKind, period: Period, reported: Sequence[Collection[Period]]) -> FigureRow:
    if kind == "year":
        figure = facts.figure
    else:
        figure = figure_of(facts.evidence, facts.formula, facts.place.id, period, facts.counted_at)
    has_begun = period.first_day <= facts.today
    why = _why(figure) if has_begun else "尚未开始"
    is_running = has_begun and kind == "month" and not period.is_over(facts.today)
    amounts = [
        # That nothing was recovered is only known of what has begun.
        Amount(
            found.grams if has_begun or found.grams else None, found.is_whole and not _reaches_beyond(period, periods)
        )
        for found, periods in zip(map(_amount, figure.sums), reported, strict=True)
    ]
    return FigureRow(kind, period, amounts, figure.quotient, figure.rate, why, is_running=is_running)


def _reaches_beyond(period: Period, reported: Collection[Period]) -> bool:
    """Whether something was reported for a period that this one is only a part of."""
    return any(each.overlaps(period) and each not in period for each in reported)


def _why(figure: Figure) -> str:
    return "" if figure.reason is None else figure.reason.zh


def _amount(found: Sum) -> Amount:
    return Amount(found.grams if found.is_whole or found.used else None, found.is_whole)


def _reported_for(found: Sum, period: Period) -> Amount:
    """What was reported for just this period."""
    used = [each.grams for each in found.used if each.input.period == period]
    return Amount(sum(used, Fraction(0)) if used else None, bool(used))


def _areas(facts: Facts) -> Iterable[AreaRow]:
    """Each part of the area, and what the area itself reported: together the area, for each quantity."""
    for part in facts.parts:
        figure = part.figure
        yield AreaRow(
            place=part.place,
            amounts=[_amount(each) for each in figure.sums],
            quotient=figure.quotient,
            rate=figure.rate,
            why_zh=_why(figure),
            coverage=part.coverage,
            sites=part.sites,
            sites_with_volume=part.sites_with_volume,
        )
    if facts.parts:
        own = [[each.grams for each in one.used if each.input.area_id == facts.place.id] for one in facts.figure.sums]
        yield AreaRow(
            place=Place(OWN, "", ""),
            amounts=[Amount(sum(each, Fraction(0)) if each else None, bool(each)) for each in own],
            quotient=None,
            rate=None,
            why_zh="",
            coverage=None,
            sites=facts.sites - sum(each.sites for each in facts.parts),
            sites_with_volume=facts.sites_with_volume - sum(each.sites_with_volume for each in facts.parts),
        )


def _inputs(facts: Facts) -> Iterable[InputRow]:
    """Every version of every input of the year, and what bins weighed."""
    used: list[Used] = [each for one in facts.figure.sums for each in one.used]
    shares = [each.share for each in used if each.share is not None]
    counted = {each.id for each in (*(one.input for one in used), *shares)}
    frozen = None if facts.latest is None else facts.latest.frozen.input_ids()
    below = set(facts.evidence.tree.subtree(facts.place.id))
    latest: dict[Identity, int] = {}
    for each in facts.versions:
        latest[_identity(each)] = max(each.version, latest.get(_identity(each), 0))
    for each in facts.versions:
        is_in = None if frozen is None else each.id in frozen
        # Of the areas above only what is used of them: a share that they have for all below.
        if each.area_id in below or each.id in counted or is_in:
            became = _became(each, latest[_identity(each)], counted, facts)
            yield InputRow(each, *_identity(each), each.amount, *became, is_in)
    # By a formula that has no recyclables nothing that bins weighed is counted.
    has_bins = any(each.input.kind == BINS for each in used)
    for weighed in facts.evidence.within(BINS, facts.place.id, Period(facts.year)):
        told: tuple[Status, str, str] = ("counted", "", "") if has_bins else ("not_counted", *_why_not(BINS, facts))
        identity = weighed.area_id, weighed.period, weighed.kind, weighed.source, weighed.material
        yield InputRow(None, *identity, weighed.amount, *told, None)


def _identity(each: InputVersion) -> Identity:
    return each.area_id, each.period, each.kind, each.source, each.material


def _became(each: InputVersion, latest: int, counted: set[int | None], facts: Facts) -> tuple[Status, str, str]:
    if each.version < latest:
        return "superseded", f"已由第 {latest} 版代替", f"version {latest} supersedes it"
    if each.amount is None:
        return "withdrawn", "已撤回", "withdrawn"
    if each.id in counted:
        return "counted", "", ""
    return "not_counted", *_why_not(each.kind, facts)


def _why_not(kind_id: str, facts: Facts) -> tuple[str, str]:
    """Why a mass or share that stands is in none of the figure's sums."""
    kind = KINDS[kind_id]
    instead = [KINDS[each] for each in WAYS_OF_COUNTING[facts.counted_at] if KINDS[each].streams & kind.streams]
    if kind.streams and kind_id not in WAYS_OF_COUNTING[facts.counted_at] and instead:
        zh = "、".join(each.name_zh for each in instead)
        return f"同一物流已计入{zh}，不重复计", f"the same mass is counted as {', '.join(each.id for each in instead)}"
    taken = {each.quantity.mass for each in facts.figure.sums} | {each.quantity.share for each in facts.figure.sums}
    if kind_id not in taken:
        return "本公式不用此项", "not a part of this formula"
    if kind.unit == "ppm":
        return "没有与之相乘的量", "there is no mass that it applies to"
    return "缺少与之相乘的比例或系数", "the share that it is multiplied with is not recorded"
