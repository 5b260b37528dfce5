"""Volumes by month beside those by day, and an index by time for recomputing some days of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILL = """
INSERT INTO volume_month (site_id, month, material_id, source, grams, drops, held_grams, held_drops)
SELECT site_id, date_trunc('month', day)::date, material_id, source, sum(grams), sum(drops), sum(held_grams),
       sum(held_drops)
FROM volume
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
"""


def upgrade() -> None:
    op.create_table(
        "volume_month",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("material_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("grams", sa.BigInteger(), nullable=False),
        sa.Column("drops", sa.BigInteger(), nullable=False),
        sa.Column("held_grams", sa.BigInteger(), nullable=False),
        sa.Column("held_drops", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_volume_month_month")),
        sa.PrimaryKeyConstraint("site_id", "month", "material_id", "source", name=op.f("pk_volume_month")),
        postgresql_with={"fillfactor": 70},
    )
    op.execute(FILL)
    op.create_index(
        op.f("ix_weigh_event_occurred_at"),
        "weigh_event",
        ["occurred_at"],
        unique=False,
        postgresql_using="brin",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON volume_month TO tanbi_app")


def downgrade() -> None:
    op.drop_index(op.f("ix_weigh_event_occurred_at"), table_name="weigh_event")
    op.drop_table("volume_month")
