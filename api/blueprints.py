"""flask-smorest blueprints that parse and refuse in our way."""

from typing import Any

import marshmallow as ma
from flask import request
from flask_smorest import Blueprint as SmorestBlueprint

from api.access import grant
from api.arguments import Parser
from api.negotiation import JSON, require_accepted
from api.schemas import OptionalBodySchema
from registry.operations.results import OperationResult
from registry.storage.idempotency import Idempotency

REPLAYED = "Idempotent-Replayed"


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "description": "The same key again brings the first answer and does nothing.",
}
"""How the header is described, for every route that heeds it."""


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest publishes no types
    """A resource of the API.

    Its routes answer in the media type ``answers``, and refuse a caller who takes no such; None
    where they decide for themselves.
    """

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, answers: str | None = JSON, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if answers is not None:
            self.before_request(lambda: require_accepted(answers))

    def arguments(self, schema: type[ma.Schema], *, location: str = "json", **more: Any) -> Any:
        """Parse what ``schema`` describes; a body is required unless its schema is optional."""
        if location == "query":
            more.setdefault("error_status_code", 400)
        else:
            more.setdefault("required", not issubclass(schema, OptionalBodySchema))
        return super().arguments(schema, location=location, **more)


def idempotency(fingerprint: str) -> Idempotency | None:
    """The caller's Idempotency-Key for a request of that fingerprint, if one was sent.

    Raises IdempotencyKeyMalformed.
    """
    key = request.headers.get("Idempotency-Key")
    return None if key is None else Idempotency(grant().token_id, key, fingerprint)


def replay_header(outcome: OperationResult) -> dict[str, str]:
    """Tells the caller that the answer is an earlier one."""
    return {REPLAYED: "true"} if outcome.replayed else {}
