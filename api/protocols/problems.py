"""Errors as the clients of other systems read them, with the members of our own beside theirs."""

import msgspec

from api.problems import Problem, Written

_JSON = {"Content-Type": "application/json"}
"""Without a parameter: some clients compare the whole header."""


def client_status(status: int) -> int:
    """These protocols have no 422: what a model does not accept is 400."""
    return 400 if status == 422 else status


_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    405: "ENDPOINT_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    507: "INTERNAL_ERROR",
}
"""MLflow's error codes; INVALID_PARAMETER_VALUE for every other status."""
_RESOURCES = {
    "/problems/model-not-found": (404, "RESOURCE_DOES_NOT_EXIST"),
    "/problems/version-not-found": (404, "RESOURCE_DOES_NOT_EXIST"),
    "/problems/upload-not-found": (404, "RESOURCE_DOES_NOT_EXIST"),
    "/problems/name-taken": (400, "RESOURCE_ALREADY_EXISTS"),
    "/problems/alias-not-found": (400, "INVALID_PARAMETER_VALUE"),
}


def write_error_code(problem: Problem) -> Written:
    """The text of the error as ``message``, and its kind as ``error_code``: MLflow."""
    status = client_status(problem.status)
    code = _CODES.get(status, "INVALID_PARAMETER_VALUE")
    status, code = _RESOURCES.get(problem.members["type"], (status, code))
    members = {**problem.members, "status": status}
    body = {"error_code": code, "message": members["detail"], **members}
    return status, {**_JSON, **problem.headers}, msgspec.json.encode(body)


def write_error_text(problem: Problem) -> Written:
    """The text of the error as ``error``: the Open Inference Protocol and TensorFlow Serving."""
    status = client_status(problem.status)
    body = {"error": problem.members["detail"], **problem.members, "status": status}
    return status, {**_JSON, **problem.headers}, msgspec.json.encode(body)
