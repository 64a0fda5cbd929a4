"""Change the description and the tags of a version."""

from collections.abc import Mapping

from registry.operations.description import describe
from registry.operations.rows import locked_model
from registry.reading.queries import find_version
from registry.reading.views import View, version_view
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import VersionTagRow


def update_version(
    database: Database,
    model: str,
    reference: str,
    *,
    actor: str,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> View:
    """Replace what is not None; ``tags`` replaces all of them.

    Raises ModelNotFound, VersionNotFound.
    """
    with database.write() as session:
        locked_model(session, model)
        row = find_version(session, model, reference)
        if describe(session, row, VersionTagRow, description, tags):
            record(session, "version_updated", actor=actor, model=model, to_version=row.number)
        return version_view(row)
