"""Adjustments on the wire: an operator's correction of a wallet, and a second operator's decision on it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, Coins, OperatorName, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.patterns import one_line

ADJUSTMENTS_LIMIT_DEFAULT = 50
ADJUSTMENTS_LIMIT_MAX = 200

RowId = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
Words = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(200))]
Direction = Annotated[
    Literal["credit", "debit"], Field(description="credit: coins to the resident; debit: coins from them")
]
AdjustmentState = Literal["waiting", "approved", "rejected"]


class AdjustmentRequest(Request):
    """A correction. It changes nothing until another operator approves it."""

    resident_id: RowId
    direction: Direction
    coins: Coins
    reason: Words = Field(description="The resident reads it on their statement")
    reference: Words = Field(
        description="What is corrected, for whoever looks it up: a case, a complaint, a weigh event"
    )
    corrects_id: RowId | None = Field(None, description="The transfer of this resident that is corrected, if it is one")


class ApproveAdjustmentRequest(Request):
    """Nothing to say: the coins move."""


class RejectAdjustmentRequest(Request):
    """Why not. Whoever requested it withdraws it that way."""

    reason: Words


class AdjustmentsQuery(Request):
    state: AdjustmentState | None = None
    limit: Annotated[int, Field(ge=1, le=ADJUSTMENTS_LIMIT_MAX)] = ADJUSTMENTS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class Adjustment(Answer):
    """What was requested, by whom, and what another operator decided."""

    id: UUID
    resident_id: int
    direction: Direction
    coins: Coins
    reason: str
    reference: str
    corrects_id: int | None
    corrects_coins: int | None = Field(
        description="What the transfer that is corrected moved: more than 0 to the resident, less than 0 from them"
    )
    earlier_corrections_coins: int | None = Field(
        description="What other corrections of that transfer have moved before this one, all together"
    )
    state: AdjustmentState
    requested_by: OperatorName
    created_at: AwareDatetime
    decided_by: OperatorName | None
    decided_at: AwareDatetime | None
    decision_reason: str | None = Field(description="Why it was rejected")
    transfer_id: int | None = Field(description="The transfer that moved the coins; null unless approved")


class Adjustments(Answer):
    """Newest first."""

    adjustments: list[Adjustment]
    next_cursor: NextMomentCursor
