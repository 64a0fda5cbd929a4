"""Rollouts: an alias gets a new version in steps."""

import logging
from functools import partial
from typing import Any

from api.access import allows, grant
from api.blueprints import IDEMPOTENCY_KEY, Blueprint, replay_header
from api.promotions import check_force, moved, once
from api.schemas.rollouts import (
    RolloutAbortQuerySchema,
    RolloutMoveSchema,
    RolloutSchema,
    RolloutStartSchema,
)
from api.services import services
from api.sessions import db
from api.telemetry import current_telemetry
from registry.operations.alias_requests import UNCHECKED
from registry.operations.move_rollout import RolloutMove
from registry.operations.results import OperationResult
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.operations.steer_rollout import (
    abort_rollout,
    finish_rollout,
    pause_rollout,
    resume_rollout,
)
from registry.reading.views import View
from registry.rollouts.observed import Sources
from registry.rollouts.plan import DEFAULT_GUARDS, parse_plan
from registry.storage.tables import utc_now
from registry.watching.rollout_counts import read_host_counts
from registry.watching.rollouts import find_rollout, rollout_view

logger = logging.getLogger(__name__)
blueprint = Blueprint("rollouts", __name__, description="Rollouts of versions in steps")

_Reply = tuple[View, int, dict[str, str]]
_PATH = "/models/<name>/aliases/<alias>/rollout"
_START = {
    "version": 4,
    "reason": "lower rmse",
    "steps": [
        {"weight": 5, "minutes": 10, "requests": 2000},
        {"weight": 25, "minutes": 30, "requests": 10_000},
        {"weight": 100},
    ],
    "guards": list(DEFAULT_GUARDS),
    "deadline": "24h",
}
_NOT_OF_THE_PLAN = frozenset(
    {"version", "reason", "expected_version", "expected_generation", "force"}
)


@blueprint.route(_PATH, methods=["GET"])
@allows("any")
@blueprint.response(200, RolloutSchema)
def get_rollout(name: str, alias: str) -> View:
    """Show the rollout in progress under an alias, or else the last one."""
    return rollout_view(find_rollout(db.session(), name, alias), utc_now())


@blueprint.route(_PATH, methods=["PUT"])
@allows("promote")
@blueprint.arguments(RolloutStartSchema, example=_START)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def put_rollout(body: dict[str, Any], name: str, alias: str) -> _Reply:
    """Start to replace the version of an alias in steps.

    A rollout of the same version with the same plan that is in progress stays as it is.
    """
    plan = parse_plan({key: body[key] for key in body if key not in _NOT_OF_THE_PLAN})
    wanted = RolloutRequest(
        actor=grant().name,
        alias=alias,
        reason=body["reason"],
        expected_version=body.get("expected_version", UNCHECKED),
        expected_generation=body.get("expected_generation"),
        idempotency=once(body),
        plan=plan,
        force=check_force(body),
    )
    return started(name, str(body["version"]), wanted)


@blueprint.route(_PATH, methods=["DELETE"])
@allows("promote")
@blueprint.arguments(RolloutAbortQuerySchema, location="query")
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def delete_rollout(query: dict[str, Any], name: str, alias: str) -> _Reply:
    """Abort a rollout: the version before answers all requests again."""
    return moved(abort_rollout, name, _move(query, alias))


@blueprint.route(f"{_PATH}/abort", methods=["POST"])
@allows("promote")
@blueprint.arguments(RolloutMoveSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def post_abort(body: dict[str, Any], name: str, alias: str) -> _Reply:
    """Abort a rollout: the version before answers all requests again."""
    return moved(abort_rollout, name, _move(body, alias))


@blueprint.route(f"{_PATH}/finish", methods=["POST"])
@allows("promote")
@blueprint.arguments(RolloutMoveSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def post_finish(body: dict[str, Any], name: str, alias: str) -> _Reply:
    """Promote the version of a rollout now, without its remaining steps.

    Where it is promoted already, its guards are no longer watched.
    """
    return moved(finish_rollout, name, _move(body, alias))


@blueprint.route(f"{_PATH}/pause", methods=["POST"])
@allows("promote")
@blueprint.arguments(RolloutMoveSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def post_pause(body: dict[str, Any], name: str, alias: str) -> _Reply:
    """Keep the present weights of a rollout. Its guards still apply."""
    wanted = _move(body, alias)
    return _replied(pause_rollout(services().database, name, wanted))


@blueprint.route(f"{_PATH}/resume", methods=["POST"])
@allows("promote")
@blueprint.arguments(RolloutMoveSchema)
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, RolloutSchema)
def post_resume(body: dict[str, Any], name: str, alias: str) -> _Reply:
    """Continue a rollout that was paused or is held."""
    wanted = _move(body, alias)
    return _replied(resume_rollout(services().database, name, wanted))


def started(name: str, version: str, wanted: RolloutRequest) -> _Reply:
    """The reply of ``start_rollout``, from what the workers of this server have counted on."""
    folder, run = current_telemetry().folder, services().settings.run_folder

    def sources(model: str, alias: str) -> Sources:
        try:
            return read_host_counts(None if folder is None else folder.path, run).of(model, alias)
        except OSError as error:
            logger.warning("a rollout counts from the keeper's first look on: %s", error)
            return {}

    return moved(partial(start_rollout, read_sources=sources), name, version, wanted)


def _replied(result: OperationResult) -> _Reply:
    return result.view, 200, replay_header(result)


def _move(given: dict[str, Any], alias: str) -> RolloutMove:
    """The change of a rollout that the current request describes."""
    return RolloutMove(
        actor=grant().name,
        alias=alias,
        reason=given["reason"],
        expected_revision=given["expected_revision"],
        idempotency=once(given),
    )
