"""Add when models and versions last changed, where versions come from, and longer aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ALIASES = (("aliases", "name"), ("verdicts", "alias"), ("history", "alias"), ("traffic", "alias"))


def upgrade() -> None:
    for table in ("models", "versions"):
        op.add_column(
            table,
            sa.Column(
                "updated_at",
                sa.DateTime(timezone=True),
                nullable=False,
                server_default="1970-01-01 00:00:00",
            ),
        )
        rows = sa.table(table, sa.column("updated_at"), sa.column("created_at"))
        op.execute(rows.update().values(updated_at=rows.c.created_at))
    op.add_column("versions", sa.Column("source", sa.Text(), nullable=True))
    op.add_column(
        "versions", sa.Column("run_id", sa.String(128), nullable=False, server_default="")
    )
    op.create_index(op.f("ix_versions_run_id"), "versions", ["run_id"])
    for table, column in _ALIASES:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(column, existing_type=sa.String(63), type_=sa.String(128))
