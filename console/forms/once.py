"""A form that changes something is carried out once, however often it is sent.

Its page has a random Idempotency-Key in a hidden field; the operation stores its answer under it.
"""

import hashlib
import json
import secrets

from api.access import grant
from console.forms.submitted import Form
from registry.storage.idempotency import Idempotency

KEY_FIELD = "idempotency_key"


def new_key() -> str:
    """The value of the hidden field of a new page."""
    return secrets.token_urlsafe(16)


def idempotency_of(form: Form, operation: str) -> Idempotency | None:
    """The key that ``form`` was sent with, for ``operation``: its name and what it works on.

    None without a key. Raises IdempotencyKeyMalformed.
    """
    key = form.text(KEY_FIELD)
    if not key:
        return None
    typed = {name: text for name, text in form.typed.items() if name != KEY_FIELD}
    text = json.dumps(["console", operation, typed], sort_keys=True)
    return Idempotency(grant().token_id, key, hashlib.sha256(text.encode()).hexdigest())
