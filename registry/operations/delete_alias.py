"""Delete an alias."""

from registry.errors import AliasNotFound
from registry.names import check_alias
from registry.operations.alias_requests import STATING, check_generation
from registry.operations.close_alert import close_alerts_of
from registry.operations.end_rollout import end_rollout
from registry.operations.rows import locked_model
from registry.operations.split_rows import clear_split
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import AliasRow


def delete_alias(
    database: Database,
    model: str,
    alias: str,
    *,
    actor: str,
    expected_generation: int | None = None,
    via: str | None = None,
) -> None:
    """Delete the alias; end its split, and close its alerts.

    ``expected_generation``: as in ``AliasRequest``. ``via``: as for ``record``.

    Raises AliasMalformed, ModelNotFound, AliasNotFound, ExpectedGenerationConflict.
    """
    check_alias(alias)
    with database.confirming(*STATING), database.write(confirm=True) as session:
        row = locked_model(session, model)
        target = session.get(AliasRow, (model, alias))
        if target is None:
            raise AliasNotFound(model, alias)
        check_generation(row, expected_generation)
        end_rollout(session, model, alias, "alias_deleted", actor=actor, via=via)
        clear_split(session, target, "alias_deleted", actor=actor, via=via)
        close_alerts_of(session, model, actor=actor, reason="The alias was deleted.", alias=alias)
        session.delete(target)
        row.generation += 1
        record(
            session,
            "alias_deleted",
            actor=actor,
            model=model,
            alias=alias,
            from_version=target.number,
            via=via,
        )
