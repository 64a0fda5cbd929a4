"""Add alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_IS_OPEN = sa.text("closed_at IS NULL")
_OF_NO_MODEL = sa.text("closed_at IS NULL AND model IS NULL")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(128), nullable=True),
        sa.Column("alias", sa.String(128), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_alerts_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_model_id"), "alerts", ["model", "id"])
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["model", "kind", "subject"],
        unique=True,
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    )
    op.create_index(
        "uq_alerts_open_of_no_model",
        "alerts",
        ["kind", "subject"],
        unique=True,
        sqlite_where=_OF_NO_MODEL,
        postgresql_where=_OF_NO_MODEL,
    )
