"""Errors as clients of the scoring protocol read them, with our own members beside theirs."""

import msgspec

from api.problems import Problem, Written
from api.protocols.problems import client_status

PATHS = (
    r"/(invocations(/.*)?|ping"
    r"|models/[^/]+/(ping|invocations)|models/[^/]+/[^/]+/(health|ping|invocations))\Z"
)
"""The paths whose errors are written so."""

_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    507: "INTERNAL_ERROR",
}
"""MLflow's error codes; BAD_REQUEST for every other status."""


def write_scoring_error(problem: Problem) -> Written:
    """The text of the error as ``message``, and its kind as ``error_code``."""
    status = client_status(problem.status)
    members = {**problem.members, "status": status}
    body = {
        "error_code": _CODES.get(status, "BAD_REQUEST"),
        "message": members["detail"],
        **members,
    }
    headers = {"Content-Type": "application/json", **problem.headers}
    return status, headers, msgspec.json.encode(body)
