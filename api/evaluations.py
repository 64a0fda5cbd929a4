"""Evaluating gates without promoting."""

from typing import Any

from api.access import allows
from api.blueprints import Blueprint
from api.schemas.promotions import EvaluateSchema, EvaluationSchema
from api.services import services
from registry.gates import parse_all
from registry.operations.evaluate import evaluate
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
