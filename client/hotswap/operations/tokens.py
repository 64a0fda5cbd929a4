"""Tokens."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from hotswap.operations.service import JSON, Service
from hotswap.pages import all_items
from hotswap.replies import NewToken, Token
from hotswap.requested import json_body
from hotswap.transport import path_of


class Tokens(Service):
    """The tokens of the service."""

    def tokens(self, *, state: str | None = None, q: str | None = None) -> Iterator[Token]:
        """The tokens, without their secrets: those that are ``valid``, ``expired`` or ``revoked``,
        and whose name contains ``q``."""
        given = {key: value for key, value in (("state", state), ("q", q)) if value is not None}
        return all_items(self._transport, "/tokens", given)

    def own_token(self) -> Token:
        """The token of this client: its name, scopes and models."""
        return cast(Token, self._get("/tokens/self", "name", "scopes"))

    def create_token(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        models: Sequence[str] = (),
        expires_at: datetime | None = None,
        kind: str | None = None,
    ) -> NewToken:
        """Create a token; only this reply has its secret.

        ``models`` are glob patterns, none means all. ``expires_at`` must have a time zone.
        ``kind`` says who uses it: ``program`` (the default) or ``person``.
        """
        request: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if kind is not None:
            request["kind"] = kind
        if models:
            request["models"] = list(models)
        if expires_at is not None:
            request["expires_at"] = expires_at.isoformat()
        reply = self._transport.request(
            "POST", "/tokens", body=json_body(request), headers={"Content-Type": JSON}
        )
        return cast(NewToken, reply.object("id", "token"))

    def rotate_token(self, token_id: int) -> NewToken:
        """Replace a token by a new one with the same rights, and revoke it immediately; only this
        reply has the new secret."""
        reply = self._transport.request("POST", path_of("tokens", token_id, "rotate"))
        return cast(NewToken, reply.object("id", "token"))

    def revoke_token(self, token_id: int) -> None:
        """Revoke a token immediately."""
        self._transport.request("DELETE", path_of("tokens", token_id))
