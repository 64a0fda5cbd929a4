"""Add the last outcome of the gates of each version."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "verdicts",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("champion", sa.Integer(), nullable=True),
        sa.Column("gates", sa.JSON(), nullable=False),
        sa.Column("holdout", sa.String(64), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "number"],
            ["versions.model", "versions.number"],
            name=op.f("fk_verdicts_model_number"),
        ),
        sa.PrimaryKeyConstraint("model", "number", "alias", name=op.f("pk_verdicts")),
    )
