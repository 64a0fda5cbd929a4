"""Downloads of uploaded files and of the forms that they were compiled to."""

from collections.abc import Callable

from flask import Response

from api.access import allows
from api.blueprints import Blueprint
from api.sending import BYTES, send_blob
from api.sessions import db
from registry.reading import queries

View = Callable[..., Response]

blueprint = Blueprint("artifacts", __name__, description="Uploaded files", produces=BYTES)


def _sends_file(view: View) -> View:
    """Describe a view that answers with a file."""
    described: View = blueprint.response(
        200, {"type": "string", "format": "binary"}, content_type=BYTES
    )(view)
    for status, meaning in (
        (206, "The requested range"),
        (304, "Not modified: the caller already has these bytes"),
        (412, "The ETag does not match"),
        (416, "The range cannot be satisfied"),
    ):
        described = blueprint.alt_response(status, description=meaning)(described)
    return described


@blueprint.route("/models/<name>/<version:version>/artifact", methods=["GET"])
@allows("any")
@_sends_file
def get_artifact(name: str, version: str) -> Response:
    """Download the uploaded file, verified against its SHA-256, which is the ETag."""
    row = queries.find_version(db.session(), name, version)
    return send_blob(row, row.sha256, row.format)


@blueprint.route("/models/<name>/<version:version>/compiled/<form>", methods=["GET"])
@allows("any")
@_sends_file
def get_form(name: str, version: str, form: str) -> Response:
    """Download a compiled form, verified against its SHA-256, which is the ETag."""
    row = queries.find_usable_version(db.session(), name, version)
    return send_blob(row, queries.compiled_form(row, form), form)
