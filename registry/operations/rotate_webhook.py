"""Give a webhook a new secret."""

import secrets

from registry.deliveries.key_file import KeyFile
from registry.deliveries.signing import OVERLAP, SALT_BYTES, secret_text
from registry.reading.views import View
from registry.reading.webhooks import find_webhook, webhook_view
from registry.storage.database import Database
from registry.storage.history import lock_head, record
from registry.storage.tables import utc_now


def rotate_webhook(database: Database, keys: KeyFile, webhook_id: int, *, actor: str) -> View:
    """The webhook's view with its new secret under ``secret``.

    For 24 hours messages are also signed with the secret before this one, except where the key that
    it was computed from has been lost. The salt is a new one, so that after an older backup was
    restored, no secret is given out that had been replaced before.

    Raises WebhookNotFound, WebhookKeyUnavailable.
    """
    with database.write() as session:
        row = find_webhook(session, webhook_id, lock=True)
        # As where webhooks are created: one of several callers generates a missing key. Locked
        # second, as where webhooks are changed.
        lock_head(session)
        key = keys.ensure()
        row.previous_until = utc_now() + OVERLAP if row.key == key.fingerprint else None
        row.previous_salt, row.salt = row.salt, secrets.token_bytes(SALT_BYTES)
        row.rotation, row.key = row.rotation + 1, key.fingerprint
        details = {"webhook_id": row.id, "rotation": row.rotation}
        record(session, "webhook_changed", actor=actor, details=details)
        return {**webhook_view(row), "secret": secret_text(key.secret(row.salt, row.rotation))}
