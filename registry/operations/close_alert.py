"""Close an alert: what it reports no longer holds."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.operations.open_alert import alert_details, find_open_alert
from registry.storage.alert_tables import AlertKind, AlertRow
from registry.storage.history import lock_head, record
from registry.storage.tables import utc_now


def close_alert(
    session: Session,
    kind: AlertKind,
    subject: str,
    *,
    actor: str,
    reason: str,
    model: str | None = None,
) -> bool:
    """Close the open alert of this model, kind and subject and record ``alert_closed``, within the
    caller's write transaction; whether there was one."""
    if find_open_alert(session, kind, subject, model) is None:
        return False
    # Another transaction may be closing it. All events wait here, so the second one does not.
    lock_head(session)
    row = find_open_alert(session, kind, subject, model)
    if row is None:
        return False
    _close(session, row, actor, reason)
    return True


def close_alerts_of(
    session: Session, model: str, *, actor: str, reason: str, alias: str | None = None
) -> None:
    """Close all open alerts of the model, which is locked, or those of one ``alias`` of it, within
    the caller's write transaction."""
    lock_head(session)
    query = select(AlertRow).where(AlertRow.model == model, AlertRow.closed_at.is_(None))
    if alias is not None:
        query = query.where(AlertRow.alias == alias)
    for row in session.scalars(query.order_by(AlertRow.id)).all():
        _close(session, row, actor, reason)


def _close(session: Session, row: AlertRow, actor: str, reason: str) -> None:
    row.closed_at = utc_now()
    record(
        session,
        "alert_closed",
        actor=actor,
        model=row.model,
        alias=row.alias,
        reason=reason,
        details=alert_details(row),
    )
