"""The console's own styles and scripts, at URLs that contain a hash of their content.

A URL's content never changes, so browsers keep it for a year. A page of another release, as during
an upgrade, gets the present file, which is then not kept.
"""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from flask import Response, request, url_for
from werkzeug.exceptions import NotFound

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_IMMUTABLE = "public, max-age=31536000, immutable"
_NAMES = (
    "console.css",
    "console.js",
    "favicon.svg",
    "link.js",
    "shown_once.js",
    "try.js",
    "upload.js",
)
_PARTS = {"console.js": ("vendor/htmx/htmx-4.0.1.min.js", "console.js")}
"""Files that are sent as one, since every page loads them."""


class Asset(NamedTuple):
    content: bytes
    compressed: bytes
    digest: str
    content_type: str


@cache
def assets() -> dict[str, Asset]:
    """Every file that pages load, by its name below ``static/``."""
    return {name: _read(name) for name in _NAMES}


def asset_url(name: str) -> str:
    """The URL of a file of ``static/``."""
    return url_for("console.get_asset", digest=assets()[name].digest, name=name)


def asset_response(digest: str, name: str) -> Response:
    """A file of ``static/``. Raises NotFound."""
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    compressed = request.accept_encodings.quality("gzip") > 0
    response = Response(
        asset.compressed if compressed else asset.content, content_type=asset.content_type
    )
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = _IMMUTABLE if digest == asset.digest else "no-cache"
    return response


def _read(name: str) -> Asset:
    static = files("console") / "static"
    content = b"\n".join((static / part).read_bytes() for part in _PARTS.get(name, (name,)))
    media_type = TYPES[name[name.rindex(".") :]]
    return Asset(
        content,
        gzip.compress(content, mtime=0),
        hashlib.sha256(content).hexdigest()[:16],
        f"{media_type}; charset=utf-8",
    )
