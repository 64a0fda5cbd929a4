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
    some_tags: Mapping[str, str | None] | None = None,
    via: str | None = None,
) -> View:
    """Replace what is not None; ``tags`` replaces all of them, ``some_tags`` those that it names,
    and deletes those that are None in it. ``via``: as for ``record``.

    Raises ModelNotFound, ModelArchived, MetadataRefused.
    """
    with database.write() as session:
        row = locked_active_model(session, name)
        changed = describe(
            session, row, ModelTagRow, description=description, tags=tags, some_tags=some_tags
        )
        if changed:
            record(session, "model_updated", actor=actor, model=name, via=via)
        return model_view(row)
