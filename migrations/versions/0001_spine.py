"""The spine: places, people, weighing, ledger, redemption, indicator, and what the service's role may do to them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What the application may do beyond SELECT. Transfers can only be added: no UPDATE, DELETE or TRUNCATE on them.
PRIVILEGES = {
    "account": "INSERT",
    "api_key": "INSERT, UPDATE (revoked_at)",
    "area": "INSERT",
    "bin": "INSERT, UPDATE (state)",
    "bin_key": "INSERT, UPDATE (valid_until)",
    "carbon_factor": "INSERT",
    "coin_volume": "INSERT, UPDATE",
    "credential": "INSERT",
    "fold_position": "UPDATE",
    "idempotency_key": "INSERT",
    "indicator_input": "INSERT",
    "machine": "INSERT",
    "material": "INSERT",
    "merchant": "INSERT",
    "pay_code": "INSERT, UPDATE (digest, expires_at, used_at, created_at), DELETE",
    "redemption": "INSERT",
    "reference_revision": "UPDATE",
    "resident": "INSERT",
    "resident_volume": "INSERT, UPDATE",
    "session": "INSERT, DELETE",
    "site": "INSERT",
    "target": "INSERT",
    "tariff": "INSERT",
    "transfer": "INSERT",
    "volume": "INSERT, UPDATE",
    "wallet": "INSERT, UPDATE (posted, held)",
    "weigh_event": "INSERT, UPDATE (outcome, resident_id, claimed_xid)",
    "weigh_event_conflict": "INSERT",
}


def upgrade() -> None:
    create_tables()
    seed()
    grant()


def seed() -> None:
    op.execute("INSERT INTO account (id, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'issuer')")
    op.execute("SELECT setval(pg_get_serial_sequence('account', 'id'), 1000)")
    op.execute("INSERT INTO reference_revision (id, revision) VALUES (1, 0)")
    op.execute(
        "INSERT INTO fold_position (id, xid, holder, ticked_at)"
        " VALUES (1, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, '', '-infinity')"
    )


def grant() -> None:
    op.execute(
        # Looked for first: an owner without CREATEROLE may not even try, and needs not where the role is there.
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tanbi_app') THEN CREATE ROLE tanbi_app NOLOGIN;"
        " END IF; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute("GRANT USAGE ON SCHEMA public TO tanbi_app")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO tanbi_app")
    for table, privileges in PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError("The first migration is not taken back: it would drop the ledger. Restore a backup instead.")


def create_tables() -> None:
    create_tables_0()
    create_tables_1()
    create_tables_2()
    create_tables_3()
    create_tables_4()
    create_tables_5()
    create_tables_6()
    create_tables_7()


def create_tables_0() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('issuer', 'resident', 'merchant')", name=op.f("ck_account_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "area",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.CheckConstraint("(kind = 'city') = (parent_id IS NULL)", name=op.f("ck_area_parent")),
        sa.CheckConstraint("kind IN ('city', 'district', 'subdistrict', 'community')", name=op.f("ck_area_kind")),
        sa.ForeignKeyConstraint(["parent_id"], ["area.id"], name=op.f("fk_area_parent_id_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_area")),
    )
    op.create_index(op.f("ix_area_parent_id"), "area", ["parent_id"], unique=False)
    op.create_table(
        "coin_volume",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issued_coins", sa.BigInteger(), nullable=False, comment="into wallets"),
        sa.Column("spent_coins", sa.BigInteger(), nullable=False, comment="out of wallets"),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "account_id", name=op.f("pk_coin_volume")),
    )
    op.create_table(
        "fold_position",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imbalance_coins", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("imbalance_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_fold_position_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fold_position")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "material",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_material")),
    )


def create_tables_1() -> None:
    op.create_table(
        "pay_code",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pay_code")),
    )
    op.create_index(op.f("ix_pay_code_expires_at"), "pay_code", ["expires_at"], unique=False)
    op.create_index(
        "uq_pay_code_unused", "pay_code", ["owner_id"], unique=True, postgresql_where=sa.text("used_at IS NULL")
    )
    op.create_table(
        "redemption",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.Text(), nullable=True),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('captured')", name=op.f("ck_redemption_state")),
        sa.CheckConstraint("coins > 0", name=op.f("ck_redemption_coins")),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_redemption")),
    )
    op.create_index("ix_redemption_id", "redemption", ["id"], unique=False)
    op.create_table(
        "reference_revision",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_reference_revision_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_revision")),
    )
    op.create_table(
        "resident_volume",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "material_id", name=op.f("pk_resident_volume")),
        postgresql_with={"fillfactor": 70},
    )


def create_tables_2() -> None:
    op.create_table(
        "transfer",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("debit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("bin_id", sa.Text(collation="C"), nullable=True),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("redemption_id", sa.Uuid(), nullable=True),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'credit' THEN num_nonnulls(bin_id, event_id) = 2 AND num_nonnulls(redemption_id, reverses_id) = 0 WHEN 'redemption' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, event_id, reverses_id) = 0 WHEN 'reversal' THEN num_nonnulls(reverses_id, reason) = 2 AND num_nonnulls(bin_id, event_id, redemption_id) = 0 ELSE false END",
            name=op.f("ck_transfer_cause"),
        ),
        sa.CheckConstraint("coins > 0", name=op.f("ck_transfer_coins")),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name=op.f("ck_transfer_accounts")),
        sa.CheckConstraint("owner_id IN (debit_account_id, credit_account_id)", name=op.f("ck_transfer_owner")),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_transfer")),
    )
    op.create_index(op.f("ix_transfer_xid"), "transfer", ["xid"], unique=False)
    op.create_index(
        "uq_transfer_reverses",
        "transfer",
        ["owner_id", "reverses_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'reversal'"),
    )
    op.create_table(
        "volume",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.Column("drops", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "site_id", "material_id", "source", name=op.f("pk_volume")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "wallet",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("held >= 0", name=op.f("ck_wallet_held")),
        sa.CheckConstraint("posted >= held", name=op.f("ck_wallet_available")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_wallet")),
        postgresql_with={"fillfactor": 70},
    )


def create_tables_3() -> None:
    op.create_table(
        "weigh_event",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("weight_grams", sa.Integer(), nullable=False),
        sa.Column("box_weight_grams", sa.Integer(), nullable=True),
        sa.Column("credential_digest", sa.LargeBinary(), nullable=True),
        sa.Column("resident_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("coins_per_kg", sa.Integer(), nullable=True),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False),
        sa.Column("claimed_xid", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(outcome = 'credited') = (resident_id IS NOT NULL)", name=op.f("ck_weigh_event_resident")),
        sa.CheckConstraint("outcome IN ('credited', 'unclaimed', 'held')", name=op.f("ck_weigh_event_outcome")),
        sa.CheckConstraint(
            "coins = coalesce(weight_grams::bigint * coins_per_kg / 1000, 0)", name=op.f("ck_weigh_event_coins")
        ),
        sa.CheckConstraint("weight_grams > 0", name=op.f("ck_weigh_event_weight_grams")),
        sa.PrimaryKeyConstraint("bin_id", "event_id", name=op.f("pk_weigh_event")),
    )
    op.create_index(
        "ix_weigh_event_claimed",
        "weigh_event",
        ["claimed_xid"],
        unique=False,
        postgresql_where=sa.text("claimed_xid IS NOT NULL"),
    )
    op.create_index(
        "ix_weigh_event_claimed_for",
        "weigh_event",
        ["credential_digest"],
        unique=False,
        postgresql_where=sa.text("claimed_xid IS NOT NULL"),
    )
    op.create_index(
        "ix_weigh_event_waiting",
        "weigh_event",
        ["credential_digest"],
        unique=False,
        postgresql_where=sa.text("outcome = 'unclaimed' AND credential_digest IS NOT NULL"),
    )
    op.create_index(op.f("ix_weigh_event_xid"), "weigh_event", ["xid"], unique=False)
    op.create_table(
        "weigh_event_conflict",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("weight_grams", sa.Integer(), nullable=False),
        sa.Column("credential_digest", sa.LargeBinary(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bin_id", "event_id", "content_digest", name=op.f("pk_weigh_event_conflict")),
    )


def create_tables_4() -> None:
    op.create_table(
        "carbon_factor",
        sa.Column("set_id", sa.Text(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("grams_co2e_per_kg", sa.Integer(), nullable=False),
        sa.Column("stands_for", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["material_id"], ["material.id"], name=op.f("fk_carbon_factor_material_id_material")),
        sa.PrimaryKeyConstraint("set_id", "material_id", name=op.f("pk_carbon_factor")),
    )
    op.create_table(
        "indicator_input",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('cleared', 'kitchen_treated', 'recyclables')", name=op.f("ck_indicator_input_kind")
        ),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_indicator_input_days")),
        sa.CheckConstraint("grams >= 0", name=op.f("ck_indicator_input_grams")),
        sa.CheckConstraint("version > 0", name=op.f("ck_indicator_input_version")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_indicator_input_area_id_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_indicator_input")),
        sa.UniqueConstraint(
            "area_id",
            "first_day",
            "last_day",
            "kind",
            "source",
            "version",
            name=op.f("uq_indicator_input_area_id_first_day_last_day_kind_source_version"),
        ),
    )
    op.create_table(
        "merchant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_merchant_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchant")),
        sa.UniqueConstraint("account_id", name=op.f("uq_merchant_account_id")),
    )
    op.create_table(
        "resident",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("openid_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["account.id"], name=op.f("fk_resident_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident")),
        sa.UniqueConstraint("openid_digest", name=op.f("uq_resident_openid_digest")),
    )


def create_tables_5() -> None:
    op.create_table(
        "site",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('community', 'commercial', 'industrial', 'scenic')", name=op.f("ck_site_kind")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_site_area_id_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    op.create_index(op.f("ix_site_area_id"), "site", ["area_id"], unique=False)
    op.create_table(
        "target",
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("rate_per_mille", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("rate_per_mille BETWEEN 0 AND 1000", name=op.f("ck_target_rate_per_mille")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_target_area_id_area")),
        sa.PrimaryKeyConstraint("area_id", "year", name=op.f("pk_target")),
    )
    op.create_table(
        "tariff",
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("coins_per_kg", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("coins_per_kg >= 0", name=op.f("ck_tariff_coins_per_kg")),
        sa.ForeignKeyConstraint(["material_id"], ["material.id"], name=op.f("fk_tariff_material_id_material")),
        sa.PrimaryKeyConstraint("material_id", "effective_from", name=op.f("pk_tariff")),
    )
    op.create_table(
        "bin",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("verification_interval_grams", sa.Integer(), nullable=False),
        sa.Column("capacity_grams", sa.Integer(), nullable=False),
        sa.Column("certificate_expires_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("ck_bin_state")),
        sa.CheckConstraint("verification_interval_grams > 0 AND capacity_grams > 0", name=op.f("ck_bin_scale")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_bin_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bin")),
    )
    op.create_index(op.f("ix_bin_site_id"), "bin", ["site_id"], unique=False)
    op.create_table(
        "credential",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resident_id", sa.BigInteger(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "counts_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() - interval '30 days'"),
            nullable=False,
        ),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("kind IN ('card', 'code')", name=op.f("ck_credential_kind")),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_credential_resident_id_resident")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_credential")),
    )
    op.create_index(op.f("ix_credential_bound_at"), "credential", ["bound_at"], unique=False)
    op.create_index(op.f("ix_credential_resident_id"), "credential", ["resident_id"], unique=False)


def create_tables_6() -> None:
    op.create_table(
        "machine",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('water', 'detergent')", name=op.f("ck_machine_kind")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_machine_merchant_id_merchant")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_machine_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine")),
        sa.UniqueConstraint("id", "merchant_id", name=op.f("uq_machine_id_merchant_id")),
    )
    op.create_index(op.f("ix_machine_merchant_id"), "machine", ["merchant_id"], unique=False)
    op.create_index(op.f("ix_machine_site_id"), "machine", ["site_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("resident_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_session_resident_id_resident")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_resident_id"), "session", ["resident_id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=True),
        sa.Column("machine_id", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("(role = 'merchant') = (merchant_id IS NOT NULL)", name=op.f("ck_api_key_merchant")),
        sa.CheckConstraint(
            "role IN ('merchant', 'viewer', 'operator', 'auditor', 'admin')", name=op.f("ck_api_key_role")
        ),
        sa.CheckConstraint("machine_id IS NULL OR merchant_id IS NOT NULL", name=op.f("ck_api_key_machine")),
        sa.ForeignKeyConstraint(
            ["machine_id", "merchant_id"],
            ["machine.id", "machine.merchant_id"],
            name=op.f("fk_api_key_machine_id_machine"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_api_key_merchant_id_merchant")),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_api_key")),
        sa.UniqueConstraint("id", name=op.f("uq_api_key_id")),
    )
    op.create_index(op.f("ix_api_key_machine_id"), "api_key", ["machine_id"], unique=False)
    op.create_index(op.f("ix_api_key_merchant_id"), "api_key", ["merchant_id"], unique=False)


def create_tables_7() -> None:
    op.create_table(
        "bin_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bin_id", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name=op.f("ck_bin_key_algorithm")),
        sa.ForeignKeyConstraint(["bin_id"], ["bin.id"], name=op.f("fk_bin_key_bin_id_bin")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bin_key")),
    )
    op.create_index(op.f("ix_bin_key_bin_id"), "bin_key", ["bin_id"], unique=False)
