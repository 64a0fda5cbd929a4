"""Drop the compiled forms of uploaded ONNX files, which are served from the uploaded file.

The bytes of the forms remain until ``hotswap gc`` removes them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    versions = sa.table(
        "versions",
        sa.column("format", sa.String),
        sa.column("engine", sa.JSON),
        sa.column("compiled", sa.JSON),
    )
    engine = {
        "name": "onnxruntime",
        "reason": "An uploaded ONNX file is answered by ONNX Runtime in a confined process.",
    }
    op.execute(
        versions.update().where(versions.c.format == "onnx").values(engine=engine, compiled={})
    )
