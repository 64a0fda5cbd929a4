"""Add policies of gates, and holdouts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("gates", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_policies_model")),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_policies")),
    )
    op.create_table(
        "holdouts",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("table_rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_holdouts_number_from_one")),
        sa.CheckConstraint("format IN ('parquet', 'csv')", name=op.f("ck_holdouts_format_known")),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_holdouts_model")),
        sa.PrimaryKeyConstraint("model", "number", name=op.f("pk_holdouts")),
    )
    op.create_index(op.f("ix_holdouts_sha256"), "holdouts", ["sha256"])
