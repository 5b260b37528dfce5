"""Who set a target, when and why; and a version without a rate, which withdraws it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number_targets()
    op.create_unique_constraint(op.f("uq_target_id"), "target", ["id"])
    op.add_column("target", sa.Column("reason", sa.Text(), nullable=True))
    # Of what was set before, nobody knows by whom and when: the default comes after the column.
    op.add_column("target", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.add_column("target", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("target", "created_at", server_default=sa.text("now()"))
    op.create_check_constraint(op.f("ck_target_recorded_by"), "target", "(recorded_by IS NULL) = (created_at IS NULL)")
    op.alter_column("target", "rate_per_mille", nullable=True)


def number_targets() -> None:
    """Left to the database, what was set before would be numbered as it lies on the disk, a correction perhaps before
    what it corrects."""
    op.add_column("target", sa.Column("id", sa.BigInteger(), nullable=True))
    op.execute(
        """
        UPDATE target SET id = place
        FROM (SELECT area_id, year, version, row_number() OVER (ORDER BY area_id, year, version) AS place
              FROM target) AS placed
        WHERE (target.area_id, target.year, target.version) = (placed.area_id, placed.year, placed.version)
        """
    )
    op.alter_column("target", "id", nullable=False)
    op.execute("ALTER TABLE target ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY")
    # Where there is none yet, the first gets 1.
    op.execute("SELECT setval(pg_get_serial_sequence('target', 'id'), max(id)) FROM target")


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: it would drop who set a target, and bring back those that are withdrawn."
        " Restore a backup instead."
    )
