"""Comparison of a model's versions."""

from typing import Any

from flask import request

from api.access import allows
from api.blueprints import Blueprint
from api.schemas.comparisons import ComparisonQuerySchema, ComparisonSchema
from api.sessions import db
from registry.reading.comparison import compare
from registry.reading.views import View

blueprint = Blueprint("comparisons", __name__, description="Comparison of versions")


@blueprint.route("/models/<name>/compare", methods=["GET"])
@allows("any")
@blueprint.arguments(ComparisonQuerySchema, location="query")
@blueprint.response(200, ComparisonSchema)
def get_comparison(_: dict[str, Any], name: str) -> View:
    """Compare versions: metrics, parameters, signature, lineage and environment."""
    # ?versions=3&versions=5 means the same; the parser would drop the second value.
    listed = ",".join(request.args.getlist("versions"))
    references = [reference.strip() for reference in listed.split(",")]
    return compare(db.session(), name, references)
