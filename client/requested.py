"""The small JSON requests, in which what was not given must not appear."""

import json
import uuid
from collections.abc import Mapping
from typing import Any


def promotion_request(**given: Any) -> dict[str, Any]:
    """``given`` without what is None: there the service's own default holds."""
    return {name: value for name, value in given.items() if value is not None}


def json_body(request: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(request), allow_nan=False).encode()


def with_key(idempotency_key: str | None) -> dict[str, str]:
    """The header under which a repeat of the request is known again; a new key unless one is given.

    Raises ValueError where the key cannot stand in a header.
    """
    if idempotency_key is None:
        return {"Idempotency-Key": str(uuid.uuid4())}
    if not idempotency_key or not (idempotency_key.isascii() and idempotency_key.isprintable()):
        raise ValueError("An idempotency key is printable ASCII, and not empty.")
    return {"Idempotency-Key": idempotency_key}
