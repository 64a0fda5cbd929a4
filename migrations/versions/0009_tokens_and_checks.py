"""Add the kind and the last use of tokens, and the outcome of the last check of the history."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "tokens", sa.Column("kind", sa.String(20), nullable=False, server_default="program")
    )
    op.add_column("tokens", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "history_checks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("broken_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_history_checks_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history_checks")),
    )
