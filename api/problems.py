"""The table from errors to HTTP statuses, and the encoding of problems (RFC 9457)."""

import errno
import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.repeated_warnings import RepeatedWarning
from registry import errors
from registry.errors import RegistryError
from registry.storage.database import as_registry_error

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_KEY = "hotswap-problem-writers"
_without_lease = RepeatedWarning(logger)
"""A host whose lease is over refuses every request, which takes next to no time."""
_INTERNAL = "The service failed. Its operator can find the cause in the log by the request id."

STATUS: dict[type[RegistryError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.BodyTooSlow: 408,
    errors.Conflict: 409,
    errors.LengthRequired: 411,
    errors.TooLarge: 413,
    errors.FormatUnsupported: 415,
    errors.Refused: 422,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    errors.SchemaMismatch: 500,
    errors.NetworkFileSystem: 500,
    errors.HistoryBroken: 409,
}
"""A row for each kind of error; its subclasses share it."""


def status_of(error: type[RegistryError]) -> int:
    """The status of an error's class, or of the nearest class above it that has a row.

    Raises KeyError if there is none.
    """
    for known in error.__mro__:
        if known in STATUS:
            return STATUS[known]
    raise KeyError(error)


def slug_of(error: type[RegistryError]) -> str:
    """``VersionNotFound`` is ``version-not-found``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


class Problem(NamedTuple):
    """An error as it is answered; ``members`` are those of RFC 9457 and our own."""

    status: int
    members: dict[str, Any]
    headers: dict[str, str]


Written = tuple[int, dict[str, str], bytes]
"""The status, headers and body of a response."""
WriteProblem = Callable[[Problem], Written]


def write_problem(problem: Problem) -> Written:
    """As ``application/problem+json`` (RFC 9457)."""
    body = msgspec.json.encode(problem.members)
    return problem.status, {"Content-Type": CONTENT_TYPE, **problem.headers}, body


def problem_of(error: Exception, request_id: str, write: WriteProblem = write_problem) -> Written:
    """The response for any error, as ``write`` has it. Errors of the service are logged."""
    known = _as_registry_error(error)
    if known is None:
        logger.error("unexpected error", exc_info=error)
        members = _members(500, "internal-error", "Internal error", _INTERNAL, request_id)
        return write(Problem(500, members, {}))
    status = status_of(type(known))
    if status >= 500:
        _log(known)
    more: dict[str, Any] = {}
    if known.faults:
        more["errors"] = [{"at": fault.at, "message": fault.message} for fault in known.faults]
    if isinstance(known, errors.GateFailed):
        more["gates"] = list(known.results)
    if isinstance(known, errors.HistoryBroken):
        more["seq"] = known.seq
    members = _members(status, slug_of(type(known)), known.title, known.detail, request_id)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(known, errors.Unavailable | errors.TooManyRequests):
        headers["Retry-After"] = str(known.retry_after)
    if isinstance(known, errors.CodingUnsupported):
        headers["Accept-Encoding"] = ", ".join(known.accepted)
    if isinstance(known, errors.TooManyFailures):
        # The next attempt then needs a new connection.
        headers["Connection"] = "close"
    return write(Problem(status, {**members, **more}, headers))


def write_problems_at(app: Flask, paths: str, write: WriteProblem) -> None:
    """Answer every error at a path that the pattern ``paths`` matches as ``write`` has it."""
    _writers(app)[re.compile(paths)] = write


def write_problems_below(app: Flask, prefix: str, write: WriteProblem) -> None:
    """Answer every error at a path of ``prefix`` or below it as ``write`` has it."""
    write_problems_at(app, rf"{re.escape(prefix)}(/|\Z)", write)


def handle_problems(app: Flask) -> None:
    """Answer every error of ``app`` as a problem."""

    def write_here() -> WriteProblem:
        for paths, write in _writers(app).items():
            if paths.match(request.path):
                return write
        return write_problem

    @app.errorhandler(Exception)
    def on_error(error: Exception) -> Response:
        status, headers, body = problem_of(error, g.request_id, write_here())
        return Response(body, status, headers)

    @app.errorhandler(RequestEntityTooLarge)
    def on_too_large(_: RequestEntityTooLarge) -> Response:
        limit = request.max_content_length or 0
        return on_error(errors.TooLarge("The body", f"{limit} bytes"))

    @app.errorhandler(HTTPException)
    def on_http_exception(error: HTTPException) -> Response:
        status, headers, body = http_problem_of(error, g.request_id, write_here())
        return Response(body, status, headers)


def http_problem_of(
    error: HTTPException, request_id: str, write: WriteProblem = write_problem
) -> Written:
    """The response for an error of routing, such as 404 and 405, as ``write`` has it."""
    slug = error.name.lower().replace(" ", "-")
    detail = error.description or error.name
    status = error.code or 500
    kept = {
        name: value
        for name, value in error.get_headers()
        if name.lower() not in {"content-type", "content-length"}
    }
    members = _members(status, slug, error.name, detail, request_id)
    return write(Problem(status, members, kept))


def _log(error: RegistryError) -> None:
    if isinstance(error, errors.LeaseOver):
        _without_lease.log(f"LeaseOver: {error.detail}")
    else:
        logger.warning("%s: %s", type(error).__name__, error.detail)


def _as_registry_error(error: Exception) -> RegistryError | None:
    if isinstance(error, RegistryError):
        return error
    if isinstance(error, PoolTimeout):
        return errors.DatabaseBusy()
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        return errors.OpenFilesExhausted()
    return as_registry_error(error) if isinstance(error, DBAPIError) else None


def _members(status: int, slug: str, title: str, detail: str, request_id: str) -> dict[str, Any]:
    return {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }


def _writers(app: Flask) -> dict[re.Pattern[str], WriteProblem]:
    return cast("dict[re.Pattern[str], WriteProblem]", app.extensions.setdefault(_KEY, {}))
