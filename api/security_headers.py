"""What every answer tells a browser: take it for what it says it is, keep it nowhere, frame it not.

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
"""For every answer that does not say otherwise; the narrow door adds them as they stand here."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""For the page at /docs. Swagger UI writes style attributes and carries its images inside."""


def policy_of_style(style: str) -> str:
    """For a page that needs nothing but its own ``style``, known by its hash (CSP Level 3)."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def secure_answers(app: Flask) -> None:
    """Add the headers to every answer of ``app``, after all that its other hooks add."""

    @app.after_request
    def secure(response: Response) -> Response:
        if request.endpoint == "documents.get_docs":
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        for name, value in SECURITY_HEADERS:
            response.headers.setdefault(name, value)
        return response
