"""Change a webhook, disable or enable it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from registry.deliveries.addresses import Allowed
from registry.deliveries.urls import parse_url
from registry.operations.close_alert import close_alert
from registry.operations.webhook_checks import check_webhook
from registry.reading.views import View
from registry.reading.webhooks import find_webhook, webhook_view
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import utc_now
from registry.storage.webhook_tables import DeliveryRow, WebhookRow

NOT_SENT = "The webhook was disabled."


def change_webhook(
    database: Database,
    allowed: Allowed,
    webhook_id: int,
    *,
    actor: str,
    url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
    **models: Any,
) -> View:
    """The webhook's view after the change. What is not given stays; ``models`` may be given as
    None, for every model. What equals the present state is no change, and is not recorded.

    While it is disabled, a webhook receives nothing, and later nothing of what happened meanwhile.
    A change of the URL keeps the secret.

    Raises WebhookNotFound, WebhookRefused.
    """
    check_webhook(url, events, models.get("models"), allowed)
    with database.write() as session:
        row = find_webhook(session, webhook_id, lock=True)
        changes: dict[str, Any] = {}
        if url is not None and url != row.url:
            row.url, changes["origin"] = url, parse_url(url).origin
        if events is not None and list(events) != row.events:
            row.events = changes["events"] = list(events)
        if "models" in models and models["models"] != row.models:
            row.models = changes["models"] = models["models"]
        if enabled is not None and enabled is not (row.disabled_at is None):
            changes["enabled"] = enabled
        if not changes:
            return webhook_view(row)
        details = {"webhook_id": row.id, "changes": changes}
        event = record(session, "webhook_changed", actor=actor, details=details)
        if changes.get("enabled") is True:
            row.disabled_at = row.disabled_why = row.failing_since = None
            row.since_seq = event.seq
            reason = f"The webhook {row.id} was enabled."
            close_alert(session, "webhook", alert_subject(row.id), actor=actor, reason=reason)
        elif changes.get("enabled") is False:
            mark_disabled(session, row, f"Disabled by {actor}.")
        return webhook_view(row)


def mark_disabled(session: Session, row: WebhookRow, why: str) -> None:
    """Disable the webhook. What waits to be sent to it has failed."""
    row.disabled_at, row.disabled_why = utc_now(), why
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.webhook_id == row.id, DeliveryRow.state == "waiting")
        .values(state="failed", last_error=NOT_SENT)
    )


def alert_subject(webhook_id: int) -> str:
    """The subject of the alert that is open while the webhook is switched off by the service."""
    return f"webhook {webhook_id}"
