"""Delete a webhook, with the record of the messages that it received."""

from sqlalchemy import delete

from registry.deliveries.urls import parse_url
from registry.operations.change_webhook import alert_subject
from registry.operations.close_alert import close_alert
from registry.reading.webhooks import find_webhook
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.webhook_tables import DeliveryRow


def delete_webhook(database: Database, webhook_id: int, *, actor: str) -> None:
    """Delete the webhook at once. A message that is being sent may still arrive.

    Raises WebhookNotFound.
    """
    with database.write() as session:
        row = find_webhook(session, webhook_id, lock=True)
        session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
        session.delete(row)
        details = {"webhook_id": webhook_id, "origin": parse_url(row.url).origin}
        reason = f"The webhook {webhook_id} was deleted."
        close_alert(session, "webhook", alert_subject(webhook_id), actor=actor, reason=reason)
        record(session, "webhook_deleted", actor=actor, details=details)
