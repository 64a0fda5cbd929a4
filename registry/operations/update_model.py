"""Change the description and the tags of a model."""

from collections.abc import Mapping

from registry.operations.description import describe
from registry.operations.rows import locked_active_model
from registry.reading.views import View, model_view
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import ModelTagRow


def update_model(
    database: Database,
    name: str,
    *,
    actor: str,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> View:
    """Replace what is not None; ``tags`` replaces all of them.

    Raises ModelNotFound, ModelArchived.
    """
    with database.write() as session:
        row = locked_active_model(session, name)
        if describe(session, row, ModelTagRow, description, tags):
            record(session, "model_updated", actor=actor, model=name)
        return model_view(row)
