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
from registry.storage.idempotency import Idempotency

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
    """The reply of ``operation``, which moves an alias, called with ``arguments``."""
    services_ = services()
    return observed(
        lambda: operation(
            services_.database,
            services_.preparer.prepared,
            *arguments,
            evaluate_gates=services_.evaluator.results,
        )
    )


def observed(operation: Callable[[], OperationResult]) -> tuple[View, int, dict[str, str]]:
    """The reply of ``operation``.

    The observer is notified of the result, unless nothing had to be done.
    """
    observer = services().observer
    try:
        result = operation()
    except Exception as error:
        observer.promotion_ended(error)
        raise
    if not (result.replayed or result.unchanged):
        observer.promotion_ended(None)
    return result.view, 200, replay_header(result)


def promotion_request(body: dict[str, Any]) -> PromotionRequest:
    """The promotion that the current request describes; ``body`` is validated.

    Raises GateMalformed, and for a forced promotion ScopeMissing and BodyRefused.
    """
    return PromotionRequest(
        actor=grant().name,
        alias=body["alias"],
        reason=body["reason"],
        expected_version=body.get("expected_version", UNCHECKED),
        expected_generation=body.get("expected_generation"),
        gates=parse_all(body.get("gates", ())),
        force=check_force(body),
        end_split=body.get("end_split", False),
        idempotency=once(body),
    )


def check_force(body: dict[str, Any]) -> bool:
    """Whether the current request is forced. Raises ScopeMissing, and BodyRefused for no reason."""
    if not body.get("force", False):
        return False
    grant().require("admin")
    if not (body["reason"] or "").strip():
        fault = Fault("reason", "is required with force")
        raise BodyRefused("Force requires a reason, which the history keeps.", [fault])
    return True


def once(arguments: dict[str, Any]) -> Idempotency | None:
    """The Idempotency-Key of the current request, which has these arguments.

    Raises IdempotencyKeyMalformed.
    """
    text = json.dumps([request.method, request.path, arguments], sort_keys=True)
    return idempotency(hashlib.sha256(text.encode()).hexdigest())
