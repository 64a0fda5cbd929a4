"""Signatures of messages, as in Standard Webhooks 1.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

Secrets are computed from a key that is in a file, so whoever reads the database or a backup cannot
sign a message.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

KEY_BYTES = 32
SALT_BYTES = 16
OVERLAP = timedelta(hours=24)
"""How long messages are also signed with the secret before a rotation."""
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that all secrets are computed from. It is never printed: ``repr`` omits it."""

    value: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell this key from others and reveal nothing of it."""
        return self._digest(b"fingerprint").hex()[:16]

    def secret(self, salt: bytes, rotation: int) -> bytes:
        """The secret of the webhook with this ``salt`` after this many rotations: 32 bytes."""
        return self._digest(b"secret", salt, rotation.to_bytes(4, "big"))

    def _digest(self, *parts: bytes) -> bytes:
        # Each part is preceded by its length, so that no two lists of parts give the same bytes.
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self.value, message, hashlib.sha256)


def secret_text(secret: bytes) -> str:
    """The secret as receivers store it: ``whsec_`` and Base64."""
    return _PREFIX + base64.b64encode(secret).decode()


def signed_headers(
    secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The headers that identify and sign a message, with one signature for each secret.

    ``timestamp``: when it is sent, in seconds since 1970.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (hmac.digest(secret, content, hashlib.sha256) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
