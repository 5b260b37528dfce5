"""Carbon: factor sets with their source, which of them is in force from which day on, residents' grams by set."""

import hashlib
import os

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What the application may do beyond SELECT; factors it may add since 0001.
PRIVILEGES = {"carbon_factor_set": "INSERT", "carbon_set_choice": "INSERT"}
# The setting that there was, and what it was where nobody had set it.
SETTING, OTHERWISE = "TANBI_CO2E_FACTOR_SET", "uk.desnz.2025"
# Name, English name, source and note of the sets that came with the demo, as they are shipped now.
NOTE = "Where two rows could stand for a material, the lower one 一类对应多个条目时取较低值"
KNOWN = {
    "uk.desnz.2025": (
        "英国政府温室气体换算因子（2025）",
        "UK Government GHG conversion factors 2025",
        "DESNZ: UK Government GHG Conversion Factors for Company Reporting, 2025; primary production less closed loop; clothing: reuse. From a secondary copy",
        NOTE,
    ),
    "us.epa.warm.v16": (
        "美国环保署废弃物减量模型（WARM）第16版",
        "US EPA Waste Reduction Model (WARM), version 16",
        "US EPA: Waste Reduction Model (WARM), version 16, December 2023. From a secondary copy",
        NOTE,
    ),
}


def upgrade() -> None:
    create_tables()
    make_sets()
    alter_factors()
    alter_resident_volumes()
    names = ", ".join(PRIVILEGES)
    op.execute(f"GRANT SELECT ON {names} TO tanbi_app")
    for table, privileges in PRIVILEGES.items():
        op.execute(f"GRANT {privileges} ON {table} TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: it would drop by which factors each drop counts. Restore a backup instead."
    )


def create_tables() -> None:
    op.create_table(
        "carbon_factor_set",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id <> ''", name=op.f("ck_carbon_factor_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carbon_factor_set")),
    )
    op.create_table(
        "carbon_set_choice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("set_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["set_id"], ["carbon_factor_set.id"], name=op.f("fk_carbon_set_choice_set_id_carbon_factor_set")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carbon_set_choice")),
    )


def make_sets() -> None:
    """A set of each id that factors were recorded under; the one of the setting counts since ever, as it was shown."""
    connection = op.get_bind()
    lines: dict[str, list[str]] = {}
    for set_id, *factor in connection.execute(
        sa.text(
            "SELECT set_id, material_id, grams_co2e_per_kg::bigint * 1000, stands_for FROM carbon_factor"
            ' ORDER BY set_id, material_id COLLATE "C"'
        )
    ):
        lines.setdefault(set_id, []).append("\t".join(map(str, factor)))
    for set_id, factors in lines.items():
        known = KNOWN.get(set_id, (set_id, set_id, "not recorded: older than sources were", None))
        # As carbon/rules.py has it.
        digest = hashlib.sha256("\n".join([set_id, *(each or "" for each in known), *factors]).encode()).digest()
        connection.execute(
            sa.text("INSERT INTO carbon_factor_set VALUES (:id, :name, :name_en, :source, :note, :digest)"),
            {"id": set_id, **dict(zip(("name", "name_en", "source", "note"), known, strict=True)), "digest": digest},
        )
    connection.execute(
        sa.text(
            "INSERT INTO carbon_set_choice (effective_from, set_id)"
            " SELECT DATE '-infinity', id FROM carbon_factor_set WHERE id = :setting"
        ),
        {"setting": os.environ.get(SETTING, OTHERWISE)},
    )


def alter_factors() -> None:
    # In milligrams, so that a method with three or more decimals of a kilogram loses none.
    op.add_column("carbon_factor", sa.Column("milligrams_co2e_per_kg", sa.BigInteger(), nullable=True))
    op.execute("UPDATE carbon_factor SET milligrams_co2e_per_kg = grams_co2e_per_kg::bigint * 1000")
    op.alter_column("carbon_factor", "milligrams_co2e_per_kg", nullable=False)
    op.drop_column("carbon_factor", "grams_co2e_per_kg")
    op.create_check_constraint(
        op.f("ck_carbon_factor_milligrams_co2e_per_kg"), "carbon_factor", "milligrams_co2e_per_kg >= 0"
    )
    op.create_foreign_key(
        op.f("fk_carbon_factor_set_id_carbon_factor_set"), "carbon_factor", "carbon_factor_set", ["set_id"], ["id"]
    )


def alter_resident_volumes() -> None:
    """All that was brought so far counts by the one set that there is, or by none: exact without looking at a drop."""
    op.add_column("resident_volume", sa.Column("set_id", sa.Text(), server_default="", nullable=False))
    op.alter_column("resident_volume", "set_id", server_default=None)
    op.execute("UPDATE resident_volume SET set_id = carbon_set_choice.set_id FROM carbon_set_choice")
    op.drop_constraint(op.f("pk_resident_volume"), "resident_volume", type_="primary")
    op.create_primary_key(op.f("pk_resident_volume"), "resident_volume", ["owner_id", "material_id", "set_id"])
