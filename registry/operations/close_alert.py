"""Close an alert: what it reports no longer holds."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.operations.open_alert import alert_details, find_open_alert
from registry.storage.alert_tables import AlertKind
from registry.storage.history import record
from registry.storage.tables import HistoryHeadRow, utc_now


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
    session.execute(select(HistoryHeadRow).with_for_update())
    row = find_open_alert(session, kind, subject, model)
    if row is None:
        return False
    row.closed_at = utc_now()
    record(
        session,
        "alert_closed",
        actor=actor,
        model=model,
        alias=row.alias,
        reason=reason,
        details=alert_details(row),
    )
    return True
