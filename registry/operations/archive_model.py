"""Archive a model with all its versions. Its name and its numbers are not used again."""

from sqlalchemy import select

from registry.operations.close_alert import close_alerts_of
from registry.operations.end_rollout import end_rollout
from registry.operations.rows import locked_model
from registry.operations.split_rows import clear_split
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import AliasRow, VersionRow, utc_now


def archive_model(database: Database, name: str, *, actor: str, via: str | None = None) -> None:
    """Archive the model and its versions, and delete its aliases; nothing if it is archived.

    ``via``: as for ``record``. Raises ModelNotFound.
    """
    with database.write(confirm=True) as session:
        model = locked_model(session, name)
        if model.archived_at is not None:
            return
        model.archived_at = utc_now()
        model.generation += 1
        live = {}
        for alias in session.scalars(select(AliasRow).where(AliasRow.model == name)).all():
            live[alias.name] = alias.number
            end_rollout(session, name, alias.name, "model_archived", actor=actor, via=via)
            clear_split(session, alias, "model_archived", actor=actor, via=via)
            session.delete(alias)
        close_alerts_of(session, name, actor=actor, reason="The model was archived.")
        for version in session.scalars(select(VersionRow).where(VersionRow.model == name)):
            if version.archived_at is None:
                version.status, version.archived_at = "archived", model.archived_at
        details = {"aliases": live}
        record(session, "model_archived", actor=actor, model=name, details=details, via=via)
