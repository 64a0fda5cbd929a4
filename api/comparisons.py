"""Versions of a model side by side."""

from typing import Any

from flask import request

from api.access import allows
from api.blueprints import Blueprint
from api.schemas import ComparisonQuerySchema, ComparisonSchema
from api.sessions import db
from registry.reading.comparison import compare
from registry.reading.queries import View

blueprint = Blueprint("comparisons", __name__, description="Versions side by side")


@blueprint.route("/models/<name>/compare", methods=["GET"])
@allows("any")
@blueprint.arguments(ComparisonQuerySchema, location="query")
@blueprint.response(200, ComparisonSchema)
def get_comparison(_: dict[str, Any], name: str) -> View:
    """Compare versions: metrics, parameters, signature, lineage and environment."""
    # ?versions=3&versions=5 means the same, and the parser would drop the second.
    asked = ",".join(request.args.getlist("versions"))
    references = [reference.strip() for reference in asked.split(",")]
    return compare(db.session(), name, references)
