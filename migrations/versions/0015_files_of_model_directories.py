"""Add the blob with the other files of the model directory that a version was made of.

Earlier versions have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("versions", sa.Column("files_sha256", sa.String(64), nullable=True))
