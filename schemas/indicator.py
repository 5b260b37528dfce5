"""The recycling rate. Masses are exact, rates are exact until they are written."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.common import Answer, Request
from schemas.indicator_inputs import AreaId, DueLine, RecordedDocument
from schemas.patterns import PERIOD_TO_DATE

FormulaId = Literal[
    "cn.cleared_plus_recovered",
    "cn.generated",
    "cn.net_residue",
    "eu.2019_1004",
    "cn.resource_utilisation",
    "us.epa1997",
]
CountedAt = Annotated[
    Literal["origin", "station", "yard", "plant"],
    Field(
        description="Where recyclables are counted: where they arise (bins, doors, scrap stations), as they reach"
        " stations, the yard, or the recycling operation. Each stream is counted at one point only"
    ),
]
ReasonCode = Literal["input_missing", "contradictory", "nothing_arose", "not_valid", "not_begun"]
PeriodAsked = Annotated[
    str,
    Field(
        pattern=PERIOD_TO_DATE,
        description="A year, a quarter or a month of the business calendar, or a year to date: January up to the last"
        " month for which all that the formula needs is recorded",
        examples=["2025", "2026-ytd", "2025-Q1", "2025-03"],
    ),
]
RateText = Annotated[
    str, Field(pattern=r"^[01]\.[0-9]{6}$", description="A share of 1, rounded half to even to six digits")
]
PercentText = Annotated[
    str, Field(pattern=r"^[0-9]{1,3}\.[0-9]{2}$", description="Per cent, rounded half to even to two digits")
]
ExactGrams = Annotated[
    str,
    Field(
        pattern=r"^-?[0-9]+(\.[0-9]{1,6})?$",
        description="Grams, exact: with digits after the point only where a share makes them",
    ),
]


class RateQuery(Request):
    area: AreaId
    period: PeriodAsked
    formula: FormulaId | None = Field(None, description="The district's (a setting) where it is not given")
    counted_at: CountedAt | None = Field(None, description="The usual one of the formula where it is not given")


class RateFormula(Answer):
    id: str
    version: int
    definition_zh: str
    definition_en: str
    source: str
    standing_zh: str
    standing_en: str
    needs: list[str] = Field(description="The quantities without which there is no rate")
    counted_at: list[str] = Field(description="Where its recyclables may be counted; the first is usual")
    valid_from: int | None = Field(description="The first year that it is defined for; null where no source says")


class Formulas(Answer):
    formulas: list[RateFormula]


class UsedShare(Answer):
    """The share or factor that a mass was multiplied with."""

    id: int
    kind: str
    area: str
    period: str
    source: str
    ppm: int
    version: int
    document: RecordedDocument


class UsedInput(Answer):
    """One mass that was counted: an input, or what the bins of the area weighed in a month."""

    id: int | None = Field(description="The input's; null for bins, which are added up from weigh events")
    kind: str
    counting_point: Literal["bin", "door", "station", "yard", "plant"] | None
    area: str
    period: str
    source: str
    material: str | None
    grams: int
    share: UsedShare | None
    version: int | None = Field(description="Null for bins")
    document: RecordedDocument | None = Field(description="Null for bins")
    recorded_at: AwareDatetime | None


class RateQuantity(Answer):
    """What the formula is made of: the sum of its inputs, each times its share. `grams` is null where something is
    missing; what is there of it is `recorded_grams`."""

    id: str
    symbol: str
    name_zh: str
    name_en: str
    stands_in_for: str | None = Field(description="The quantity that is not recorded, in place of which this one is")
    grams: ExactGrams | None
    recorded_grams: ExactGrams
    inputs: list[UsedInput]


class NotCounted(Answer):
    """What was weighed elsewhere on the way: the same mass is counted already."""

    kind: str
    counting_point: Literal["bin", "door", "station", "yard", "plant"]
    grams: int
    same_as: list[str] = Field(description="The kinds that count the same streams")


class MissingLine(Answer):
    area: str
    source: str | None = Field(description="Null where nobody has reported")
    material: str | None = Field(description="Where the source reports by material")
    months: list[str] = Field(description="None of a share, which is missing for a mass")


class KindCoverage(Answer):
    kind: str
    needed: bool = Field(description="Without it there is no rate; else what is missing is only not counted")
    share: RateText | None = Field(description="Of the months of all its lines, those reported; null where none is due")
    months_present: list[str] = Field(description="Reported by every area and source that should")
    missing: list[MissingLine]


class BinCoverage(Answer):
    sites: int
    sites_with_volume: int
    months_with_volume: list[str]
    held_grams: int = Field(
        description="What bins have weighed and no operator has decided on yet: among none of the masses"
    )


class Coverage(Answer):
    """What the masses stand for; of months that have begun."""

    share: RateText | None = Field(description="Over all kinds together")
    kinds: list[KindCoverage]
    bins: BinCoverage


class Target(Answer):
    year: int
    rate: RateText
    rate_percent: PercentText
    area: str = Field(description="Whose target it is: the area's own, or the nearest above it that has one")
    interpolated: bool = Field(description="On the straight line between the targets of two other years")


IsOver = Annotated[
    bool,
    Field(
        description="Whether the period's last day is over; until then the figure is provisional: of the month that"
        " runs, bins and reports may be of a part of it"
    ),
]


class RecyclingRate(Answer):
    """The rate with all that is needed to compute it again: it is numerator_grams ÷ denominator_grams."""

    area: str
    area_name: str
    area_name_en: str
    period: str
    first_day: date
    last_day: date
    is_over: IsOver
    formula: RateFormula
    counted_at: CountedAt
    rate: RateText | None
    rate_percent: PercentText | None
    numerator_grams: ExactGrams | None
    denominator_grams: ExactGrams | None
    quantities: list[RateQuantity]
    not_counted: list[NotCounted]
    coverage: Coverage
    target: Target | None
    missing: list[str] = Field(description="The kinds that must be recorded before there is a rate")
    reason_code: ReasonCode | None = Field(description="Why the rate is null; null where there is one")
    reason_zh: str | None
    reason_en: str | None


class OutlookQuery(Request):
    area: AreaId
    year: Annotated[int, Field(ge=2000, le=2100, description="Of the business calendar")]
    formula: FormulaId | None = Field(None, description="The district's (a setting) where it is not given")
    counted_at: CountedAt | None = Field(None, description="The usual one of the formula where it is not given")


class DossierQuery(Request):
    area: AreaId
    year: Annotated[int, Field(ge=2000, le=2100, description="Of the business calendar; one that has begun")]
    format: Literal["xlsx", "html"] = Field(description="A workbook, or a page to print")


class FigureSoFar(Answer):
    """The year to date."""

    period: str
    is_over: IsOver
    rate: RateText | None
    rate_percent: PercentText | None
    numerator_grams: ExactGrams | None
    denominator_grams: ExactGrams | None
    missing: list[DueLine] = Field(
        description="Without which there is no rate; what only the coverage misses is not here"
    )


class ProjectedFigure(Answer):
    """The whole year as it is expected to be: an estimate. Grams are rounded half to even."""

    rate: RateText
    rate_percent: PercentText
    numerator_grams: int
    denominator_grams: int
    past_years: list[int] = Field(description="Those that it is projected from; none where all of the year is known")
    how_zh: str
    how_en: str


class NeededGrams(Answer):
    """What reaches the year's target, rounded up to the gram. What is recycled in addition is taken from what would be
    cleared or disposed of, so what arises stays as projected."""

    needed_grams: int = Field(description="Still to be recycled until the year ends, all together")
    expected_grams: int = Field(description="Expected to be recycled until then, as projected")
    gap_grams: int = Field(description="To be recycled in addition to what is expected; 0 where the target is met")


class Outlook(Answer):
    """How far the target is, in a year that runs or that is over."""

    area: str
    area_name: str
    area_name_en: str
    year: int
    formula: RateFormula
    counted_at: CountedAt
    target: Target | None
    target_path: list[Target] = Field(description="Each year from the first target to the last, linear between them")
    so_far: FigureSoFar
    coverage: Coverage = Field(description="Of the year so far: who has not reported is in no figure here")
    projection: ProjectedFigure | None
    needed: NeededGrams | None = Field(description="Null where there is no projection or the year has no target")
    reason_zh: str | None = Field(description="Why there is no projection; null where there is one")
    reason_en: str | None
