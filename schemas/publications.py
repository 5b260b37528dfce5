"""Publications of the recycling rate: proposed by one operator, published by another, restated, recomputed."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, OperatorName, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.indicator import CountedAt, ExactGrams, FormulaId, PercentText, RateText
from schemas.indicator_inputs import AreaId, PeriodText
from schemas.patterns import one_line

PUBLICATIONS_LIMIT_DEFAULT = 20
PUBLICATIONS_LIMIT_MAX = 100

Words = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(300))]
PublicationNumber = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
PublicationState = Literal["waiting", "published", "rejected"]


class PublicationProposal(Request):
    """A figure that another operator may publish. It is frozen now: what is recorded later does not change it."""

    area: AreaId
    period: PeriodText
    formula: FormulaId | None = Field(
        None,
        description="Where it is not given the district's (a setting), and in a restatement that of what it restates",
    )
    counted_at: CountedAt | None = Field(
        None,
        description="Where it is not given the usual one of the formula, and in a restatement that of what it restates",
    )
    restates: PublicationNumber | None = Field(
        None,
        description="The number of the publication that this one replaces, by the same formula; with the reason",
    )
    reason: Words | None = Field(None, description="Why the published figure is restated; the public reads it")


class PublishRequest(Request):
    """Nothing to say: the figure is published."""


class RejectPublicationRequest(Request):
    """Why not. Whoever proposed it withdraws it that way."""

    reason: Words


class PublicationsQuery(Request):
    area: AreaId | None = None
    period: PeriodText | None = None
    state: PublicationState | None = None
    limit: Annotated[int, Field(ge=1, le=PUBLICATIONS_LIMIT_MAX)] = PUBLICATIONS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class Restated(Answer):
    """The publication that another one replaced, and by how much the figure differs."""

    number: int
    counted_at: CountedAt | None = Field(
        description="Where the replaced figure counted recyclables; null where this one counts them there too"
    )
    rate_percent: PercentText
    difference_percentage_points: Annotated[
        str,
        Field(
            pattern=r"^[+-]?[0-9]{1,3}\.[0-9]{4}$",
            description="The new rate less the old one, both exact; rounded half to even to four digits",
        ),
    ]
    reason: str


class PublicationSummary(Answer):
    """What was frozen, by whom, and what another operator decided. Of an area and period one figure by each formula
    stands."""

    id: UUID
    number: int | None = Field(description="From 1 on, in the order of publishing; null unless published")
    state: PublicationState
    area: str
    period: str
    formula: str
    formula_version: int
    counted_at: CountedAt
    rate: RateText
    rate_percent: PercentText
    numerator_grams: ExactGrams
    denominator_grams: ExactGrams
    digest: str = Field(description="SHA-256 of the record's bytes, in hexadecimal digits")
    code_version: str
    restates: Restated | None
    restated_by: int | None = Field(description="The number of the publication that replaced this one")
    proposed_by: OperatorName
    proposed_at: AwareDatetime
    decided_by: OperatorName | None
    decided_at: AwareDatetime | None
    decision_reason: str | None = Field(description="Why it was rejected")


class Publications(Answer):
    """Newest first, by when they were proposed."""

    publications: list[PublicationSummary]
    next_cursor: NextMomentCursor


class Publication(PublicationSummary):
    record: dict[str, Any] = Field(
        description="All that the figure is made of, as it was frozen: the answer of GET /v1/indicator/recycling-rate"
        " under `figure`, the version of the code, and of a restatement the number it restates and the reason"
    )
    record_text: str = Field(description="The same as canonical JSON: of these bytes, in UTF-8, the digest is made")


class RecomputedStep(Answer):
    """One thing that was computed again from the stored inputs, beside what was published."""

    what: str
    published: str
    recomputed: str
    equal: bool


class Recomputation(Answer):
    """`equal`: the stored inputs, by the formula of that version, give the published digits again."""

    number: int
    equal: bool
    steps: list[RecomputedStep]
