"""The file with the key that the secrets of webhooks are computed from."""

import secrets
from pathlib import Path

from registry.deliveries.signing import KEY_BYTES, SigningKey
from registry.errors import WebhookKeyUnavailable
from registry.storage.durable import make_directory, write_whole

NAME = "webhooks.key"
"""In the data directory; backups do not contain it."""


class KeyFile:
    """The key in the file ``path``, as hexadecimal digits; only this user may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> SigningKey | None:
        """The key; None if there is no file. Raises WebhookKeyUnavailable."""
        try:
            value = bytes.fromhex(self._path.read_text("ascii").strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WebhookKeyUnavailable(error.strerror or type(error).__name__) from error
        except ValueError:
            raise WebhookKeyUnavailable(f"{self._path} does not contain a key") from None
        if len(value) != KEY_BYTES:
            raise WebhookKeyUnavailable(f"{self._path} does not contain a key")
        return SigningKey(value)

    def ensure(self) -> SigningKey:
        """The key, which is generated if there is none; durable when this returns.

        Processes that might do so at the same time have to take turns. Raises
        WebhookKeyUnavailable.
        """
        if (key := self.read()) is not None:
            return key
        key = SigningKey(secrets.token_bytes(KEY_BYTES))
        try:
            make_directory(self._path.parent)
            write_whole(self._path, f"{key.value.hex()}\n".encode())
        except OSError as error:
            raise WebhookKeyUnavailable(error.strerror or type(error).__name__) from error
        return key
