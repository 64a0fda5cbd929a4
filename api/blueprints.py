"""flask-smorest blueprints that parse and refuse in our way."""

from flask import request
from flask_smorest import Blueprint as SmorestBlueprint

from api.access import grant
from api.arguments import Parser
from registry.idempotency import Idempotency
from registry.operations.outcome import Outcome

REPLAYED = "Idempotent-Replayed"


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest publishes no types
    """A resource of the API."""

    ARGUMENTS_PARSER = Parser()


def idempotency(fingerprint: str) -> Idempotency | None:
    """The caller's Idempotency-Key for a request of that fingerprint, if one was sent.

    Raises IdempotencyKeyMalformed.
    """
    key = request.headers.get("Idempotency-Key")
    return None if key is None else Idempotency(grant().token_id, key, fingerprint)


def replay_header(outcome: Outcome) -> dict[str, str]:
    """Tells the caller that the answer is an earlier one."""
    return {REPLAYED: "true"} if outcome.replayed else {}
