"""Compares every prediction of a server with scikit-learn's, before anything is timed."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.dialects import Dialect, Request, as_numbers
from benchmarks.workloads import Workload

RELATIVE_TOLERANCE = 1e-9
"""Far below the effect of a wrong column or row, far above rounding errors."""


class AnswersWrong(Exception):
    """A server answered another status than 200, or predictions that differ from scikit-learn's."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The number of compared rows, of predictions with other bits than scikit-learn's, and the
    largest difference."""

    rows: int
    unequal: int
    max_difference: float


def check(
    port: int, requests: Sequence[Request], workload: Workload, dialect: Dialect, token: str = ""
) -> Parity:
    """Send every request once and compare. Raises AnswersWrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    try:
        for request in requests:
            connection.request("POST", request.path, request.body, request.headers(token))
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                raise AnswersWrong(f"{request.path}: {reply.status} {body[:500]!r}")
            found.append(as_numbers(dialect.answers(body, reply.headers.get("Content-Type", ""))))
    finally:
        connection.close()
    return compare(np.concatenate(found), as_numbers(np.concatenate(workload.expected)))


def compare(found: np.ndarray, expected: np.ndarray) -> Parity:
    """Compare two arrays of doubles. Raises AnswersWrong if they differ by more than rounding."""
    if found.shape != expected.shape:
        raise AnswersWrong(f"{found.size} predictions for {expected.size} rows")
    unequal = int((found.view(np.uint64) != expected.view(np.uint64)).sum())
    off = float(np.abs(found - expected).max())
    if not np.allclose(found, expected, rtol=RELATIVE_TOLERANCE, atol=0):
        raise AnswersWrong(f"{unequal} of {expected.size} predictions differ, by up to {off}")
    return Parity(expected.size, unequal, off)
