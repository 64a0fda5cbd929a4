"""Errors as the clients of other systems read them, with the members of our own beside theirs."""

import msgspec

from api.problems import Problem, Written

_JSON = {"Content-Type": "application/json"}
"""Without a parameter: some clients compare the whole header."""


def client_status(status: int) -> int:
    """These protocols have no 422: what a model does not accept is 400."""
    return 400 if status == 422 else status


def write_error_text(problem: Problem) -> Written:
    """The text of the error as ``error``: the Open Inference Protocol and TensorFlow Serving."""
    status = client_status(problem.status)
    body = {"error": problem.members["detail"], **problem.members, "status": status}
    return status, {**_JSON, **problem.headers}, msgspec.json.encode(body)
