"""Headers of every response of the console, and its compression.

Compression is safe against BREACH: no page contains a secret next to what a stranger chose, except
those marked by ``keep_uncompressed``.
"""

import gzip

from flask import Response, g, request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)
"""What ``api.security_headers`` adds to every response is left as it is."""

_COMPRESSED = frozenset({"text/html", "text/csv", "image/svg+xml", "application/json"})
_WORTH_COMPRESSING = 1000


def keep_uncompressed() -> None:
    """Leave the current response uncompressed: it shows a secret."""
    g.console_uncompressed = True


def finish(response: Response) -> Response:
    """Add the headers, and compress what is worth it."""
    for name, value in HEADERS:
        response.headers.setdefault(name, value)
    if response.mimetype in _COMPRESSED and not response.is_streamed:
        response.vary.add("Accept-Encoding")
        if (
            request.accept_encodings.quality("gzip") > 0
            and "Content-Encoding" not in response.headers
            and "console_uncompressed" not in g
            and len(content := response.get_data()) >= _WORTH_COMPRESSING
        ):
            response.set_data(gzip.compress(content, 6, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    return response
