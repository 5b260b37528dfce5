"""Tables of what merchants are paid."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)

from service.tables.columns import Instant, metadata

settlement_statement = Table(
    "settlement_statement",
    metadata,
    Column("number", Text, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False),
    # The first day of the month that it closes.
    Column("month", Date, nullable=False),
    Column("captures", BigInteger, nullable=False),
    Column("captured_coins", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("refunded_coins", BigInteger, nullable=False),
    Column("net_coins", BigInteger, nullable=False),
    Column("payable_fen", BigInteger, nullable=False),
    # Late captures that nobody pays for: told, not counted.
    Column("uncovered_coins", BigInteger, nullable=False),
    Column("issued_at", Instant, nullable=False, server_default=func.now()),
    UniqueConstraint("merchant_id", "month"),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    CheckConstraint("net_coins = captured_coins - refunded_coins", name="net_coins"),
    CheckConstraint("captures >= 0 AND captured_coins >= 0 AND refunds >= 0 AND refunded_coins >= 0", name="sums"),
)

# Which transfers a statement is made of: each is settled once, so what comes late is on the next one.
settlement_line = Table(
    "settlement_line",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("transfer_id", BigInteger, primary_key=True, autoincrement=False),
    Column("statement_number", Text, ForeignKey("settlement_statement.number"), nullable=False),
    # In force when the coins were captured; a refund is settled at its capture's.
    Column("fen_per_1000_coins", Integer, nullable=False),
    Index(None, "statement_number", "transfer_id"),
)

# Which captures that came too late a statement tells of: each is told once.
settlement_uncovered = Table(
    "settlement_uncovered",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("statement_number", Text, ForeignKey("settlement_statement.number"), nullable=False, index=True),
)
