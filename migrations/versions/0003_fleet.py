"""Bins in the field: provisioning, telemetry, plausibility, review."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service.settings import read_settings

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What the application may do beyond SELECT, and beyond what it may since 0001 and 0002.
PRIVILEGES = {
    "bin": "UPDATE (site_id, placed_at, model, verification_interval_grams, capacity_grams, box_capacity_grams, certificate_expires_on, serviced_at)",
    "bin_alarm": "INSERT, UPDATE (closed_at)",
    "bin_change": "INSERT",
    "bin_claim": "INSERT, UPDATE (claimed_at, withdrawn_at)",
    "bin_key": "UPDATE (valid_from)",
    "bin_memory": "INSERT, UPDATE (epoch, sequence, sequence_at, gaps_open, heard_at, boxes, hours, counts)",
    "bin_placement": "INSERT",
    "bin_status": "INSERT, UPDATE",
    "bin_telemetry": "INSERT, DELETE",
    "clearance": "INSERT",
    "clearance_conflict": "INSERT",
    "firmware_notice": "INSERT",
    "held_event": "INSERT, UPDATE (resident_id, state, appeal, appealed_at)",
    "plausibility_rule": "INSERT",
    "resident": "UPDATE (kind)",
    "resident_change": "INSERT",
    "resident_day": "INSERT, UPDATE (drops, grams, coins)",
    "review_decision": "INSERT",
    "sequence_gap": "INSERT, UPDATE (first_sequence, last_sequence, closed_at, given_up)",
}


def upgrade() -> None:
    alter_bins()
    alter_residents()
    alter_weigh_events()
    alter_volumes()
    create_provisioning()
    create_telemetry()
    create_plausibility()
    create_review()
    remember()
    names = ", ".join(PRIVILEGES)
    op.execute(f"GRANT SELECT ON {names} TO tanbi_app")
    for table, privileges in PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: it would drop what was decided about drops. Restore a backup instead."
    )


def remember() -> None:
    """What the new tables would hold, had they been there from the beginning."""
    connection = op.get_bind()
    zone = {"zone": read_settings(None).business_timezone}
    op.execute("UPDATE bin SET placed_at = created_at")
    op.execute("INSERT INTO bin_placement (bin_id, effective_from, site_id) SELECT id, created_at, site_id FROM bin")
    op.execute(
        "INSERT INTO bin_memory (bin_id, sequence, sequence_at, heard_at, counts)"
        " SELECT bin.id, max(sequence), max(occurred_at), max(received_at),"
        "        CASE WHEN count(sequence) = 0 THEN '{}'"
        "             ELSE jsonb_build_object('first', jsonb_build_array(min(sequence), extract(epoch FROM min(occurred_at))))"
        "        END"
        " FROM bin LEFT JOIN weigh_event ON weigh_event.bin_id = bin.id GROUP BY bin.id"
    )
    # As plausibility/sequences.py has it: a jump of more than a year of drops is no loss.
    op.execute(
        "INSERT INTO sequence_gap (bin_id, epoch, first_sequence, last_sequence, opened_at, before_at)"
        " SELECT bin_id, 0, previous + 1, sequence - 1, received_at, occurred_at"
        " FROM (SELECT bin_id, sequence, received_at, occurred_at,"
        "              lag(sequence) OVER (PARTITION BY bin_id ORDER BY sequence, occurred_at) AS previous"
        "       FROM weigh_event) AS numbered"
        " WHERE sequence - previous BETWEEN 2 AND 10000"
    )
    op.execute(
        "UPDATE sequence_gap SET closed_at = now(), given_up = true"
        " FROM (SELECT bin_id, id, row_number() OVER (PARTITION BY bin_id ORDER BY first_sequence DESC) AS place"
        "       FROM sequence_gap) AS placed"
        " WHERE sequence_gap.bin_id = placed.bin_id AND sequence_gap.id = placed.id AND place > 100"
    )
    op.execute(
        "UPDATE bin_memory"
        " SET gaps_open = counted.gaps,"
        "     counts = CASE WHEN counted.first IS NULL THEN counts"
        "                   ELSE counts || jsonb_build_object('unsure', jsonb_build_array(0, first, last, before_at)) END"
        " FROM (SELECT bin_id, count(*) FILTER (WHERE NOT given_up) AS gaps,"
        "              min(first_sequence) FILTER (WHERE given_up) AS first,"
        "              max(last_sequence) FILTER (WHERE given_up) AS last,"
        "              extract(epoch FROM max(before_at) FILTER (WHERE given_up)) AS before_at"
        "       FROM sequence_gap GROUP BY bin_id) AS counted"
        " WHERE counted.bin_id = bin_memory.bin_id"
    )
    connection.execute(
        sa.text(
            "INSERT INTO resident_day (owner_id, day, drops, grams, coins)"
            " SELECT resident_id, (occurred_at AT TIME ZONE :zone)::date, count(*), sum(weight_grams), sum(coins)"
            " FROM weigh_event WHERE outcome = 'credited' GROUP BY 1, 2"
        ),
        zone,
    )
    op.execute(
        "INSERT INTO held_event (bin_id, event_id, resident_id, findings, held_at)"
        ' SELECT bin_id, event_id, credential.resident_id, \'[{"code": "no_tariff", "figures": {}}]\', received_at'
        " FROM weigh_event LEFT JOIN credential ON credential.digest = weigh_event.credential_digest"
        " AND weigh_event.occurred_at >= credential.counts_from"
        " WHERE verdict = 'hold'"
    )
    # They were folded with the others.
    connection.execute(
        sa.text(
            "UPDATE volume SET grams = volume.grams - held.grams, drops = volume.drops - held.drops,"
            " held_grams = held.grams, held_drops = held.drops"
            " FROM (SELECT (occurred_at AT TIME ZONE :zone)::date AS day, site_id, material_id,"
            "              sum(weight_grams) AS grams, count(*) AS drops"
            "       FROM weigh_event WHERE verdict = 'hold' AND xid < (SELECT xid FROM fold_position)"
            "       GROUP BY 1, 2, 3) AS held"
            " WHERE volume.source = 'bin' AND volume.day = held.day AND volume.site_id = held.site_id"
            "   AND volume.material_id = held.material_id"
        ),
        zone,
    )


def alter_bins() -> None:
    op.add_column(
        "bin", sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.add_column("bin", sa.Column("model", sa.Text(), nullable=True))
    op.add_column("bin", sa.Column("box_capacity_grams", sa.Integer(), server_default=sa.text("30000"), nullable=False))
    op.add_column("bin", sa.Column("serviced_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody has told of a visit; but somebody put it there.
    op.execute("UPDATE bin SET serviced_at = created_at")
    op.drop_constraint(op.f("ck_bin_state"), "bin")
    op.drop_constraint(op.f("ck_bin_scale"), "bin")
    op.create_check_constraint(op.f("ck_bin_state"), "bin", "state IN ('registered', 'active', 'suspended', 'retired')")
    op.create_check_constraint(
        op.f("ck_bin_scale"), "bin", "verification_interval_grams > 0 AND capacity_grams > 0 AND box_capacity_grams > 0"
    )


def alter_residents() -> None:
    op.add_column("resident", sa.Column("kind", sa.Text(), server_default="resident", nullable=False))
    op.create_check_constraint(op.f("ck_resident_kind"), "resident", "kind IN ('resident', 'trader')")
    op.create_table(
        "resident_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("resident_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('resident', 'trader')", name=op.f("ck_resident_change_kind")),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_resident_change_resident_id_resident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident_change")),
    )
    op.create_index(op.f("ix_resident_change_resident_id"), "resident_change", ["resident_id"], unique=False)


def alter_weigh_events() -> None:
    op.add_column("weigh_event", sa.Column("verdict", sa.Text(), server_default="credit", nullable=False))
    op.add_column("weigh_event", sa.Column("code", sa.Text(), nullable=True))
    op.add_column("weigh_event", sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=True))
    op.add_column("weigh_event", sa.Column("clock_skew_seconds", sa.Integer(), nullable=True))
    op.create_index(
        "ix_weigh_event_held_for",
        "weigh_event",
        ["credential_digest"],
        unique=False,
        postgresql_where=sa.text("verdict = 'hold' AND credential_digest IS NOT NULL"),
    )
    # What was held before had no tariff.
    op.execute("UPDATE weigh_event SET verdict = 'hold', code = 'no_tariff' WHERE outcome = 'held'")
    op.drop_constraint(op.f("ck_weigh_event_outcome"), "weigh_event")
    op.create_check_constraint(
        op.f("ck_weigh_event_outcome"), "weigh_event", "outcome IN ('credited', 'unclaimed', 'held', 'rejected')"
    )
    op.create_check_constraint(
        op.f("ck_weigh_event_verdict"),
        "weigh_event",
        "CASE verdict WHEN 'credit' THEN outcome IN ('credited', 'unclaimed') WHEN 'hold' THEN code IS NOT NULL WHEN 'reject' THEN code IS NOT NULL AND outcome = 'rejected' ELSE false END",
    )


def alter_volumes() -> None:
    op.add_column("volume", sa.Column("held_grams", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("volume", sa.Column("held_drops", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def create_provisioning() -> None:
    op.create_table(
        "bin_placement",
        sa.Column("bin_id", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["bin_id"], ["bin.id"], name=op.f("fk_bin_placement_bin_id_bin")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_bin_placement_site_id_site")),
        sa.PrimaryKeyConstraint("bin_id", "effective_from", name=op.f("pk_bin_placement")),
    )
    op.create_index(op.f("ix_bin_placement_site_id"), "bin_placement", ["site_id"], unique=False)
    op.create_table(
        "bin_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bin_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('registered', 'claim_code', 'claimed', 'key_added', 'key_ended', 'suspended', 'resumed', 'moved', 'serviced', 'scale', 'retired')",
            name=op.f("ck_bin_change_kind"),
        ),
        sa.ForeignKeyConstraint(["bin_id"], ["bin.id"], name=op.f("fk_bin_change_bin_id_bin")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bin_change")),
    )
    op.create_index(op.f("ix_bin_change_bin_id_id"), "bin_change", ["bin_id", "id"], unique=False)
    op.create_table(
        "bin_claim",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("bin_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["bin_id"], ["bin.id"], name=op.f("fk_bin_claim_bin_id_bin")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_bin_claim")),
    )
    op.create_index(op.f("ix_bin_claim_bin_id"), "bin_claim", ["bin_id"], unique=False)
    op.create_index(
        "uq_bin_claim_open",
        "bin_claim",
        ["bin_id"],
        unique=True,
        postgresql_where=sa.text("claimed_at IS NULL AND withdrawn_at IS NULL"),
    )
    op.alter_column("bin_key", "valid_from", nullable=True)
    op.create_index(
        "uq_bin_key_public_key",
        "bin_key",
        ["key"],
        unique=True,
        postgresql_where=sa.text("algorithm = 'ed25519'"),
    )
    op.create_table(
        "firmware_notice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("notice_en", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_notice")),
    )


def create_telemetry() -> None:
    op.create_table(
        "bin_status",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_skew_seconds", sa.Integer(), nullable=True),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("temperature_celsius", sa.Double(), nullable=True),
        sa.Column("smoke", sa.Boolean(), nullable=True),
        sa.Column("door_open", sa.Boolean(), nullable=True),
        sa.Column("scale_zero_grams", sa.Integer(), nullable=True),
        sa.Column("battery_percent", sa.SmallInteger(), nullable=True),
        sa.Column("boxes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("fill_percent_max", sa.SmallInteger(), nullable=True),
        sa.Column("mass_grams", sa.BigInteger(), nullable=True),
        sa.Column("told_at", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("bin_id", name=op.f("pk_bin_status")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "bin_telemetry",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("temperature_celsius", sa.Double(), nullable=True),
        sa.Column("smoke", sa.Boolean(), nullable=True),
        sa.Column("door_open", sa.Boolean(), nullable=True),
        sa.Column("scale_zero_grams", sa.Integer(), nullable=True),
        sa.Column("battery_percent", sa.SmallInteger(), nullable=True),
        sa.Column("boxes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("bin_id", "occurred_at", name=op.f("pk_bin_telemetry")),
    )
    op.create_index(op.f("ix_bin_telemetry_occurred_at"), "bin_telemetry", ["occurred_at"], unique=False)
    op.create_table(
        "bin_alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("measured", sa.Double(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("closed_at >= opened_at", name=op.f("ck_bin_alarm_life")),
        sa.CheckConstraint("kind IN ('smoke', 'heat', 'scale_zero', 'battery')", name=op.f("ck_bin_alarm_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bin_alarm")),
    )
    op.create_index(op.f("ix_bin_alarm_bin_id_id"), "bin_alarm", ["bin_id", "id"], unique=False)
    op.create_index(
        "uq_bin_alarm_open", "bin_alarm", ["bin_id", "kind"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )


def create_plausibility() -> None:
    op.create_table(
        "plausibility_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("action IN ('off', 'credit', 'hold', 'reject')", name=op.f("ck_plausibility_rule_action")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plausibility_rule")),
    )
    op.create_index(
        op.f("ix_plausibility_rule_code_effective_from"), "plausibility_rule", ["code", "effective_from"], unique=False
    )
    op.create_table(
        "bin_memory",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("sequence_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gaps_open", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("boxes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("hours", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("gaps_open >= 0", name=op.f("ck_bin_memory_gaps_open")),
        sa.PrimaryKeyConstraint("bin_id", name=op.f("pk_bin_memory")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "sequence_gap",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("closed_at IS NOT NULL OR NOT given_up", name=op.f("ck_sequence_gap_given_up")),
        sa.CheckConstraint("first_sequence BETWEEN 0 AND last_sequence", name=op.f("ck_sequence_gap_sequences")),
        sa.PrimaryKeyConstraint("bin_id", "id", name=op.f("pk_sequence_gap")),
    )
    op.create_index(
        "ix_sequence_gap_open",
        "sequence_gap",
        ["bin_id", "epoch", "first_sequence"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_sequence_gap_id"), "sequence_gap", ["id"], unique=False)
    op.create_table(
        "resident_day",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("drops", sa.Integer(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.Column("coins", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "day", name=op.f("pk_resident_day")),
        postgresql_with={"fillfactor": 70},
    )


def create_review() -> None:
    op.create_table(
        "held_event",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("resident_id", sa.BigInteger(), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("appeal", sa.Text(), nullable=True),
        sa.Column("appealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'released', 'rejected', 'appealed', 'upheld')", name=op.f("ck_held_event_state")
        ),
        sa.CheckConstraint("num_nonnulls(appeal, appealed_at) IN (0, 2)", name=op.f("ck_held_event_appeal")),
        sa.PrimaryKeyConstraint("bin_id", "event_id", name=op.f("pk_held_event")),
        sa.UniqueConstraint("id", name=op.f("uq_held_event_id")),
    )
    op.create_index(op.f("ix_held_event_held_at_id"), "held_event", ["held_at", "id"], unique=False)
    op.create_index(
        op.f("ix_held_event_resident_id_held_at"),
        "held_event",
        ["resident_id", "held_at"],
        unique=False,
        postgresql_where=sa.text("resident_id IS NOT NULL"),
    )
    op.create_index(
        "ix_held_event_waiting",
        "held_event",
        ["held_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'appealed')"),
    )
    op.create_table(
        "review_decision",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column(
            "decided_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("coins_per_kg", sa.Integer(), nullable=True),
        sa.Column("coins", sa.BigInteger(), nullable=True),
        sa.Column("xid", sa.BigInteger(), server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(placed_at, site_id, coins_per_kg, coins) = CASE decision WHEN 'released' THEN 4 ELSE 0 END",
            name=op.f("ck_review_decision_released"),
        ),
        sa.CheckConstraint("decision IN ('released', 'rejected')", name=op.f("ck_review_decision_decision")),
        sa.CheckConstraint("ordinal IN (1, 2)", name=op.f("ck_review_decision_ordinal")),
        sa.PrimaryKeyConstraint("bin_id", "event_id", "ordinal", name=op.f("pk_review_decision")),
    )
    op.create_index(op.f("ix_review_decision_xid"), "review_decision", ["xid"], unique=False)
    op.create_table(
        "clearance",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("mass_before_grams", sa.Integer(), nullable=False),
        sa.Column("mass_after_grams", sa.Integer(), nullable=False),
        sa.Column("expected_grams", sa.BigInteger(), nullable=True),
        sa.Column("permissible_grams", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("clock_skew_seconds", sa.Integer(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(code, findings) IN (0, 2)", name=op.f("ck_clearance_findings")),
        sa.CheckConstraint(
            "num_nonnulls(expected_grams, permissible_grams) IN (0, 2)", name=op.f("ck_clearance_expected")
        ),
        sa.CheckConstraint(
            "outcome = 'recorded' OR outcome = 'rejected' AND code IS NOT NULL", name=op.f("ck_clearance_outcome")
        ),
        sa.CheckConstraint("mass_before_grams >= 0 AND mass_after_grams >= 0", name=op.f("ck_clearance_masses")),
        sa.PrimaryKeyConstraint("bin_id", "event_id", name=op.f("pk_clearance")),
    )
    op.create_index(op.f("ix_clearance_occurred_at_id"), "clearance", ["occurred_at", "id"], unique=False)
    op.create_index(
        op.f("ix_clearance_bin_id_occurred_at_id"), "clearance", ["bin_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "ix_clearance_doubtful",
        "clearance",
        ["occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("code IS NOT NULL"),
    )
    op.create_table(
        "clearance_conflict",
        sa.Column("bin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("mass_before_grams", sa.Integer(), nullable=False),
        sa.Column("mass_after_grams", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bin_id", "event_id", "content_digest", name=op.f("pk_clearance_conflict")),
    )
