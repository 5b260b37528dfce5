"""Tables of wallets and of every transfer of coins."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, SmallInteger, Table, Text, Uuid, text

from service.tables.columns import CURRENT_XID, Instant, created_at, metadata

wallet = Table(
    "wallet",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("posted", BigInteger, nullable=False, server_default=text("0")),
    Column("held", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("held >= 0", name="held"),
    CheckConstraint("posted >= held", name="available"),
    # Room on each page for the new version of a row: an update of a balance then touches no index.
    postgresql_with={"fillfactor": 70},
)

transfer = Table(
    "transfer",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("debit_account_id", BigInteger, nullable=False),
    Column("credit_account_id", BigInteger, nullable=False),
    Column("coins", BigInteger, nullable=False),
    # What moved the coins, by kind; see the constraint `cause`.
    Column("bin_id", Text(collation="C")),
    Column("event_id", Text(collation="C")),
    Column("redemption_id", Uuid),
    # The transfer that this one undoes, in whole or in part: a refund's capture, a cover, an expiry's lot, what was
    # corrected.
    Column("reverses_id", BigInteger),
    Column("reason", Text),
    Column("adjustment_id", Uuid),
    # API keys of the two operators of an adjustment.
    Column("requested_by", Uuid),
    Column("approved_by", Uuid),
    created_at(),
    Column("xid", BigInteger, nullable=False, server_default=CURRENT_XID, index=True),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("debit_account_id <> credit_account_id", name="accounts"),
    CheckConstraint("owner_id IN (debit_account_id, credit_account_id)", name="owner"),
    CheckConstraint("num_nonnulls(bin_id, event_id) = CASE kind WHEN 'credit' THEN 2 ELSE 0 END", name="weighed"),
    CheckConstraint(
        "CASE kind"
        " WHEN 'credit' THEN num_nonnulls(redemption_id, reverses_id, adjustment_id) = 0"
        " WHEN 'redemption' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0"
        " WHEN 'refund' THEN num_nonnulls(redemption_id, reverses_id) = 2 AND num_nonnulls(bin_id, adjustment_id) = 0"
        # The scheme makes up what a late capture no longer found in the wallet, and has it back when that is refunded.
        " WHEN 'cover' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0"
        " WHEN 'cover_refund' THEN num_nonnulls(redemption_id, reverses_id) = 2"
        " AND num_nonnulls(bin_id, adjustment_id) = 0"
        " WHEN 'expiry' THEN reverses_id IS NOT NULL AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0"
        " WHEN 'adjustment' THEN num_nonnulls(adjustment_id, reason) = 2 AND num_nonnulls(bin_id, redemption_id) = 0"
        # Not written any more: adjustments took its place.
        " WHEN 'reversal' THEN num_nonnulls(reverses_id, reason) = 2"
        " AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0"
        " ELSE false END",
        name="cause",
    ),
    # Both names stay on the transfer, and nobody approves their own.
    CheckConstraint(
        "CASE WHEN kind = 'adjustment' THEN coalesce(requested_by <> approved_by, false)"
        " ELSE num_nonnulls(requested_by, approved_by) = 0 END",
        name="operators",
    ),
    Index("uq_transfer_reverses", "owner_id", "reverses_id", unique=True, postgresql_where=text("kind = 'reversal'")),
    # A redemption is captured once and covered once, a lot expires once, an adjustment is posted once.
    Index(
        "uq_transfer_redemption", "owner_id", "redemption_id", unique=True, postgresql_where=text("kind = 'redemption'")
    ),
    Index("uq_transfer_cover", "owner_id", "redemption_id", unique=True, postgresql_where=text("kind = 'cover'")),
    Index("uq_transfer_expiry", "owner_id", "reverses_id", unique=True, postgresql_where=text("kind = 'expiry'")),
    Index(
        "uq_transfer_adjustment", "owner_id", "adjustment_id", unique=True, postgresql_where=text("kind = 'adjustment'")
    ),
    Index("ix_transfer_refund", "owner_id", "redemption_id", postgresql_where=text("kind = 'refund'")),
    # What a merchant took and gave back, for its settlement.
    Index("ix_transfer_taken", "credit_account_id", "created_at", postgresql_where=text("kind = 'redemption'")),
    Index("ix_transfer_given_back", "debit_account_id", "created_at", postgresql_where=text("kind = 'refund'")),
)

# Coins set aside: a row is here while its hold is open. It is deleted by the statement that writes its resolution.
hold = Table(
    "hold",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("coins", BigInteger, nullable=False),
    Column("held_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("expires_at > held_at", name="life"),
)

# What became of a hold, for ever: the primary key lets that be said once.
hold_resolution = Table(
    "hold_resolution",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("captured_coins", BigInteger, nullable=False),
    Column("held_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("resolved_at", Instant, nullable=False),
    CheckConstraint("outcome IN ('captured', 'voided', 'expired')", name="outcome"),
    CheckConstraint("coins > 0 AND captured_coins BETWEEN 0 AND coins", name="coins"),
    CheckConstraint("(outcome = 'captured') = (captured_coins > 0)", name="captured"),
    # A hold that expires frees its coins at its time, whoever writes that down later.
    CheckConstraint("(outcome = 'expired') = (resolved_at >= expires_at)", name="time"),
)

# Coins that are earned while a row is the newest in force expire after so many months, at the end of the business day;
# never, where `months` is null.
coin_life = Table(
    "coin_life",
    metadata,
    Column("effective_from", Instant, primary_key=True),
    Column("months", SmallInteger),
    created_at(),
    CheckConstraint("months BETWEEN 1 AND 1200", name="months"),
)

# How far the worker that posts expiries has come in its present pass over the wallets; the highest number, where none
# is under way.
expiry_position = Table(
    "expiry_position",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("pass_began_at", Instant, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

adjustment = Table(
    "adjustment",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, primary_key=True),
    Column("direction", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    # What it corrects: in words (a case, a weigh event), and the transfer where it is one of this wallet.
    Column("reference", Text, nullable=False),
    Column("corrects_id", BigInteger),
    Column("requested_by", Uuid, nullable=False),
    created_at(),
    Column("decision", Text),
    Column("decided_by", Uuid),
    Column("decided_at", Instant),
    Column("decision_reason", Text),
    CheckConstraint("direction IN ('credit', 'debit')", name="direction"),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("decision IN ('approved', 'rejected')", name="decision"),
    CheckConstraint("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decided"),
    CheckConstraint("decided_by <> requested_by OR decision = 'rejected'", name="operators"),
    Index("ix_adjustment_id", "id"),
    # As they are listed, page by page.
    Index("ix_adjustment_created_at_id", "created_at", "id"),
    Index("ix_adjustment_waiting", "created_at", postgresql_where=text("decision IS NULL")),
)
