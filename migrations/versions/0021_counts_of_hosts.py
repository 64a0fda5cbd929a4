"""Add what hosts count of splits, and where their counts of a rollout begin."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "split_counts",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("alias", sa.String(128), nullable=False),
        sa.Column("server", sa.String(200), nullable=False),
        sa.Column("split", sa.String(16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", "server", name=op.f("pk_split_counts")),
    )
    op.create_index(op.f("ix_split_counts_at"), "split_counts", ["at"])
    op.add_column("rollout_counts", sa.Column("first", sa.JSON(), nullable=True))
