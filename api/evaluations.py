"""Holding a version against the gates without promoting it."""

from typing import Any

from api.access import allows
from api.blueprints import Blueprint
from api.schemas import EvaluateSchema, EvaluationSchema
from api.services import services
from registry.gates import parse_all
from registry.operations.evaluate import evaluate
from registry.reading.queries import View

blueprint = Blueprint("evaluations", __name__, description="Measuring without promoting")


@blueprint.route("/models/<name>/<version:version>/evaluate", methods=["POST"])
@allows("promote", instead="upload")
@blueprint.arguments(EvaluateSchema)
@blueprint.response(200, EvaluationSchema)
def post_evaluate(body: dict[str, Any], name: str, version: str) -> View:
    """Measure this version and the one that the alias points at, and hold it against the gates."""
    return evaluate(
        services().database,
        services().evaluator.report,
        name,
        version,
        alias=body["alias"],
        gates=parse_all(body["gates"]),
    )
