"""Open an alert."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.alert_tables import AlertKind, AlertRow
from registry.storage.history import lock_head, record


def open_alert(
    session: Session,
    kind: AlertKind,
    subject: str,
    message: str,
    *,
    actor: str,
    model: str | None = None,
    alias: str | None = None,
    version: int | None = None,
    evidence: dict[str, Any] | None = None,
) -> bool:
    """Open an alert and record ``alert_opened``, within the caller's write transaction; whether
    this was done: not if the alert of this model, kind and subject is open.

    ``message`` is what was found, in one sentence; ``evidence`` are the figures that led to it.
    """
    if find_open_alert(session, kind, subject, model) is not None:
        return False
    # Another transaction may be opening it. All events wait here, so the second one finds it.
    lock_head(session)
    if find_open_alert(session, kind, subject, model) is not None:
        return False
    row = AlertRow(
        model=model,
        alias=alias,
        version=version,
        kind=kind,
        subject=subject,
        message=message,
        evidence=evidence or {},
    )
    session.add(row)
    session.flush()
    record(
        session,
        "alert_opened",
        actor=actor,
        model=model,
        alias=alias,
        reason=message,
        details=alert_details(row) | ({"evidence": row.evidence} if row.evidence else {}),
    )
    return True


def find_open_alert(
    session: Session, kind: AlertKind, subject: str, model: str | None
) -> AlertRow | None:
    """The open alert of the model, kind and subject."""
    return session.scalar(
        select(AlertRow).where(
            AlertRow.model.is_(None) if model is None else AlertRow.model == model,
            AlertRow.kind == kind,
            AlertRow.subject == subject,
            AlertRow.closed_at.is_(None),
        )
    )


def alert_details(row: AlertRow) -> dict[str, Any]:
    """The alert in the details of its events."""
    details: dict[str, Any] = {"alert": row.id, "kind": row.kind, "subject": row.subject}
    return details if row.version is None else {**details, "version": row.version}
