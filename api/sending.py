"""Responses with the bytes of a version."""

import io

from flask import Response, request, send_file
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable

from api.services import services
from registry.storage.tables import VersionRow

BYTES = "application/octet-stream"


def send_blob(row: VersionRow, digest: str, ending: str) -> Response:
    """A blob of the version, verified against its SHA-256, which is the ETag; ranges work.

    Raises BlobUnavailable, PreconditionFailed, RequestedRangeNotSatisfiable.
    """
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
