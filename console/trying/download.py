"""Predictions as a file to download."""

import io
from collections.abc import Iterable

from flask import Response

from console.trying.subject import Tried


def download(tried: Tried, suffix: str, content_type: str, parts: Iterable[bytes]) -> Response:
    """The response with a file of ``parts``, which are all written before it returns."""
    content = io.BytesIO()
    for part in parts:
        content.write(part)
    # An iterator, which is not compressed: that of a large file takes seconds.
    response = Response(iter((content.getvalue(),)), content_type=content_type)
    response.content_length = content.tell()
    name = f"{tried.model}-v{tried.number}-predictions.{suffix}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
