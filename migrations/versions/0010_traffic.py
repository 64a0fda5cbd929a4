"""Add the predictions of each version by minute and by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "traffic",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "seconds", "start", "version", "alias", name=op.f("pk_traffic")
        ),
    )
    op.create_index(op.f("ix_traffic_seconds_start"), "traffic", ["seconds", "start"])
