"""Register a model before its first version."""

from collections.abc import Mapping

from registry.errors import ModelArchived, NameTaken
from registry.operations.rows import insert_model
from registry.reading.views import View, model_view
from registry.storage.database import Database
from registry.storage.tables import ModelTagRow


def create_model(
    database: Database,
    name: str,
    *,
    actor: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    via: str | None = None,
) -> View:
    """``via``: as for ``record``.

    Raises NameMalformed, NameTaken, or ModelArchived where the name belongs to one.
    """
    with database.write() as session:
        row, made = insert_model(session, name, actor, via)
        if row.archived_at is not None:
            raise ModelArchived(name)
        if not made:
            raise NameTaken(name, name)
        row.description = description
        row.tags = [ModelTagRow(key=key, value=value) for key, value in (tags or {}).items()]
        session.flush()
        return model_view(row)
