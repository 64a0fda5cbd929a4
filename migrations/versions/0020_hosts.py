"""Add hosts that share the database, their promotions, and the places of blobs."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "hosts",
        sa.Column("host", sa.String(128), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.String(40), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("lease_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acked_seq", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('joining', 'live', 'leaving', 'alone')",
            name=op.f("ck_hosts_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_hosts")),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("by_host", sa.String(128), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('preparing', 'committed', 'failed', 'abandoned')",
            name=op.f("ck_promotions_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_promotions_state_created_at"), "promotions", ["state", "created_at"])
    op.create_table(
        "promotion_hosts",
        sa.Column("promotion", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(128), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("fault", sa.String(1000), nullable=True),
        sa.CheckConstraint(
            "state IN ('ready', 'failed')", name=op.f("ck_promotion_hosts_state_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["promotion"], ["promotions.id"], name=op.f("fk_promotion_hosts_promotion")
        ),
        sa.PrimaryKeyConstraint("promotion", "host", name=op.f("pk_promotion_hosts")),
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )
