"""Add an index to find the latest ready version of a model."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index(
        op.f("ix_versions_status_model_number"), "versions", ["status", "model", "number"]
    )
