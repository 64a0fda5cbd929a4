"""Request that a message is sent: a test of a webhook, or one that was sent before."""

from registry.deliveries.messages import new_message
from registry.deliveries.patterns import TEST_EVENT
from registry.errors import WebhookDisabled
from registry.reading.views import View
from registry.reading.webhooks import delivery_view, find_delivery, find_webhook
from registry.storage.database import Database
from registry.storage.tables import utc_now


def request_test(database: Database, webhook_id: int) -> View:
    """The view of a new message that tests the webhook; the keeper sends it.

    Raises WebhookNotFound, WebhookDisabled.
    """
    with database.write(announce=False) as session:
        if find_webhook(session, webhook_id).disabled_at is not None:
            raise WebhookDisabled(webhook_id)
        row = new_message(webhook_id, None, TEST_EVENT, None)
        session.add(row)
        session.flush()
        return delivery_view(row)


def request_resend(database: Database, webhook_id: int, delivery_id: int) -> View:
    """The view of a message that is sent again now, with the same id, whatever became of it before.

    One that has ended is tried as often as a new one.

    Raises WebhookNotFound, DeliveryNotFound, WebhookDisabled.
    """
    with database.write(announce=False) as session:
        row = find_delivery(session, webhook_id, delivery_id)
        if find_webhook(session, webhook_id).disabled_at is not None:
            raise WebhookDisabled(webhook_id)
        if row.state != "waiting":
            row.state, row.attempts = "waiting", 0
        row.due_at = utc_now()
        return delivery_view(row)
