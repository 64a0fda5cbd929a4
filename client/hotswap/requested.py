"""JSON bodies and headers of small requests."""

import json
import uuid
from collections.abc import Mapping
from typing import Any


def promotion_request(**given: Any) -> dict[str, Any]:
    """``given`` without the values that are None, for which the service has defaults."""
    return {name: value for name, value in given.items() if value is not None}


def json_body(request: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(request), allow_nan=False).encode()


def with_key(idempotency_key: str | None) -> dict[str, str]:
    """The header by which the service recognises a repeated request; a new key unless one is given.

    Raises ValueError for a key that a header cannot hold.
    """
    if idempotency_key is None:
        return {"Idempotency-Key": str(uuid.uuid4())}
    if not idempotency_key or not (idempotency_key.isascii() and idempotency_key.isprintable()):
        raise ValueError("An idempotency key must be printable ASCII and not empty.")
    return {"Idempotency-Key": idempotency_key}
