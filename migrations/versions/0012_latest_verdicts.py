"""Add an index of the evaluations of a model by their time."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index(op.f("ix_verdicts_model_evaluated_at"), "verdicts", ["model", "evaluated_at"])
