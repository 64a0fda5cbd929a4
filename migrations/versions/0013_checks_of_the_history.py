"""Add where checks of the history ended, and when all of it was checked."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("history_checks", sa.Column("anchor_seq", sa.BigInteger(), nullable=True))
    op.add_column("history_checks", sa.Column("anchor_hash", sa.String(64), nullable=True))
    op.add_column(
        "history_checks", sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True)
    )
