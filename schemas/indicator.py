"""The recycling rate, and the inputs it is made of. Masses are whole grams, rates exact until they are written."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, Request
from schemas.cursors import Cursor, NextCursor
from schemas.patterns import PERIOD, one_line, visible

INPUTS_LIMIT_DEFAULT = 50
INPUTS_LIMIT_MAX = 200
# A billion tonnes: far above any city, and all sums stay exact.
GRAMS_MAX = 10**15

PeriodText = Annotated[
    str,
    Field(
        pattern=PERIOD,
        description="A year or a month of the business calendar: 2025 or 2025-03",
        examples=["2025", "2025-03"],
    ),
]
AreaId = Annotated[str, Field(pattern=visible(1, 64), description="Any area of the tree, such as nankai")]
FormulaId = Literal["cn.cleared_plus_recovered"]
InputKind = Annotated[
    Literal["cleared", "kitchen_treated", "recyclables"],
    Field(
        description="cleared: municipal waste cleared (C); kitchen_treated: kitchen waste treated other than by burning"
        " or landfill (K); recyclables: recovered otherwise than through bins, at the door or by scrap stations"
    ),
]
SourceName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=one_line(100)),
    Field(description="Who weighed it. The sources of one kind add up, so a mass must come from one of them only"),
]
DocumentName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=one_line(300)),
    Field(description="The document the figure was taken from, so that it can be found again"),
]
Grams = Annotated[int, Field(strict=True, ge=0, le=GRAMS_MAX, description="Grams; 0 says that there was none")]
RateText = Annotated[
    str, Field(pattern=r"^[01]\.[0-9]{6}$", description="A share of 1, rounded half to even to six digits")
]
PercentText = Annotated[
    str, Field(pattern=r"^[0-9]{1,3}\.[0-9]{2}$", description="Per cent, rounded half to even to two digits")
]


class IndicatorInput(Request):
    """A mass with its document. The same area, period, kind and source again supersedes what was recorded before."""

    area: AreaId
    period: PeriodText
    kind: InputKind
    source: SourceName
    grams: Grams
    document: DocumentName


class RecordedInput(Answer):
    """One version of an input; none is ever changed or deleted."""

    id: int
    area: str
    period: str
    kind: str
    source: str
    version: int = Field(description="From 1 on; the highest counts")
    superseded: bool = Field(description="A later version counts instead of this one")
    grams: int
    document: str
    recorded_at: AwareDatetime


class InputsQuery(Request):
    area: AreaId | None = Field(None, description="Inputs of just this area")
    period: PeriodText | None = Field(None, description="Inputs within this period: of 2025, the year and its months")
    limit: Annotated[int, Field(ge=1, le=INPUTS_LIMIT_MAX)] = INPUTS_LIMIT_DEFAULT
    cursor: Cursor | None = None


class RecordedInputs(Answer):
    """Newest first, every version."""

    inputs: list[RecordedInput]
    next_cursor: NextCursor


class RateQuery(Request):
    area: AreaId
    period: PeriodText
    formula: FormulaId = "cn.cleared_plus_recovered"


class RateFormula(Answer):
    id: str
    definition_zh: str
    definition_en: str
    source: str


class SourceMass(Answer):
    """One mass that was counted: an input, or what the bins of the area weighed."""

    kind: Literal["bins", "recyclables", "kitchen_treated", "cleared"]
    source: str
    area: str
    period: str = Field(description="A year, a month, or first/last day (ISO 8601) of a part of a year")
    grams: int
    version: int | None = Field(description="Null for bins, which are added up from weigh events")
    document: str | None
    recorded_at: AwareDatetime | None


class RateInputs(Answer):
    """R, K and C; each list adds up to its mass. Null where some of it is not recorded."""

    recovered_grams: int
    recovered_sources: list[SourceMass]
    kitchen_treated_grams: int | None
    kitchen_treated_sources: list[SourceMass]
    cleared_grams: int | None
    cleared_sources: list[SourceMass]


class InputCoverage(Answer):
    """For cleared and kitchen_treated one entry; for recyclables one for each source that reported."""

    kind: InputKind
    source: str | None = Field(description="Null stands for all sources of the kind together")
    months_present: list[str]
    months_missing: list[str] = Field(description="Of the months of the period that have begun")
    areas_missing: list[str] = Field(description="Where a record is missing that the sum needs")


class Coverage(Answer):
    """What the masses stand for. Of the current year: of the months for which all that is needed is recorded."""

    first_day: date
    last_day: date
    inputs: list[InputCoverage]
    days: int = Field(description="From first_day to last_day, today at most")
    days_with_bin_volume: int
    sites: int
    sites_with_bin_volume: int
    bin_held_grams: int = Field(
        description="What bins have weighed and no operator has decided on yet: among none of the masses"
    )


class Target(Answer):
    year: int
    rate: RateText
    rate_percent: PercentText
    area: str = Field(description="Whose target it is: the area's own, or the nearest above it that has one")
    interpolated: bool = Field(description="On the straight line between the targets of two other years")


class RecyclingRate(Answer):
    """The rate with all that is needed to compute it again: it is numerator_grams ÷ denominator_grams."""

    area: str
    area_name: str
    area_name_en: str
    period: str
    formula: RateFormula
    rate: RateText | None
    rate_percent: PercentText | None
    numerator_grams: int | None
    denominator_grams: int | None
    inputs: RateInputs
    coverage: Coverage
    target: Target | None
    missing: list[InputKind] = Field(description="What the formula needs and is not recorded for all of the period")
    reason_code: Literal["input_missing", "contradictory", "nothing_arose"] | None = Field(
        description="Why the rate is null; null where there is one"
    )
    reason_zh: str | None
    reason_en: str | None
