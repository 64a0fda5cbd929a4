"""The gates that a model's versions have to pass."""

from typing import Any

from api.access import allows, grant
from api.blueprints import Blueprint
from api.schemas.promotions import PolicyChangeSchema, PolicySchema
from api.services import services
from api.sessions import db
from registry.operations.set_policy import set_policy
from registry.reading import queries
from registry.reading.views import View

blueprint = Blueprint("policies", __name__, description="Gates that a model's versions must pass")


@blueprint.route("/models/<name>/policy", methods=["GET"])
@allows("any")
@blueprint.response(200, PolicySchema)
def get_policy(name: str) -> View:
    """Show the gates that a version must pass before an alias may point at it."""
    return queries.policy_of(db.session(), name)


@blueprint.route("/models/<name>/policy", methods=["PUT"])
@allows("promote")
@blueprint.arguments(PolicyChangeSchema)
@blueprint.response(200, PolicySchema)
def put_policy(body: dict[str, Any], name: str) -> View:
    """Replace the gates; with an empty list every version that can be loaded passes."""
    return set_policy(services().database, name, body["gates"], actor=grant().name)
