"""API tokens: how they are generated, what they allow, how one is looked up."""

import base64
import fnmatch
import hashlib
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from registry.errors import ModelForbidden, ScopeMissing
from registry.names import name_key
from registry.storage.tables import TokenRow

Scope = Literal["predict", "upload", "promote", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Kind = Literal["person", "program"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Who uses a token. It changes no rights: people read it, in lists and in the history."""
TokenState = Literal["valid", "expired", "revoked"]
TOKEN_STATES: tuple[TokenState, ...] = get_args(TokenState)
PREFIX = "hsw_"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the bearer of a token may do. ``models`` None: with every model."""

    token_id: int
    name: str
    scopes: frozenset[str]
    models: tuple[str, ...] | None

    def has_scope(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def covers(self, model: str) -> bool:
        """Whether one of the glob patterns matches the model's name, in any case."""
        return self.models is None or any(
            fnmatch.fnmatchcase(name_key(model), name_key(pattern)) for pattern in self.models
        )

    def require(self, scope: Scope | None, model: str | None = None) -> None:
        """Raises ScopeMissing or ModelForbidden; ``scope`` None: any token suffices."""
        if scope is not None and not self.has_scope(scope):
            raise ScopeMissing(scope)
        if model is not None and not self.covers(model):
            raise ModelForbidden(model)


def new_token() -> str:
    """A new token: the prefix, 256 random bits, and a CRC-32 by which secret scanners find one."""
    body = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"{PREFIX}{body}{_checksum(body)}"


def looks_whole(token: str) -> bool:
    """Whether ``token`` could be from ``new_token``, by its prefix and checksum."""
    body, checksum = token.removeprefix(PREFIX)[:-8], token[-8:]
    return token.startswith(PREFIX) and _checksum(body) == checksum


def token_digest(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a plain SHA-256 is sufficient.

    Tokens are looked up by it, which is as safe as a comparison in constant time: the duration of a
    lookup reveals at most how a digest begins, callers cannot choose how theirs begins, and a token
    cannot be computed from its digest.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_live(row: TokenRow, now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def is_unrestricted_admin(row: TokenRow) -> bool:
    """Whether the token, while it is valid, allows everything with every model."""
    return "admin" in row.scopes and row.models is None


def grant_of(row: TokenRow) -> Grant:
    return Grant(
        row.id,
        row.name,
        frozenset(row.scopes),
        None if row.models is None else tuple(row.models),
    )


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    return sorted(set(scopes) - set(SCOPES))


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogateescape')):08x}"
