"""flask-smorest blueprints with this API's parser, content negotiation and idempotency."""

from typing import Any

import marshmallow as ma
from flask import request
from flask_smorest import Blueprint as SmorestBlueprint

from api.access import grant
from api.arguments import Parser
from api.negotiation import JSON, require_accepted
from api.schemas.bases import OptionalBodySchema
from registry.operations.results import OperationResult
from registry.storage.idempotency import Idempotency

REPLAYED = "Idempotent-Replayed"


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "description": "A repeated key returns the first response and changes nothing.",
}
"""The OpenAPI description of the header, for every route that accepts it."""


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest publishes no types
    """A resource of the API.

    Its routes produce the media type ``produces`` and refuse a request that does not accept it;
    None if each route negotiates itself.
    """

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, produces: str | None = JSON, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if produces is not None:
            self.before_request(lambda: require_accepted(produces))

    def arguments(self, schema: type[ma.Schema], *, location: str = "json", **more: Any) -> Any:
        """Parse the request with ``schema``; a body is optional for an OptionalBodySchema only."""
        if location == "query":
            more.setdefault("error_status_code", 400)
        else:
            more.setdefault("required", not issubclass(schema, OptionalBodySchema))
        return super().arguments(schema, location=location, **more)


def idempotency(fingerprint: str) -> Idempotency | None:
    """The caller's Idempotency-Key, with the fingerprint of the request; None if none was sent.

    Raises IdempotencyKeyMalformed.
    """
    key = request.headers.get("Idempotency-Key")
    return None if key is None else Idempotency(grant().token_id, key, fingerprint)


def replay_header(result: OperationResult) -> dict[str, str]:
    """The header that marks a replayed response."""
    return {REPLAYED: "true"} if result.replayed else {}
