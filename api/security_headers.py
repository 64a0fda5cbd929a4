"""Security headers of every response: no content sniffing, no caching, no framing.

Sources: the OWASP REST Security Cheat Sheet and the OWASP Secure Headers Project.
"""

import hashlib
from base64 import b64encode

from flask import Flask, Response, request

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""Defaults for every response; the fast path adds them unchanged."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""For the page at /docs. Swagger UI uses style attributes and inline images."""


def policy_of_style(style: str) -> str:
    """The policy of a page that loads only its own ``style``, allowed by its hash (CSP Level 3)."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def secure_responses(app: Flask) -> None:
    """Add the headers to every response of ``app``, unless other hooks have set them."""

    @app.after_request
    def secure(response: Response) -> Response:
        if request.endpoint == "documents.get_docs":
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        for name, value in SECURITY_HEADERS:
            response.headers.setdefault(name, value)
        return response
