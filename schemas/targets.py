"""Targets of the recycling rate by year: set by an operator, superseded and never overwritten."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.common import Answer, Request
from schemas.cursors import Cursor, NextCursor
from schemas.indicator_inputs import AreaId
from schemas.patterns import one_line

TARGETS_LIMIT_DEFAULT = 50
TARGETS_LIMIT_MAX = 200
PER_MILLE_MAX = 1000

TargetYear = Annotated[int, Field(ge=2000, le=2100)]
PerMille = Annotated[
    int, Field(strict=True, ge=0, le=PER_MILLE_MAX, description="Thousandths, exact: 385 is 38.5 per cent")
]


class NewTarget(Request):
    """A year's target of an area. The same area and year again supersedes what was set before; with `withdraw` the year
    has no target of its own any more."""

    area: AreaId
    year: Annotated[int, Field(strict=True, ge=2000, le=2100)]
    rate_per_mille: PerMille | None = None
    withdraw: bool = False
    reason: Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(200))] | None = Field(
        None, description="By which plan or decision"
    )

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if (self.rate_per_mille is not None) + self.withdraw != 1:
            raise ValueError("give exactly one of rate_per_mille, and withdraw: true")
        return self


class SetTarget(Answer):
    """One version of a target; none is ever changed or deleted. What is published names the target of its own time."""

    id: int
    area: str
    year: int
    version: int = Field(description="From 1 on; the highest counts")
    superseded: bool = Field(description="A later version counts instead of this one")
    rate_per_mille: int | None = Field(description="Null where the target is withdrawn")
    withdrawn: bool
    reason: str | None
    set_by: str | None = Field(description="The name on the API key; null of what was set before it was kept")
    set_at: AwareDatetime | None


class TargetReceipt(SetTarget):
    """The version that counts now, and what the request has done to it."""

    effect: Literal["new", "correction", "unchanged", "withdrawal"]
    before_per_mille: int | None = Field(description="What counted until now; null where nothing did")
    published: list[int] = Field(
        description="Numbers of what is published of the area in this year and not restated: each keeps its own target"
    )


class TargetsQuery(Request):
    area: AreaId | None = Field(None, description="Targets of just this area")
    year: TargetYear | None = None
    history: bool = Field(False, description="Every version; else the latest of each, without those withdrawn")
    limit: Annotated[int, Field(ge=1, le=TARGETS_LIMIT_MAX)] = TARGETS_LIMIT_DEFAULT
    cursor: Cursor | None = None


class SetTargets(Answer):
    """The last that was set first."""

    targets: list[SetTarget]
    next_cursor: NextCursor
