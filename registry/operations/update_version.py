"""Change the description and the tags of a version."""

from collections.abc import Mapping

from registry.errors import DescriptionConflict
from registry.operations.description import describe, revision_of
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
    some_tags: Mapping[str, str | None] | None = None,
    expected: str | None = None,
    via: str | None = None,
) -> View:
    """Replace what is not None; ``tags`` replaces all of them, ``some_tags`` those that it names,
    and deletes those that are None in it. Nothing if they are the same.

    ``expected``: the ``revision_of`` what the caller wants to replace; None: any.
    ``via``: as for ``record``.

    Raises ModelNotFound, VersionNotFound, MetadataRefused, and DescriptionConflict if something
    else is there.
    """
    with database.write() as session:
        locked_model(session, model)
        row = find_version(session, model, reference)
        before = revision_of(row.description, {tag.key: tag.value for tag in row.tags})
        changed = describe(
            session, row, VersionTagRow, description=description, tags=tags, some_tags=some_tags
        )
        if changed:
            if expected not in {None, before}:
                raise DescriptionConflict(model, row.number)
            record(
                session,
                "version_updated",
                actor=actor,
                model=model,
                to_version=row.number,
                via=via,
            )
        return version_view(row)
