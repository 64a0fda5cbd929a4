"""Evaluating gates without promoting."""

from typing import Any

from api.access import allows
from api.blueprints import Blueprint
from api.schemas.promotions import (
    EvaluateSchema,
    EvaluationSchema,
    VerdictQuerySchema,
    VerdictSchema,
)
from api.services import services
from api.sessions import db
from registry.gates import parse_all
from registry.operations.evaluate import evaluate
from registry.reading.verdict import kept_verdict
from registry.reading.views import View

blueprint = Blueprint("evaluations", __name__, description="Evaluation of gates without promotion")


@blueprint.route("/models/<name>/<version:version>/evaluate", methods=["POST"])
@allows("promote", instead="upload")
@blueprint.arguments(EvaluateSchema)
@blueprint.response(200, EvaluationSchema)
def post_evaluate(body: dict[str, Any], name: str, version: str) -> View:
    """Measure this version and the alias's current one, and evaluate the gates."""
    return evaluate(
        services().database,
        services().evaluator.report,
        name,
        version,
        alias=body["alias"],
        gates=parse_all(body["gates"]),
    )


@blueprint.route("/models/<name>/<version:version>/verdict", methods=["GET"])
@allows("any")
@blueprint.arguments(VerdictQuerySchema, location="query")
@blueprint.response(200, VerdictSchema)
def get_verdict(query: dict[str, Any], name: str, version: str) -> View:
    """Show the last evaluation, if the alias, the policy and the holdout are still the same."""
    return kept_verdict(db.session(), name, version, query["alias"])
