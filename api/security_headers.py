"""What every answer tells a browser: take it for what it says it is, keep it nowhere, frame it not.

Sources: the OWASP REST Security Cheat Sheet and the OWASP Secure Headers Project.
"""

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


def secure_answers(app: Flask) -> None:
    """Add the headers to every answer of ``app``, after all that its other hooks add."""

    @app.after_request
    def secure(response: Response) -> Response:
        if request.endpoint == "documents.get_docs":
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        for name, value in SECURITY_HEADERS:
            response.headers.setdefault(name, value)
        return response
