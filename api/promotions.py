"""Promote and roll back."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import request

from api.access import allows, grant
from api.blueprints import IDEMPOTENCY_KEY, Blueprint, idempotency, replay_header
from api.schemas.promotions import MovedSchema, PromoteSchema, RollbackSchema
from api.services import services
from registry.errors import BodyRefused, Fault
from registry.gates import parse_all
from registry.operations.alias_requests import UNCHECKED
from registry.operations.promote import PromotionRequest, promote
from registry.operations.results import OperationResult
from registry.operations.rollback import rollback
from registry.reading.views import View

blueprint = Blueprint("promotions", __name__, description="Promotions and rollbacks")


@blueprint.route("/models/<name>/<version:version>/promote", methods=["POST"])
@allows("promote")
@blueprint.arguments(PromoteSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, MovedSchema)
def post_promote(body: dict[str, Any], name: str, version: str) -> tuple[View, int, dict[str, str]]:
    """Point an alias at this version, after it was loaded and its gates passed."""
    return moved(promote, name, version, promotion_request(body))


@blueprint.route("/models/<name>/rollback", methods=["POST"])
@allows("promote")
@blueprint.arguments(RollbackSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, MovedSchema)
def post_rollback(body: dict[str, Any], name: str) -> tuple[View, int, dict[str, str]]:
    """Point an alias at its previous version, or at an earlier one."""
    return moved(rollback, name, promotion_request(body), body["to_version"])


def moved(
    operation: Callable[..., OperationResult], *arguments: Any
) -> tuple[View, int, dict[str, str]]:
    """The reply of ``operation``, which moves an alias, called with ``arguments``.

    The observer is notified of the result, unless nothing had to be done.
    """
    services_ = services()
    try:
        result = operation(
            services_.database,
            services_.preparer.prepared,
            *arguments,
            evaluate_gates=services_.evaluator.results,
        )
    except Exception as error:
        services_.observer.promotion_ended(error)
        raise
    if not (result.replayed or result.unchanged):
        services_.observer.promotion_ended(None)
    return result.view, 200, replay_header(result)


def promotion_request(body: dict[str, Any]) -> PromotionRequest:
    """The promotion that the current request describes; ``body`` is validated.

    Raises GateMalformed, and for a forced promotion ScopeMissing and BodyRefused.
    """
    force = body.get("force", False)
    if force:
        grant().require("admin")
        if not (body["reason"] or "").strip():
            fault = Fault("reason", "is required with force")
            raise BodyRefused(
                "A forced promotion requires a reason, which the history keeps.", [fault]
            )
    text = json.dumps([request.method, request.path, body], sort_keys=True)
    return PromotionRequest(
        actor=grant().name,
        alias=body["alias"],
        reason=body["reason"],
        expected_version=body.get("expected_version", UNCHECKED),
        expected_generation=body.get("expected_generation"),
        gates=parse_all(body.get("gates", ())),
        force=force,
        end_split=body.get("end_split", False),
        idempotency=idempotency(hashlib.sha256(text.encode()).hexdigest()),
    )
