"""Add the salts of the secrets that webhooks had before their last rotation."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("previous_salt", sa.LargeBinary(16), nullable=True))
