"""What bins weighed as the public was first shown it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "public_volume",
        sa.Column("district_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("area_id", sa.Text(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_public_volume_month")),
        sa.CheckConstraint("grams >= 0", name=op.f("ck_public_volume_grams")),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_public_volume_area_id_area")),
        sa.ForeignKeyConstraint(["district_id"], ["area.id"], name=op.f("fk_public_volume_district_id_area")),
        sa.PrimaryKeyConstraint("district_id", "month", "area_id", "material_id", name=op.f("pk_public_volume")),
    )
    # What was shown once is never changed.
    op.execute("GRANT SELECT, INSERT ON public_volume TO tanbi_app")


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: what was shown would be shown anew, and differ by single drops. Restore a"
        " backup instead."
    )
