"""Downloads of uploaded files and of the forms that they were compiled to."""

import io
from collections.abc import Callable

from flask import Response, request, send_file
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable

from api.access import allows
from api.blueprints import Blueprint
from api.services import services
from api.sessions import db
from registry.reading import queries
from registry.storage.tables import VersionRow

BYTES = "application/octet-stream"
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
    return _send(row, row.sha256, row.format)


@blueprint.route("/models/<name>/<version:version>/compiled/<form>", methods=["GET"])
@allows("any")
@_sends_file
def get_form(name: str, version: str, form: str) -> Response:
    """Download a compiled form, verified against its SHA-256, which is the ETag."""
    row = queries.find_usable_version(db.session(), name, version)
    return _send(row, queries.compiled_form(row, form), form)


def _send(row: VersionRow, digest: str, ending: str) -> Response:
    file = services().blobs.open(digest)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    response = send_file(
        file,
        mimetype=BYTES,
        as_attachment=True,
        download_name=f"{row.model}-{row.number}.{ending}",
        conditional=False,
        etag=digest,
        last_modified=row.created_at,
    )
    response.content_length = size
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=size)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    if response.status_code == 412:  # werkzeug would send the whole file with it
        response.close()
        raise PreconditionFailed
    return response
