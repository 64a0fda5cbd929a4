"""Webhooks and the messages that were sent to them. No view has a secret."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import DeliveryNotFound, WebhookNotFound
from registry.reading.pages import Page, Paging, numbered_page
from registry.reading.views import View, timestamp
from registry.storage.tables import utc_now
from registry.storage.webhook_tables import DeliveryCountRow, DeliveryRow, WebhookRow


def list_webhooks(session: Session, paging: Paging) -> Page:
    """The webhooks, newest first."""
    return numbered_page(session, select(WebhookRow), paging, webhook_view, WebhookRow.id)


def find_webhook(session: Session, webhook_id: int, *, lock: bool = False) -> WebhookRow:
    """The webhook; with ``lock`` for changing it. Raises WebhookNotFound."""
    row = session.get(WebhookRow, webhook_id, with_for_update=True if lock else None)
    if row is None:
        raise WebhookNotFound(webhook_id)
    return row


def list_deliveries(
    session: Session, webhook_id: int, paging: Paging, state: str | None = None
) -> Page:
    """The messages to the webhook, newest first. Raises WebhookNotFound."""
    find_webhook(session, webhook_id)
    query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
    if state is not None:
        query = query.where(DeliveryRow.state == state)
    return numbered_page(session, query, paging, delivery_view, DeliveryRow.id)


def find_delivery(session: Session, webhook_id: int, delivery_id: int) -> DeliveryRow:
    """The message, for changing it. Raises WebhookNotFound, DeliveryNotFound."""
    find_webhook(session, webhook_id)
    row = session.get(DeliveryRow, delivery_id, with_for_update=True)
    if row is None or row.webhook_id != webhook_id:
        raise DeliveryNotFound(webhook_id, delivery_id)
    return row


def delivery_counts(session: Session) -> dict[str, int]:
    """How many attempts to send a message had each result."""
    rows = session.scalars(select(DeliveryCountRow))
    return {row.result: row.count for row in rows}


def webhook_view(row: WebhookRow) -> View:
    overlap = row.previous_until
    return {
        "id": row.id,
        "url": row.url,
        "events": row.events,
        "models": row.models,
        "enabled": row.disabled_at is None,
        "disabled_at": None if row.disabled_at is None else timestamp(row.disabled_at),
        "disabled_why": row.disabled_why,
        "failing_since": None if row.failing_since is None else timestamp(row.failing_since),
        "previous_secret_until": None
        if overlap is None or overlap <= utc_now()
        else timestamp(overlap),
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
    }


def delivery_view(row: DeliveryRow) -> View:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "event": row.event,
        "seq": row.seq,
        "model": row.model,
        "state": row.state,
        "attempts": row.attempts,
        "created_at": timestamp(row.created_at),
        "next_at": timestamp(row.due_at) if row.state == "waiting" else None,
        "last_at": None if row.last_at is None else timestamp(row.last_at),
        "last_status": row.last_status,
        "last_error": row.last_error,
    }
