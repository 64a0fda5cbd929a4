"""New messages."""

import secrets

from registry.storage.webhook_tables import DeliveryRow


def new_message(webhook_id: int, seq: int | None, event: str, model: str | None) -> DeliveryRow:
    """A message to the webhook that is due now.

    Its id is random, not made from the numbers: these begin anew where a backup is restored, and a
    receiver ignores an id that it knows.
    """
    return DeliveryRow(
        webhook_id=webhook_id,
        message_id=f"msg_{secrets.token_hex(16)}",
        seq=seq,
        event=event,
        model=model,
        state="waiting",
        attempts=0,
    )
