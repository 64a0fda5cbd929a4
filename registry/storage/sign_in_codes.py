"""Codes that sign somebody in once, on the machine that the service runs on.

Each is a file named after the SHA-256 of the code; the code itself is not stored. Removing the file
uses the code, so of several workers that try at the same time one succeeds (unlink(2)). The files
are not in the database, which servers on other machines may share.
"""

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from registry.errors import SignInLinkRefused
from registry.storage.durable import make_directory, write_whole

VALID = timedelta(minutes=10)


class SignInCodes:
    """The codes in the folder ``run`` of a service."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "sign-in"

    def make(self, token: str, now: datetime) -> str:
        """A new code of 256 random bits for the token with the digest ``token``. Raises OSError."""
        code = secrets.token_urlsafe(32)
        make_directory(self._folder)
        write_whole(self._file(code), f"{token} {(now + VALID).isoformat()}\n".encode())
        return code

    def use(self, code: str, now: datetime) -> str:
        """The digest of the token that ``code`` was made for; the code is then used.

        Raises SignInLinkRefused if there is no such code, or it was used or has expired.
        """
        file = self._file(code)
        try:
            token, expires = file.read_text().split()
            file.unlink()
        except FileNotFoundError as error:
            raise SignInLinkRefused.used() from error
        if now >= datetime.fromisoformat(expires):
            raise SignInLinkRefused.used()
        return token

    def clear(self) -> None:
        """Forget all codes."""
        with suppress(FileNotFoundError):
            for file in self._folder.iterdir():
                file.unlink()

    def _file(self, code: str) -> Path:
        return self._folder / hashlib.sha256(code.encode("utf-8", "surrogateescape")).hexdigest()
