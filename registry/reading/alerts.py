"""Lists alerts."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.reading.pages import Page, Paging, numbered_page
from registry.reading.queries import covered_models, find_model
from registry.reading.views import View, timestamp
from registry.storage.alert_tables import AlertRow
from registry.storage.tables import ModelRow
from registry.tokens import Grant


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; None: any. ``is_open``: whether what they report still holds."""

    model: str | None = None
    kind: str | None = None
    is_open: bool | None = None


def list_alerts(session: Session, grant: Grant, wanted: AlertFilter, paging: Paging) -> Page:
    """The alerts of the models that ``grant`` covers, newest first; those of the server only for a
    grant of all models."""
    query = select(AlertRow)
    if grant.models is not None:
        covered = select(ModelRow.name).where(covered_models(grant))
        query = query.where(AlertRow.model.in_(covered))
    for column, value in ((AlertRow.model, wanted.model), (AlertRow.kind, wanted.kind)):
        if value is not None:
            query = query.where(column == value)
    if wanted.is_open is not None:
        closed = AlertRow.closed_at.is_not(None)
        query = query.where(~closed if wanted.is_open else closed)
    return numbered_page(session, query, paging, alert_view, AlertRow.id)


def alerts_of(
    session: Session, grant: Grant, model: str, wanted: AlertFilter, paging: Paging
) -> Page:
    """As ``list_alerts``, of one model. Raises NameMalformed, ModelNotFound."""
    find_model(session, model)
    only = AlertFilter(model=model, kind=wanted.kind, is_open=wanted.is_open)
    return list_alerts(session, grant, only, paging)


def open_alerts(session: Session) -> dict[tuple[str, str], int]:
    """How many alerts are open, by model and kind; the model is empty for those of the server."""
    counted = (
        select(AlertRow.model, AlertRow.kind, func.count())
        .where(AlertRow.closed_at.is_(None))
        .group_by(AlertRow.model, AlertRow.kind)
        .order_by(AlertRow.model, AlertRow.kind)
    )
    return {(model or "", kind): count for model, kind, count in session.execute(counted)}


def covers_alert(grant: Grant, row: AlertRow) -> bool:
    """Whether the holder of ``grant`` may see the alert."""
    return grant.models is None if row.model is None else grant.covers(row.model)


def alert_view(row: AlertRow) -> View:
    """The alert as plain JSON data."""
    return {
        "id": row.id,
        "kind": row.kind,
        "model": row.model,
        "alias": row.alias,
        "version": row.version,
        "subject": row.subject,
        "message": row.message,
        "evidence": row.evidence,
        "opened_at": timestamp(row.opened_at),
        "closed_at": None if row.closed_at is None else timestamp(row.closed_at),
        "seen_at": None if row.seen_at is None else timestamp(row.seen_at),
        "seen_by": row.seen_by,
    }
