"""Who set a target, when and why; and a version without a rate, which withdraws it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("target", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_unique_constraint(op.f("uq_target_id"), "target", ["id"])
    op.add_column("target", sa.Column("reason", sa.Text(), nullable=True))
    # Of what was set before, nobody knows by whom and when: the default comes after the column.
    op.add_column("target", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.add_column("target", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("target", "created_at", server_default=sa.text("now()"))
    op.create_check_constraint(op.f("ck_target_recorded_by"), "target", "(recorded_by IS NULL) = (created_at IS NULL)")
    op.alter_column("target", "rate_per_mille", nullable=True)


def downgrade() -> None:
    raise RuntimeError(
        "This migration is not taken back: it would drop who set a target, and bring back those that are withdrawn."
        " Restore a backup instead."
    )
