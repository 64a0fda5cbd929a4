"""Splits of aliases."""

from typing import Any

from api.access import allows, grant
from api.blueprints import IDEMPOTENCY_KEY, Blueprint
from api.key_counts import shares_of
from api.promotions import check_force, moved, observed, once
from api.schemas.promotions import MovedSchema
from api.schemas.splits import (
    ChangedSplitSchema,
    ShownSplitSchema,
    SplitEndQuerySchema,
    SplitTargetSchema,
)
from api.services import services
from api.sessions import db
from registry.gates import parse_all
from registry.operations.alias_requests import UNCHECKED, AliasRequest
from registry.operations.end_split import end_split
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.splits import split_of
from registry.reading.views import View
from registry.splits.weights import basis_points
from registry.watching.split_shares import shares_view

blueprint = Blueprint("splits", __name__, description="Aliases that several versions answer")

_PATH = "/models/<name>/aliases/<alias>/split"
_SPLIT = {
    "model": "housing",
    "alias": "production",
    "version": 3,
    "by": "header",
    "arms": [{"version": 3, "weight": 90}, {"version": 4, "weight": 10}],
    "generation": 8,
    "since": "2026-11-23T06:00:00.000Z",
    "changed_by": "ann",
    "reason": "trained on the data of October",
}
_TRAFFIC = {
    "requests": 20_000,
    "keys": 1_204,
    "largest_key_share": 0.021,
    "arms": [
        {"version": 3, "requests": 18_213, "request_share": 0.91065, "key_share": 0.9003},
        {"version": 4, "requests": 1_787, "request_share": 0.08935, "key_share": 0.0997},
    ],
}
_GATE = {"version": 4, "gate": "signature compatible", "passed": True, "candidate": None}
_GATE |= {"champion": None, "reason": None, "measured": None}
_ENDED = {
    "model": "housing",
    "alias": "production",
    "version": 3,
    "previous_version": 3,
    "generation": 9,
    "gates": [],
    "split_ended": True,
}


@blueprint.route(_PATH, methods=["GET"])
@allows("any")
@blueprint.response(200, ShownSplitSchema, example={**_SPLIT, "traffic": _TRAFFIC})
def get_split(name: str, alias: str) -> View:
    """Show the versions that an alias is split over, their weights and their real shares."""
    session = db.session()
    split = split_of(session, name, alias)
    return {**split, "traffic": shares_view(shares_of(session, name, alias))}


@blueprint.route(_PATH, methods=["PUT"])
@allows("promote")
@blueprint.arguments(SplitTargetSchema, example={"weights": {"3": 90, "4": 10}, "by": "header"})
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, ChangedSplitSchema, example={**_SPLIT, "gates": [_GATE]})
def put_split(body: dict[str, Any], name: str, alias: str) -> tuple[View, int, dict[str, str]]:
    """Split the alias over versions, or change the weights of its split."""
    request = SplitRequest(
        actor=grant().name,
        alias=alias,
        weights={int(number): basis_points(share) for number, share in body["weights"].items()},
        by=body.get("by"),
        reason=body["reason"],
        expected_version=body.get("expected_version", UNCHECKED),
        expected_generation=body.get("expected_generation"),
        gates=parse_all(body.get("gates", ())),
        force=check_force(body),
        idempotency=once(body),
    )
    return moved(split_alias, name, request)


@blueprint.route(_PATH, methods=["DELETE"])
@allows("promote")
@blueprint.arguments(SplitEndQuerySchema, location="query")
@blueprint.doc(parameters=[IDEMPOTENCY_KEY])
@blueprint.response(200, MovedSchema, example=_ENDED)
def delete_split(query: dict[str, Any], name: str, alias: str) -> tuple[View, int, dict[str, str]]:
    """End the split: the version that the alias points at answers all requests."""
    request = AliasRequest(
        actor=grant().name,
        alias=alias,
        reason=query.get("reason"),
        expected_generation=query.get("expected_generation"),
        idempotency=once(query),
    )
    return observed(lambda: end_split(services().database, name, request))
