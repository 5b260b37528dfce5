"""The rate as evidence: inputs with their documents, scrap stations, publications."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What the application may do beyond SELECT.
PRIVILEGES = {
    "indicator_import": "INSERT",
    "scrap_station": "INSERT, UPDATE (name, name_en, reports_until)",
    "publication": "INSERT, UPDATE (decision, decided_by, decided_at, decision_reason, number)",
}

TOLD_MAX = 20
# Each input that was hidden, with the nearest and first one that hid it.
BEGIN_TO_COUNT = """
WITH RECURSIVE around (area_id, around_id, distance) AS (
    SELECT id, parent_id, 1 FROM area WHERE parent_id IS NOT NULL
    UNION ALL
    SELECT around.area_id, area.parent_id, distance + 1
    FROM around JOIN area ON area.id = around.around_id WHERE area.parent_id IS NOT NULL
), latest AS (
    SELECT DISTINCT ON (area_id, first_day, last_day, kind, source) *
    FROM indicator_input ORDER BY area_id, first_day, last_day, kind, source, version DESC
), hidden AS (
    SELECT DISTINCT ON (inner_.id)
           inner_.kind, inner_.area_id, inner_.first_day, inner_.last_day, inner_.source, inner_.grams,
           outer_.area_id AS outer_area, outer_.first_day AS outer_first, outer_.last_day AS outer_last,
           outer_.source AS outer_source, outer_.grams AS outer_grams
    FROM latest AS inner_
    JOIN around ON around.area_id = inner_.area_id
    JOIN latest AS outer_ ON outer_.area_id = around.around_id AND outer_.kind = inner_.kind
     AND outer_.first_day <= inner_.last_day AND outer_.last_day >= inner_.first_day
     AND (inner_.kind <> 'other_recyclables' OR outer_.source = inner_.source)
    ORDER BY inner_.id, distance, outer_.first_day, outer_.source
)
SELECT * FROM hidden ORDER BY kind, first_day, last_day, area_id, source
"""


def upgrade() -> None:
    create_imports()
    alter_inputs()
    tell_what_begins_to_count()
    alter_targets()
    create_stations()
    create_publications()
    op.execute(f"GRANT SELECT ON {', '.join(PRIVILEGES)} TO tanbi_app")
    for table, privileges in PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError("This migration is not taken back: it would drop what was published. Restore a backup instead.")


def create_imports() -> None:
    op.create_table(
        "indicator_import",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("imported_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_indicator_import_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_indicator_import")),
        sa.UniqueConstraint("sha256", name=op.f("uq_indicator_import_sha256")),
    )


def alter_inputs() -> None:
    op.add_column("indicator_input", sa.Column("material_id", sa.Text(), nullable=True))
    op.add_column("indicator_input", sa.Column("ppm", sa.Integer(), nullable=True))
    op.add_column("indicator_input", sa.Column("entered", sa.Text(), nullable=True))
    op.add_column("indicator_input", sa.Column("document_date", sa.Date(), nullable=True))
    op.add_column("indicator_input", sa.Column("document_sha256", sa.LargeBinary(), nullable=True))
    op.add_column("indicator_input", sa.Column("import_id", sa.Uuid(), nullable=True))
    op.alter_column("indicator_input", "grams", nullable=True)
    # The code's registry of kinds says which there are.
    op.drop_constraint("ck_indicator_input_kind", "indicator_input")
    # Recovered otherwise than through bins, by whoever the source names: it adds to R as it did.
    op.execute("UPDATE indicator_input SET kind = 'other_recyclables' WHERE kind = 'recyclables'")
    op.create_foreign_key(
        op.f("fk_indicator_input_material_id_material"), "indicator_input", "material", ["material_id"], ["id"]
    )
    op.create_foreign_key(
        op.f("fk_indicator_input_import_id_indicator_import"),
        "indicator_input",
        "indicator_import",
        ["import_id"],
        ["id"],
    )
    op.create_index(op.f("ix_indicator_input_import_id"), "indicator_input", ["import_id"])
    op.create_index("ix_indicator_input_first_day", "indicator_input", ["first_day"])
    op.drop_constraint(
        op.f("uq_indicator_input_area_id_first_day_last_day_kind_source_version"), "indicator_input", type_="unique"
    )
    op.create_unique_constraint(
        "uq_indicator_input_version",
        "indicator_input",
        ["area_id", "first_day", "last_day", "kind", "source", "material_id", "version"],
        postgresql_nulls_not_distinct=True,
    )
    op.drop_constraint("ck_indicator_input_days", "indicator_input")
    for name, condition in (
        ("ppm", "ppm BETWEEN 0 AND 1000000"),
        ("amount", "num_nonnulls(grams, ppm) <= 1"),
        (
            "days",
            "first_day <= last_day AND extract(day FROM first_day) = 1 AND extract(day FROM last_day + 1) = 1",
        ),
        ("document_sha256", "octet_length(document_sha256) = 32"),
    ):
        op.create_check_constraint(op.f(f"ck_indicator_input_{name}"), "indicator_input", condition)


def tell_what_begins_to_count() -> None:
    """Until now the inputs of an area hid those of the areas in it, of recyclables those of the same source: from now
    on they add up, and past rates with them."""
    found = op.get_bind().execute(sa.text(BEGIN_TO_COUNT)).all()
    if not found:
        return
    print(
        "Inputs of an area and of the areas in it add up now. These begin to count beside one of an area around them."
        " Where both are the same mass, withdraw one of the two (tanbi indicator record AREA PERIOD KIND withdraw …):"
    )
    for row in found[:TOLD_MAX]:
        inner, outer = (
            f"{area} {first:%Y-%m} to {last:%Y-%m} “{source}” ({grams} g)"
            for area, first, last, source, grams in (row[1:6], row[6:11])
        )
        print(f"  {row.kind}: {inner} beside {outer}")
    if len(found) > TOLD_MAX:
        print(f"  and {len(found) - TOLD_MAX} more")


def alter_targets() -> None:
    """A target can be corrected: the latest version counts."""
    op.add_column("target", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.alter_column("target", "version", server_default=None)
    op.drop_constraint("pk_target", "target", type_="primary")
    op.create_primary_key(op.f("pk_target"), "target", ["area_id", "year", "version"])
    op.create_check_constraint(op.f("ck_target_version"), "target", "version > 0")


def create_stations() -> None:
    op.create_table(
        "scrap_station",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("reports_from", sa.Date(), nullable=False),
        sa.Column("reports_until", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("extract(day FROM reports_from) = 1", name=op.f("ck_scrap_station_reports_from")),
        sa.CheckConstraint(
            "reports_until >= reports_from AND extract(day FROM reports_until + 1) = 1",
            name=op.f("ck_scrap_station_reports_until"),
        ),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_scrap_station_area_id_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scrap_station")),
    )
    op.create_index(op.f("ix_scrap_station_area_id"), "scrap_station", ["area_id"])
    op.add_column("api_key", sa.Column("station_id", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_api_key_station_id_scrap_station"), "api_key", "scrap_station", ["station_id"], ["id"]
    )
    op.create_index(op.f("ix_api_key_station_id"), "api_key", ["station_id"])
    op.drop_constraint("ck_api_key_role", "api_key")
    op.create_check_constraint(
        op.f("ck_api_key_role"),
        "api_key",
        "role IN ('merchant', 'viewer', 'operator', 'auditor', 'admin', 'station')",
    )
    op.create_check_constraint(op.f("ck_api_key_station"), "api_key", "(role = 'station') = (station_id IS NOT NULL)")


def create_publications() -> None:
    op.create_table(
        "publication",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("formula_id", sa.Text(), nullable=False),
        sa.Column("formula_version", sa.Integer(), nullable=False),
        sa.Column("counted_at", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("rate_percent", sa.Text(), nullable=False),
        sa.Column("numerator_grams", sa.Text(), nullable=False),
        sa.Column("denominator_grams", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("restates", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_publication_digest")),
        sa.CheckConstraint("(restates IS NULL) = (reason IS NULL)", name=op.f("ck_publication_restates")),
        sa.CheckConstraint("decision IN ('published', 'rejected')", name=op.f("ck_publication_decision")),
        sa.CheckConstraint(
            "num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name=op.f("ck_publication_decided")
        ),
        sa.CheckConstraint("decided_by <> proposed_by OR decision = 'rejected'", name=op.f("ck_publication_operators")),
        sa.CheckConstraint(
            "(number IS NOT NULL) = (decision IS NOT DISTINCT FROM 'published')", name=op.f("ck_publication_number")
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_publication_number_positive")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_publication_area_id_area")),
        sa.ForeignKeyConstraint(["restates"], ["publication.number"], name=op.f("fk_publication_restates_publication")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
        sa.UniqueConstraint("number", name=op.f("uq_publication_number")),
    )
    op.create_index(
        "uq_publication_first",
        "publication",
        ["area_id", "first_day", "last_day", "formula_id"],
        unique=True,
        postgresql_where=sa.text("decision = 'published' AND restates IS NULL"),
    )
    op.create_index(
        "uq_publication_restates",
        "publication",
        ["restates"],
        unique=True,
        postgresql_where=sa.text("decision = 'published'"),
    )
    op.create_index("ix_publication_created_at_id", "publication", ["created_at", "id"])
    # The service may write a decision, and only once: whoever has its role neither takes back what was published nor
    # gives it another number.
    op.execute("""
        CREATE FUNCTION publication_is_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.decision IS NOT NULL OR NEW.decision IS NULL THEN
                RAISE EXCEPTION 'a publication is decided on once: %', OLD.id USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER publication_is_decided_once BEFORE UPDATE ON publication
        FOR EACH ROW EXECUTE FUNCTION publication_is_decided_once()
    """)
