"""The one table from what went wrong to an HTTP status, and how a problem is written (RFC 9457)."""

import logging
import re
from typing import Any

import msgspec
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from registry import errors
from registry.database import as_registry_error
from registry.errors import RegistryError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

STATUS: dict[type[RegistryError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.FormatUnsupported: 415,
    errors.Refused: 422,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    errors.SchemaMismatch: 500,
    errors.HistoryBroken: 500,
}
"""A row for each kind of error; its subclasses share it."""


def status_of(error: type[RegistryError]) -> int:
    """The status of an error's class, or of the nearest class above it that has a row.

    Raises KeyError where there is none.
    """
    for known in error.__mro__:
        if known in STATUS:
            return STATUS[known]
    raise KeyError(error)


def slug_of(error: type[RegistryError]) -> str:
    """``VersionNotFound`` is ``version-not-found``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


def problem(
    status: int, slug: str, title: str, detail: str, **more: Any
) -> tuple[bytes, dict[str, str]]:
    """A problem's body and its headers."""
    body: dict[str, Any] = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        **more,
    }
    return msgspec.json.encode(body), {"Content-Type": CONTENT_TYPE}


def registry_problem(error: RegistryError, request_id: str) -> tuple[int, bytes, dict[str, str]]:
    """What a RegistryError becomes: status, body and headers."""
    status = status_of(type(error))
    more: dict[str, Any] = {"request_id": request_id}
    if error.faults:
        more["errors"] = [{"at": fault.at, "message": fault.message} for fault in error.faults]
    body, headers = problem(status, slug_of(type(error)), error.title, error.detail, **more)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return status, body, headers


def handle_problems(app: Flask) -> None:
    """Answer every error of ``app`` as a problem, and log what is a fault of our own."""

    @app.errorhandler(RegistryError)
    def on_registry_error(error: RegistryError) -> Response:
        if status_of(type(error)) >= 500:
            logger.warning("%s: %s", type(error).__name__, error.detail)
        status, body, headers = registry_problem(error, g.request_id)
        return Response(body, status, headers)

    @app.errorhandler(PoolTimeout)
    def on_pool_timeout(_: PoolTimeout) -> Response:
        return on_registry_error(errors.DatabaseBusy())

    @app.errorhandler(DBAPIError)
    def on_database_error(error: DBAPIError) -> Response:
        translated = as_registry_error(error)
        return on_error(error) if translated is None else on_registry_error(translated)

    @app.errorhandler(RequestEntityTooLarge)
    def on_too_large(_: RequestEntityTooLarge) -> Response:
        limit = request.max_content_length or 0
        return on_registry_error(errors.TooLarge("The body", f"{limit} bytes"))

    @app.errorhandler(HTTPException)
    def on_http_exception(error: HTTPException) -> Response:
        status = error.code or 500
        slug = error.name.lower().replace(" ", "-")
        detail = error.description or error.name
        body, headers = problem(status, slug, error.name, detail, request_id=g.request_id)
        kept = {
            name: value
            for name, value in error.get_headers()
            if name.lower() not in {"content-type", "content-length"}
        }
        return Response(body, status, {**kept, **headers})

    @app.errorhandler(Exception)
    def on_error(error: Exception) -> Response:
        logger.error("unexpected error", exc_info=error)
        detail = "The service failed. The request id leads its operator to the cause."
        body, headers = problem(
            500, "internal-error", "Internal error", detail, request_id=g.request_id
        )
        return Response(body, 500, headers)
