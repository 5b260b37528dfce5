"""The life of a redemption and of a coin: holds, refunds, offers, limits, expiry, adjustments, settlement, webhooks."""

import sqlalchemy as sa
from alembic import op

from service.operator_names import plain_name

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What the application may do beyond SELECT. What became of a hold, what was settled and what was sent can only be added.
PRIVILEGES = {
    "adjustment": "INSERT, UPDATE (decision, decided_by, decided_at, decision_reason)",
    "coin_life": "INSERT",
    "expiry_position": "UPDATE",
    "hold": "INSERT, DELETE",
    "hold_resolution": "INSERT",
    "machine_key": "INSERT, UPDATE (valid_until)",
    "merchant": "UPDATE (site_id, hold_seconds, capture_grace_seconds)",
    "merchant_day": "INSERT, UPDATE (coins)",
    "merchant_rate": "INSERT",
    "offer": "INSERT, UPDATE (title, title_en, unit, unit_en, coins, valid_until, resident_day_max, stock_added, stock_taken)",
    "settlement_line": "INSERT",
    "settlement_statement": "INSERT",
    "settlement_uncovered": "INSERT",
    "site": "UPDATE (latitude, longitude)",
    "spending_limit": "INSERT",
    "uncovered_capture": "INSERT",
    "webhook_attempt": "INSERT",
    "webhook_delivery": "INSERT, UPDATE (state, attempts, next_attempt_at, settled_at)",
    "webhook_endpoint": "INSERT, UPDATE (secret, disabled_at, disabled_because)",
    # What is deleted takes its deliveries and attempts along.
    "webhook_message": "INSERT, DELETE",
}


def upgrade() -> None:
    alter_places()
    alter_merchants()
    alter_api_keys()
    alter_redemptions()
    alter_transfers()
    create_ledger()
    create_adjustments()
    create_redemption()
    create_limits()
    create_settlement()
    create_settlement_lines()
    create_webhooks()
    create_webhook_deliveries()
    op.execute("INSERT INTO expiry_position (id, owner_id, pass_began_at) VALUES (1, 9223372036854775807, '-infinity')")
    names = ", ".join(PRIVILEGES)
    op.execute(f"GRANT SELECT ON {names} TO tanbi_app")
    for table, privileges in PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: it would drop what became of coins. Restore a backup instead."
    )


def alter_places() -> None:
    op.add_column("site", sa.Column("latitude", sa.Double(), nullable=True))
    op.add_column("site", sa.Column("longitude", sa.Double(), nullable=True))
    op.create_check_constraint(
        op.f("ck_site_position"),
        "site",
        "(latitude IS NULL) = (longitude IS NULL) AND (latitude IS NULL OR latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)",
    )


def alter_merchants() -> None:
    op.add_column("merchant", sa.Column("site_id", sa.Text(), nullable=True))
    op.add_column("merchant", sa.Column("hold_seconds", sa.Integer(), server_default=sa.text("120"), nullable=False))
    op.add_column(
        "merchant", sa.Column("capture_grace_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(op.f("ix_merchant_site_id"), "merchant", ["site_id"], unique=False)
    op.create_foreign_key(op.f("fk_merchant_site_id_site"), "merchant", "site", ["site_id"], ["id"])
    op.create_check_constraint(op.f("ck_merchant_hold_seconds"), "merchant", "hold_seconds BETWEEN 1 AND 86400")
    op.create_check_constraint(
        op.f("ck_merchant_capture_grace_seconds"), "merchant", "capture_grace_seconds BETWEEN 0 AND 2592000"
    )


def alter_api_keys() -> None:
    # A machine signs now, as bins do: its API key would become its merchant's when the column goes.
    op.execute("UPDATE api_key SET revoked_at = now() WHERE machine_id IS NOT NULL AND revoked_at IS NULL")
    op.drop_index(op.f("ix_api_key_machine_id"), table_name="api_key")
    op.drop_constraint(op.f("fk_api_key_machine_id_machine"), "api_key", type_="foreignkey")
    op.drop_column("api_key", "machine_id")
    op.add_column("api_key", sa.Column("plain_name", sa.Text(), nullable=True))
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, name FROM api_key")).all():
        connection.execute(
            sa.text("UPDATE api_key SET plain_name = :plain_name WHERE id = :id"),
            {"id": row.id, "plain_name": plain_name(row.name)},
        )
    op.alter_column("api_key", "plain_name", nullable=False)
    op.drop_constraint(op.f("uq_machine_id_merchant_id"), "machine", type_="unique")


def alter_redemptions() -> None:
    op.add_column("redemption", sa.Column("offer_id", sa.Text(), nullable=True))
    op.add_column("redemption", sa.Column("from_stock", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("redemption", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_redemption_owner_id_created_at"), "redemption", ["owner_id", "created_at"], unique=False)
    op.create_index(
        op.f("ix_redemption_merchant_id_created_at"), "redemption", ["merchant_id", "created_at"], unique=False
    )
    # It was never anything but `captured`.
    op.drop_column("redemption", "state")
    op.create_check_constraint(op.f("ck_redemption_stock"), "redemption", "offer_id IS NOT NULL OR NOT from_stock")


def alter_transfers() -> None:
    op.add_column("transfer", sa.Column("adjustment_id", sa.Uuid(), nullable=True))
    op.add_column("transfer", sa.Column("requested_by", sa.Uuid(), nullable=True))
    op.add_column("transfer", sa.Column("approved_by", sa.Uuid(), nullable=True))
    op.drop_constraint(op.f("ck_transfer_cause"), "transfer")
    op.create_check_constraint(
        op.f("ck_transfer_weighed"),
        "transfer",
        "num_nonnulls(bin_id, event_id) = CASE kind WHEN 'credit' THEN 2 ELSE 0 END",
    )
    op.create_check_constraint(
        op.f("ck_transfer_cause"),
        "transfer",
        "CASE kind WHEN 'credit' THEN num_nonnulls(redemption_id, reverses_id, adjustment_id) = 0 WHEN 'redemption' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0 WHEN 'refund' THEN num_nonnulls(redemption_id, reverses_id) = 2 AND num_nonnulls(bin_id, adjustment_id) = 0 WHEN 'cover' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0 WHEN 'cover_refund' THEN num_nonnulls(redemption_id, reverses_id) = 2 AND num_nonnulls(bin_id, adjustment_id) = 0 WHEN 'expiry' THEN reverses_id IS NOT NULL AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0 WHEN 'adjustment' THEN num_nonnulls(adjustment_id, reason) = 2 AND num_nonnulls(bin_id, redemption_id) = 0 WHEN 'reversal' THEN num_nonnulls(reverses_id, reason) = 2 AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0 ELSE false END",
    )
    op.create_check_constraint(
        op.f("ck_transfer_operators"),
        "transfer",
        "CASE WHEN kind = 'adjustment' THEN coalesce(requested_by <> approved_by, false) ELSE num_nonnulls(requested_by, approved_by) = 0 END",
    )
    op.create_index(
        "ix_transfer_given_back",
        "transfer",
        ["debit_account_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'refund'"),
    )
    op.create_index(
        "ix_transfer_refund",
        "transfer",
        ["owner_id", "redemption_id"],
        unique=False,
        postgresql_where=sa.text("kind = 'refund'"),
    )
    op.create_index(
        "ix_transfer_taken",
        "transfer",
        ["credit_account_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'redemption'"),
    )
    op.create_index(
        "uq_transfer_adjustment",
        "transfer",
        ["owner_id", "adjustment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'adjustment'"),
    )
    op.create_index(
        "uq_transfer_cover",
        "transfer",
        ["owner_id", "redemption_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'cover'"),
    )
    op.create_index(
        "uq_transfer_expiry",
        "transfer",
        ["owner_id", "reverses_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'expiry'"),
    )
    op.create_index(
        "uq_transfer_redemption",
        "transfer",
        ["owner_id", "redemption_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'redemption'"),
    )


def create_ledger() -> None:
    op.create_table(
        "hold",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("coins > 0", name=op.f("ck_hold_coins")),
        sa.CheckConstraint("expires_at > held_at", name=op.f("ck_hold_life")),
        sa.PrimaryKeyConstraint("owner_id", "redemption_id", name=op.f("pk_hold")),
    )
    op.create_index(op.f("ix_hold_expires_at"), "hold", ["expires_at"], unique=False)
    op.create_table(
        "hold_resolution",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("captured_coins", sa.BigInteger(), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(outcome = 'captured') = (captured_coins > 0)", name=op.f("ck_hold_resolution_captured")),
        sa.CheckConstraint("(outcome = 'expired') = (resolved_at >= expires_at)", name=op.f("ck_hold_resolution_time")),
        sa.CheckConstraint("outcome IN ('captured', 'voided', 'expired')", name=op.f("ck_hold_resolution_outcome")),
        sa.CheckConstraint("coins > 0 AND captured_coins BETWEEN 0 AND coins", name=op.f("ck_hold_resolution_coins")),
        sa.PrimaryKeyConstraint("owner_id", "redemption_id", name=op.f("pk_hold_resolution")),
    )
    op.create_table(
        "coin_life",
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("months", sa.SmallInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("months BETWEEN 1 AND 1200", name=op.f("ck_coin_life_months")),
        sa.PrimaryKeyConstraint("effective_from", name=op.f("pk_coin_life")),
    )
    op.create_table(
        "expiry_position",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("pass_began_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_expiry_position_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_expiry_position")),
    )


def create_adjustments() -> None:
    op.create_table(
        "adjustment",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("decided_by <> requested_by OR decision = 'rejected'", name=op.f("ck_adjustment_operators")),
        sa.CheckConstraint("decision IN ('approved', 'rejected')", name=op.f("ck_adjustment_decision")),
        sa.CheckConstraint("direction IN ('credit', 'debit')", name=op.f("ck_adjustment_direction")),
        sa.CheckConstraint("coins > 0", name=op.f("ck_adjustment_coins")),
        sa.CheckConstraint(
            "num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name=op.f("ck_adjustment_decided")
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_adjustment")),
    )
    op.create_index("ix_adjustment_id", "adjustment", ["id"], unique=False)
    op.create_index("ix_adjustment_created_at_id", "adjustment", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_adjustment_waiting",
        "adjustment",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("decision IS NULL"),
    )


def create_redemption() -> None:
    op.create_table(
        "machine_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name=op.f("ck_machine_key_algorithm")),
        sa.ForeignKeyConstraint(["machine_id"], ["machine.id"], name=op.f("fk_machine_key_machine_id_machine")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_key")),
    )
    op.create_index(op.f("ix_machine_key_machine_id"), "machine_key", ["machine_id"], unique=False)
    op.create_table(
        "offer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("machine_kind", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("unit_en", sa.Text(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resident_day_max", sa.Integer(), nullable=True),
        sa.Column("stock_added", sa.BigInteger(), nullable=True),
        sa.Column("stock_taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("machine_kind IN ('water', 'detergent')", name=op.f("ck_offer_machine_kind")),
        sa.CheckConstraint("coins > 0", name=op.f("ck_offer_coins")),
        sa.CheckConstraint("resident_day_max > 0", name=op.f("ck_offer_resident_day_max")),
        sa.CheckConstraint("stock_taken BETWEEN 0 AND coalesce(stock_added, 0)", name=op.f("ck_offer_stock")),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_offer_validity")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_offer_merchant_id_merchant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(op.f("ix_offer_merchant_id"), "offer", ["merchant_id"], unique=False)


def create_limits() -> None:
    op.create_table(
        "spending_limit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=True),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind <> 'resident_day' OR merchant_id IS NULL", name=op.f("ck_spending_limit_resident_day")
        ),
        sa.CheckConstraint(
            "kind IN ('redemption', 'resident_day', 'merchant_day')", name=op.f("ck_spending_limit_kind")
        ),
        sa.CheckConstraint("coins >= 0", name=op.f("ck_spending_limit_coins")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_spending_limit_merchant_id_merchant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spending_limit")),
    )
    op.create_table(
        "merchant_day",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("coins >= 0", name=op.f("ck_merchant_day_coins")),
        sa.PrimaryKeyConstraint("merchant_id", "day", name=op.f("pk_merchant_day")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "uncovered_capture",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.Text(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("coins > 0", name=op.f("ck_uncovered_capture_coins")),
        sa.PrimaryKeyConstraint("owner_id", "redemption_id", name=op.f("pk_uncovered_capture")),
    )
    op.create_index(
        op.f("ix_uncovered_capture_merchant_id_received_at"),
        "uncovered_capture",
        ["merchant_id", "received_at"],
        unique=False,
    )


def create_settlement() -> None:
    op.create_table(
        "merchant_rate",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fen_per_1000_coins", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("fen_per_1000_coins >= 0", name=op.f("ck_merchant_rate_fen_per_1000_coins")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_merchant_rate_merchant_id_merchant")),
        sa.PrimaryKeyConstraint("merchant_id", "effective_from", name=op.f("pk_merchant_rate")),
    )
    op.create_table(
        "settlement_statement",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("captures", sa.BigInteger(), nullable=False),
        sa.Column("captured_coins", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.BigInteger(), nullable=False),
        sa.Column("refunded_coins", sa.BigInteger(), nullable=False),
        sa.Column("net_coins", sa.BigInteger(), nullable=False),
        sa.Column("payable_fen", sa.BigInteger(), nullable=False),
        sa.Column("uncovered_coins", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "captures >= 0 AND captured_coins >= 0 AND refunds >= 0 AND refunded_coins >= 0",
            name=op.f("ck_settlement_statement_sums"),
        ),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_settlement_statement_month")),
        sa.CheckConstraint(
            "net_coins = captured_coins - refunded_coins", name=op.f("ck_settlement_statement_net_coins")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_settlement_statement_merchant_id_merchant")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_settlement_statement")),
        sa.UniqueConstraint("merchant_id", "month", name=op.f("uq_settlement_statement_merchant_id_month")),
    )


def create_settlement_lines() -> None:
    op.create_table(
        "settlement_line",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("statement_number", sa.Text(), nullable=False),
        sa.Column("fen_per_1000_coins", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_number"],
            ["settlement_statement.number"],
            name=op.f("fk_settlement_line_statement_number_settlement_statement"),
        ),
        sa.PrimaryKeyConstraint("owner_id", "transfer_id", name=op.f("pk_settlement_line")),
    )
    op.create_index(
        op.f("ix_settlement_line_statement_number_transfer_id"),
        "settlement_line",
        ["statement_number", "transfer_id"],
        unique=False,
    )
    op.create_table(
        "settlement_uncovered",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("statement_number", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_number"],
            ["settlement_statement.number"],
            name=op.f("fk_settlement_uncovered_statement_number_settlement_statement"),
        ),
        sa.PrimaryKeyConstraint("owner_id", "redemption_id", name=op.f("pk_settlement_uncovered")),
    )
    op.create_index(
        op.f("ix_settlement_uncovered_statement_number"), "settlement_uncovered", ["statement_number"], unique=False
    )


def create_webhooks() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_because IS NULL)", name=op.f("ck_webhook_endpoint_disabled")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_webhook_endpoint_merchant_id_merchant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_index(op.f("ix_webhook_endpoint_merchant_id"), "webhook_endpoint", ["merchant_id"], unique=False)
    op.create_index(
        "uq_webhook_endpoint_url",
        "webhook_endpoint",
        ["merchant_id", "url"],
        unique=True,
        postgresql_where=sa.text("disabled_at IS NULL"),
    )
    op.create_table(
        "webhook_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_message")),
    )
    op.create_index(op.f("ix_webhook_message_created_at"), "webhook_message", ["created_at"], unique=False)
    op.create_index(
        op.f("ix_webhook_message_merchant_id_number"),
        "webhook_message",
        ["merchant_id", "number"],
        unique=False,
    )


def create_webhook_deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name=op.f("ck_webhook_delivery_settled")),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_delivery_state")),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["webhook_message.id"],
            name=op.f("fk_webhook_delivery_message_id_webhook_message"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", "endpoint_id", name=op.f("pk_webhook_delivery")),
    )
    op.create_index(
        "ix_webhook_delivery_waiting",
        "webhook_delivery",
        ["endpoint_id", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("num_nonnulls(status, error) = 1", name=op.f("ck_webhook_attempt_answer")),
        sa.ForeignKeyConstraint(
            ["message_id", "endpoint_id"],
            ["webhook_delivery.message_id", "webhook_delivery.endpoint_id"],
            name=op.f("fk_webhook_attempt_message_id_webhook_delivery"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempt")),
    )
    op.create_index(
        op.f("ix_webhook_attempt_message_id_endpoint_id"),
        "webhook_attempt",
        ["message_id", "endpoint_id"],
        unique=False,
    )
