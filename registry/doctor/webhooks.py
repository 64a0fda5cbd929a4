"""Checks that messages reach the receivers of webhooks."""

from collections.abc import Iterator

from sqlalchemy import select

from registry.deliveries.key_file import NAME, KeyFile
from registry.deliveries.signing import SigningKey
from registry.doctor.findings import Finding, Installation
from registry.doctor.records import current_database
from registry.reading.views import timestamp
from registry.storage.webhook_tables import WebhookRow


def check_webhooks(installation: Installation) -> Iterator[Finding]:
    """Each webhook is enabled, does not fail, and can be signed for."""
    if (database := current_database(installation)) is None:
        return
    with database.read() as session:
        rows = session.scalars(select(WebhookRow).order_by(WebhookRow.id)).all()
    if not rows:
        return
    key = KeyFile(installation.data / NAME).read()
    found = [finding for row in rows for finding in _findings(row, key)]
    yield from found
    if not found:
        said = "1 webhook receives" if len(rows) == 1 else f"{len(rows)} webhooks receive"
        yield Finding("webhooks", "ok", f"{said} messages")


def _findings(row: WebhookRow, key: SigningKey | None) -> Iterator[Finding]:
    if row.disabled_at is not None:
        said = f"webhook {row.id} is disabled: {row.disabled_why}"
        advice = f"Mend its receiver and run 'hotswap webhooks enable {row.id}', or delete it."
        yield Finding("webhooks", "warning", said, advice)
    elif key is None or key.fingerprint != row.key:
        said = f"the key of webhook {row.id} is not in {NAME}, so nothing is sent to it"
        advice = f"Restore that file, or run 'hotswap webhooks rotate {row.id}'."
        yield Finding("webhooks", "fault", said, advice)
    elif row.failing_since is not None:
        said = f"messages to webhook {row.id} have failed since {timestamp(row.failing_since)}"
        advice = f"'hotswap webhooks deliveries {row.id}' says why."
        yield Finding("webhooks", "warning", said, advice)
