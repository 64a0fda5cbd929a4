"""Open an alert where a promoted version that fails a guard cannot be rolled back."""

from registry.errors import RegistryError
from registry.operations.move_rollout import KEEPER
from registry.operations.open_alert import open_alert
from registry.operations.rollout_rows import rollout_details
from registry.operations.rows import locked_active_model
from registry.storage.database import Database
from registry.storage.rollout_tables import RolloutRow
from registry.watching.rollouts import active_rollout


def report_rollback(
    database: Database, seen: RolloutRow, reason: str, refused: RegistryError
) -> None:
    """Open the alert ``rollout`` of the alias of ``seen``, a rollout that was to be rolled back
    after its promotion for ``reason``, which was ``refused``. Its next change closes the alert.

    Does nothing where it has ended or has changed by now. Raises ModelNotFound,
    ModelArchived, DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.write(announce=False) as session:
        # So that a change of the rollout, which closes the alert, comes before or after.
        locked_active_model(session, seen.model)
        row = active_rollout(session, seen.model, seen.alias)
        if row is None or (row.id, row.revision) != (seen.id, seen.revision):
            return
        open_alert(
            session,
            "rollout",
            row.alias,
            f"Version {row.version} cannot be rolled back to version {row.champion}: "
            f"{refused.detail.rstrip('.')}. {reason}",
            actor=KEEPER,
            model=row.model,
            alias=row.alias,
            version=row.version,
            evidence=rollout_details(row),
        )
