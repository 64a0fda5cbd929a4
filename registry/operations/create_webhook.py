"""Create a webhook. Its secret is returned once, to the caller."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select

from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import KeyFile
from registry.deliveries.signing import SALT_BYTES, secret_text
from registry.deliveries.urls import parse_url
from registry.errors import TooManyWebhooks
from registry.operations.webhook_checks import check_webhook
from registry.reading.views import View
from registry.reading.webhooks import webhook_view
from registry.storage.database import Database
from registry.storage.history import lock_head, record
from registry.storage.webhook_tables import WebhookRow

MOST_WEBHOOKS = 100


def create_webhook(
    database: Database,
    keys: KeyFile,
    allowed: Allowed,
    url: str,
    events: Sequence[str],
    *,
    actor: str,
    models: Sequence[str] | None = None,
) -> View:
    """The new webhook's view with its secret under ``secret``.

    It receives the events that are recorded after its creation. ``events`` and ``models`` are glob
    patterns of ``*`` and ``?``; ``models`` None: every model, and events without one.

    Raises WebhookRefused, TooManyWebhooks, WebhookKeyUnavailable.
    """
    check_webhook(url, events, models, allowed)
    with database.write() as session:
        # Concurrent callers wait here, also on PostgreSQL: one of them generates the key.
        lock_head(session)
        if (session.scalar(select(func.count(WebhookRow.id))) or 0) >= MOST_WEBHOOKS:
            raise TooManyWebhooks(MOST_WEBHOOKS)
        key = keys.ensure()
        row = WebhookRow(
            url=url,
            events=list(events),
            models=None if models is None else list(models),
            since_seq=0,
            salt=secrets.token_bytes(SALT_BYTES),
            rotation=0,
            key=key.fingerprint,
            created_by=actor,
        )
        session.add(row)
        session.flush()
        details = {
            "webhook_id": row.id,
            # The rest of a URL is a secret with many receivers, and the history is kept for ever.
            "origin": parse_url(url).origin,
            "events": row.events,
            "models": row.models,
        }
        row.since_seq = record(session, "webhook_created", actor=actor, details=details).seq
        return {**webhook_view(row), "secret": secret_text(key.secret(row.salt, row.rotation))}
