"""Add the blob with the hashes of the rows that a version was trained on.

Earlier versions have none: whether they were trained on rows of a holdout is unknown.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("versions", sa.Column("training_rows_sha256", sa.String(64), nullable=True))
