"""Add an index of metrics in order, and sort model names by bytes on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(
        op.f("ix_metrics_name_model_value_number"), "metrics", ["name", "model", "value", "number"]
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("models", "name_key", type_=sa.String(length=128, collation="C"))
