"""The rows of rollouts, within a write transaction in which the model is locked."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from registry.errors import RolloutChanged, RolloutNotFound
from registry.operations.close_alert import close_alert
from registry.operations.open_alert import open_alert
from registry.rollouts.decide import figures
from registry.rollouts.observed import Observed
from registry.rollouts.progress import ACTIVE, Progress
from registry.storage.history import EventType, record
from registry.storage.rollout_tables import RolloutCountsRow, RolloutRow
from registry.storage.tables import utc_now
from registry.watching.rollouts import active_rollout, observed_of, plan_of

COOLDOWN = timedelta(hours=24)
"""How long a version that was rolled back is not rolled out again under the same alias."""


def locked_rollout(session: Session, seen: RolloutRow) -> RolloutRow:
    """The rollout that the caller has ``seen`` and decided about, which is still in progress and at
    the same revision.

    Raises RolloutNotFound where it has ended, RolloutChanged also where another one has begun.
    """
    row = active_rollout(session, seen.model, seen.alias)
    if row is None:
        raise RolloutNotFound(seen.model, seen.alias)
    if (row.id, row.revision) != (seen.id, seen.revision):
        raise RolloutChanged(seen.alias, seen.revision, row.revision, row.state)
    return row


def write_progress(
    session: Session,
    row: RolloutRow,
    progress: Progress,
    reason: str,
    observed: Observed | None = None,
) -> None:
    """Bring ``row`` to ``progress``. ``observed``: what was counted; None: as it is stored."""
    now = utc_now()
    row.state, row.blocked, row.reason = progress.state, progress.blocked, reason
    row.step, row.step_began_at = progress.step, progress.step_began_at
    row.deadline_at = progress.deadline_at
    row.revision += 1
    if observed is not None:
        row.evidence = observed.to_json()
    if progress.state not in ACTIVE:
        row.ended_at = now
        session.execute(delete(RolloutCountsRow).where(RolloutCountsRow.rollout == row.id))
        row.cooldown_until = now + COOLDOWN if progress.state == "rolled_back" else None


def record_rollout(
    session: Session,
    type_: EventType,
    row: RolloutRow,
    *,
    actor: str,
    reason: str | None,
    via: str | None = None,
) -> None:
    """Record an event of the rollout, with the figures that are known about its guards."""
    record(
        session,
        type_,
        actor=actor,
        model=row.model,
        alias=row.alias,
        from_version=row.champion,
        to_version=row.version,
        reason=reason,
        details={**rollout_details(row), "state": row.state},
        via=via,
    )


def rollout_details(row: RolloutRow) -> dict[str, Any]:
    """What the events of a rollout, and those of its moves, say about it."""
    return {
        "rollout": row.id,
        "step": row.step + 1,
        "guards": figures(plan_of(row), observed_of(row)),
    }


def update_alerts(session: Session, row: RolloutRow, *, actor: str) -> None:
    """Open or close the alerts of the alias, as the state requires."""
    if row.state == "held":
        _open(session, "held", row, actor)
    else:
        close_alert(session, "held", row.alias, actor=actor, reason=row.reason, model=row.model)
    close_alert(session, "rollout", row.alias, actor=actor, reason=row.reason, model=row.model)
    if row.state == "rolled_back":
        _open(session, "guard", row, actor)


def _open(session: Session, kind: Any, row: RolloutRow, actor: str) -> None:
    open_alert(
        session,
        kind,
        row.alias,
        row.reason,
        actor=actor,
        model=row.model,
        alias=row.alias,
        version=row.version,
        evidence=rollout_details(row),
    )
