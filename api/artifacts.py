"""Downloads of the uploaded files."""

from flask import Response, request, send_file
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable

from api.access import allows
from api.blueprints import Blueprint
from api.services import services
from api.sessions import db
from registry.reading import queries

BYTES = "application/octet-stream"

blueprint = Blueprint("artifacts", __name__, description="Uploaded files", produces=BYTES)


@blueprint.route("/models/<name>/<version:version>/artifact", methods=["GET"])
@allows("any")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type=BYTES)
@blueprint.alt_response(206, description="The requested range")
@blueprint.alt_response(304, description="Not modified: the caller already has these bytes")
@blueprint.alt_response(412, description="The ETag does not match")
@blueprint.alt_response(416, description="The range cannot be satisfied")
def get_artifact(name: str, version: str) -> Response:
    """Download the uploaded file, verified against its SHA-256, which is the ETag."""
    row = queries.find_version(db.session(), name, version)
    file = services().blobs.open(row.sha256)
    response = send_file(
        file,
        mimetype=BYTES,
        as_attachment=True,
        download_name=f"{row.model}-{row.number}.{row.format}",
        conditional=False,
        etag=row.sha256,
        last_modified=row.created_at,
    )
    response.content_length = row.size
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=row.size)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    if response.status_code == 412:  # werkzeug would send the whole file with it
        response.close()
        raise PreconditionFailed
    return response
