"""End a rollout because something else has changed its alias."""

from typing import Literal

from sqlalchemy.orm import Session

from registry.operations.alias_requests import AliasRequest
from registry.operations.rollout_rows import record_rollout, update_alerts, write_progress
from registry.watching.rollouts import active_rollout, progress_of

Cause = Literal[
    "split_changed", "ended", "promoted", "rolled_back", "alias_deleted", "model_archived"
]
_CAUSES: dict[Cause, str] = {
    "split_changed": "the weights of its split were changed",
    "ended": "its split was ended",
    "promoted": "a version was promoted",
    "rolled_back": "it was rolled back",
    "alias_deleted": "it was deleted",
    "model_archived": "its model was archived",
}


def end_rollout(
    session: Session, model: str, alias: str, cause: Cause, *, actor: str, via: str | None = None
) -> bool:
    """End the rollout in progress under ``alias``, if there is one, within the caller's write
    transaction, in which the model is locked; whether there was one.

    ``cause``: what the caller does with the alias, which is not a move of the rollout.
    """
    row = active_rollout(session, model, alias)
    if row is None:
        return False
    reason = f"{actor} changed the alias '{alias}' during the rollout: {_CAUSES[cause]}."
    write_progress(session, row, progress_of(row).ended(), reason)
    record_rollout(session, "rollout_ended", row, actor=actor, reason=reason, via=via)
    update_alerts(session, row, actor=actor)
    return True


def end_other_rollout(session: Session, model: str, request: AliasRequest, cause: Cause) -> None:
    """As ``end_rollout``, unless ``request`` is a move of the rollout itself, which changes it
    within the transaction."""
    if request.within is None:
        end_rollout(session, model, request.alias, cause, actor=request.actor, via=request.via)
