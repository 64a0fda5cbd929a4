"""Add the splits of aliases: the versions that answer for one, with their weights and buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("aliases", sa.Column("split_by", sa.String(20), nullable=True))
    op.add_column("aliases", sa.Column("split_salt", sa.LargeBinary(16), nullable=True))
    op.create_table(
        "alias_arms",
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("alias", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "weight >= 0 AND weight <= 10000", name=op.f("ck_alias_arms_weight_is_share")
        ),
        sa.ForeignKeyConstraint(
            ["model", "alias"],
            ["aliases.model", "aliases.name"],
            name=op.f("fk_alias_arms_model_alias"),
        ),
        sa.ForeignKeyConstraint(
            ["model", "number"],
            ["versions.model", "versions.number"],
            name=op.f("fk_alias_arms_model_number"),
        ),
        sa.PrimaryKeyConstraint("model", "alias", "number", name=op.f("pk_alias_arms")),
    )
