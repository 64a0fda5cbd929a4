"""Remove the holdout of a model."""

from registry.errors import HoldoutNotFound
from registry.operations.rows import locked_active_model
from registry.reading.queries import current_holdout
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import utc_now


def remove_holdout(database: Database, model: str, *, actor: str) -> None:
    """From now on gates compare the metrics that uploaders claim. The bytes stay stored.

    Raises ModelNotFound, ModelArchived, HoldoutNotFound.
    """
    with database.write() as session:
        locked_active_model(session, model)
        row = current_holdout(session, model)
        if row is None:
            raise HoldoutNotFound(model)
        row.removed_at, row.removed_by = utc_now(), actor
        record(session, "holdout_removed", actor=actor, model=model, details={"sha256": row.sha256})
