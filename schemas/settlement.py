"""Settlement statements on the wire, and the report of coins outstanding."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from schemas.common import Answer, MerchantId, OfferId, Request
from schemas.cursors import Cursor, NextCursor, NextStatementCursor, StatementCursor
from schemas.patterns import MONTH

STATEMENTS_LIMIT_MAX = 100
LINES_LIMIT_MAX = 1000

MonthText = Annotated[str, StringConstraints(pattern=MONTH), Field(description="Such as 2026-11")]


class _Query(Request):
    model_config = ConfigDict(extra="ignore", frozen=True)


class StatementsQuery(_Query):
    cursor: StatementCursor | None = None
    limit: int = Field(20, ge=1, le=STATEMENTS_LIMIT_MAX)


class AllStatementsQuery(StatementsQuery):
    month: MonthText | None = None
    merchant_id: MerchantId | None = None


class LinesQuery(_Query):
    cursor: Cursor | None = None
    limit: int = Field(100, ge=1, le=LINES_LIMIT_MAX)


class StatementSummary(Answer):
    """One closed month of one merchant; it never changes."""

    number: str
    merchant_id: MerchantId
    month: MonthText
    captures: int
    captured_coins: int
    refunds: int
    refunded_coins: int
    net_coins: int = Field(description="captured_coins − refunded_coins; less than 0 where more was given back")
    payable_fen: int = Field(description="At the agreed rates, rounded once towards zero; below 0 the merchant owes")
    uncovered_coins: int = Field(description="Captures that came after the grace: the merchant bears them, not counted")
    issued_at: datetime


class Statements(Answer):
    statements: list[StatementSummary]
    next_cursor: NextStatementCursor


class StatementDay(Answer):
    day: date = Field(description="Business day")
    captured_coins: int
    refunded_coins: int
    net_coins: int


class Statement(StatementSummary):
    merchant_name: str
    days: list[StatementDay]


class StatementLine(Answer):
    """A capture or a refund; never who the resident is."""

    at: datetime
    kind: Literal["capture", "refund"]
    redemption_id: UUID | None
    coins: int
    fen_per_1000_coins: int
    offer_id: OfferId | None
    machine_id: str | None


class StatementLines(Answer):
    lines: list[StatementLine]
    next_cursor: NextCursor


class CoinsQuery(_Query):
    """Both months are included; those that have not begun are left out."""

    first: MonthText = Field(alias="from")
    last: MonthText = Field(alias="to")


class CoinsMonth(Answer):
    """outstanding_coins = those of the month before + issued + adjusted in − redeemed − expired − adjusted out."""

    month: MonthText
    issued_coins: int = Field(
        description="Credits of weigh events, and what the scheme covered of late captures less what it had back"
    )
    redeemed_coins: int = Field(description="Captures less refunds")
    expired_coins: int
    adjusted_in_coins: int
    adjusted_out_coins: int
    outstanding_coins: int = Field(description="In all wallets at the month's end, or now where it is not over")
    held_coins: int = Field(description="Of these, set aside at that moment")


class CoinsOutstanding(Answer):
    months: list[CoinsMonth]

    @classmethod
    def of(cls, months: list[dict[str, Any]]) -> "CoinsOutstanding":
        return cls(months=[CoinsMonth(**month) for month in months])
