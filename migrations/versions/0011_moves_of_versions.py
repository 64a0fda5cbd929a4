"""Add indexes of the events that moved an alias to a version, and away from one."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_HAS_ALIAS = sa.text("alias IS NOT NULL")


def upgrade() -> None:
    for column in ("to_version", "from_version"):
        op.create_index(
            op.f(f"ix_history_model_{column}_seq"),
            "history",
            ["model", column, "seq"],
            sqlite_where=_HAS_ALIAS,
            postgresql_where=_HAS_ALIAS,
        )
