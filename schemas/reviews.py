"""Held drops on the wire: what operators look at and decide, and what their residents are told."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, MaterialId, OperatorName, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.outcome_codes import OutcomeCode
from schemas.patterns import one_line, some_lines, visible
from schemas.times import TimeOfThisAge

REVIEWS_LIMIT_DEFAULT = 50
REVIEWS_LIMIT_MAX = 200
HELD_DROPS_LIMIT_DEFAULT = 20
HELD_DROPS_LIMIT_MAX = 100
COINS_PER_KG_MAX = 1_000_000

ReviewState = Annotated[
    Literal["open", "released", "rejected", "appealed", "upheld"],
    Field(
        description="open and appealed wait for an operator; after rejected the resident may appeal once, and upheld is"
        " a rejection that stays"
    ),
]
Decided = Literal["released", "rejected"]
EventOutcome = Literal["held", "credited", "unclaimed", "rejected"]
Reason = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(200)),
    Field(description="The resident reads it"),
]


ReviewsState = Literal["waiting", "open", "released", "rejected", "appealed", "upheld"]


class ReviewsQuery(Request):
    state: ReviewsState | None = Field(None, description="waiting: open and appealed together; without, all")
    code: OutcomeCode | None = Field(None, description="Of drops on which this rule acted")
    bin: Annotated[str, StringConstraints(pattern=visible(1, 64))] | None = None
    area: Annotated[str, StringConstraints(pattern=visible(1, 64))] | None = Field(
        None, description="An area and all below it"
    )
    limit: Annotated[int, Field(ge=1, le=REVIEWS_LIMIT_MAX)] = REVIEWS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class ReleaseRequest(Request):
    """Let the drop count: as volume, and its coins to its resident."""

    reason: Reason
    placed_at: TimeOfThisAge | None = Field(
        None,
        description="When the drop was weighed, where the bin's clock was wrong: its volume is of that day, its coins"
        " are of the tariff of that time. Without, the event's own time",
    )
    coins_per_kg: Annotated[int, Field(strict=True, ge=0, le=COINS_PER_KG_MAX)] | None = Field(
        None, description="Where no tariff was in force at that time, and only there"
    )


class RejectRequest(Request):
    """Let the drop count nowhere."""

    reason: Reason


class ReviewSite(Answer):
    id: str
    name: str
    name_en: str


class ReviewItem(Answer):
    """A drop that a rule held."""

    id: UUID
    state: ReviewState
    codes: list[str] = Field(description="The rules that acted; the first is the event's code")
    bin_id: str
    event_id: str
    site: ReviewSite = Field(description="Where the bin stood")
    material: MaterialId
    weight_grams: int
    coins: int | None = Field(description="What it earned, or would earn; null where no tariff was in force")
    outcome: EventOutcome
    resident_id: int | None = Field(description="Whose card was shown; null where it is nobody's yet")
    occurred_at: AwareDatetime = Field(description="By the bin's clock")
    held_at: AwareDatetime
    appealed_at: AwareDatetime | None


class Reviews(Answer):
    """Oldest first."""

    reviews: list[ReviewItem]
    next_cursor: NextMomentCursor


class Finding(Answer):
    """A rule that acted, in words, and the figures that it tells."""

    code: str
    sentence: str = Field(description="In Chinese")
    sentence_en: str
    figures: dict[str, int]


class Neighbour(Answer):
    """What happened to the same box shortly before or after."""

    kind: Literal["drop", "emptying"]
    event_id: str
    sequence: int
    occurred_at: AwareDatetime
    weight_grams: int = Field(description="Into the box; of an emptying less than 0")
    box_weight_grams: int | None = Field(
        description="What the box weighed then; null where the bin has no scale for it"
    )
    outcome: str | None = Field(description="Null for an emptying")
    code: str | None


class AccountDay(Answer):
    """What the account was credited for on the business day of the drop, this drop included once it is credited."""

    resident_id: int
    kind: Literal["resident", "trader"]
    day: date
    drops: int
    weight_grams: int
    coins: int


class ReviewBin(Answer):
    """The bin as it is known now; what the event says of its clock is beside it."""

    id: str
    model: str | None
    state: str
    site: ReviewSite = Field(description="Where it stands now")
    placed_at: AwareDatetime = Field(description="Since when")
    verification_interval_grams: int
    capacity_grams: int
    box_capacity_grams: int
    certificate_expires_on: date | None
    serviced_at: AwareDatetime | None


class Decision(Answer):
    """What an operator decided; of a release also when and where the drop counts, and what it earned."""

    decision: Decided
    reason: str
    decided_by: OperatorName
    decided_at: AwareDatetime
    placed_at: AwareDatetime | None
    site_id: str | None
    coins_per_kg: int | None
    coins: int | None


class Review(ReviewItem):
    """All that is known of a held drop. No card and no name."""

    findings: list[Finding]
    sequence: int
    box_weight_grams: int | None
    coins_per_kg: int | None = Field(description="The tariff at the event's own time; null where none was in force")
    received_at: AwareDatetime
    clock_skew_seconds: int | None = Field(
        description="How far the bin's clock was behind the service's when it signed; less than 0: ahead"
    )
    bin: ReviewBin
    before: list[Neighbour] = Field(description="The latest first")
    after: list[Neighbour] = Field(description="The earliest first")
    day: AccountDay | None = Field(description="Null where the drop is nobody's yet")
    appeal: str | None = Field(description="What the resident wrote; personal")
    decisions: list[Decision]


class HeldDropsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=HELD_DROPS_LIMIT_MAX)] = HELD_DROPS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class AppealRequest(Request):
    """Why the drop was right."""

    text: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, pattern=some_lines(1000))] = Field(
        description="An operator reads it, and nobody else. Name nobody in it"
    )


class HeldReason(Answer):
    """Why, in plain words."""

    code: str
    sentence: str = Field(description="In Chinese")
    sentence_en: str


class HeldDropDecision(Answer):
    decision: Decided
    reason: str
    decided_at: AwareDatetime


class HeldDrop(Answer):
    """A drop of the resident's that was held."""

    id: UUID
    state: ReviewState
    reasons: list[HeldReason]
    site: ReviewSite
    material: MaterialId
    weight_grams: int
    coins: int | None = Field(description="What it earned, or would earn; null where that is not known yet")
    occurred_at: AwareDatetime = Field(description="By the bin's clock, or as an operator has put it right")
    held_at: AwareDatetime
    decision: HeldDropDecision | None = Field(description="The latest")
    appealed_at: AwareDatetime | None
    may_appeal: bool


class HeldDrops(Answer):
    """Newest first."""

    held_drops: list[HeldDrop]
    next_cursor: NextMomentCursor
