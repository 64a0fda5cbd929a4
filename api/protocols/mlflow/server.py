"""The probe by which MLflow's clients find out what a server offers."""

from flask import Response, jsonify

from api.access import allows
from api.protocols.mlflow import schemas
from api.protocols.mlflow.calls import blueprint


@blueprint.route("/3.0/mlflow/server-info", methods=["GET"])
@allows("public")
@blueprint.response(200, schemas.SERVER)
def get_server_info() -> Response:
    """Show which parts of MLflow's protocol are offered."""
    return jsonify(
        store_type="Hotswap",
        workspaces_enabled=False,
        multipart_uploads_enabled=False,
        multipart_downloads_enabled=False,
    )
