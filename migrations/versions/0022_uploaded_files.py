"""Add the files of directories that are uploaded to a bucket one by one."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "uploaded_files",
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.Column("directory", sa.String(200), nullable=False),
        sa.Column("path", sa.String(1000), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["tokens.id"], name=op.f("fk_uploaded_files_owner")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_uploaded_files")),
    )
    op.create_index(
        op.f("ix_uploaded_files_owner_directory"), "uploaded_files", ["owner", "directory"]
    )
