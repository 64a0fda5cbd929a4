"""Compares every answer of a server with scikit-learn's, before anything is timed."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.dialects import Dialect, Question, as_numbers
from benchmarks.workloads import Workload

RELATIVE_TOLERANCE = 1e-9
"""Far below what any mistake in a column or a row would make, far above the last bits."""


class AnswersWrong(Exception):
    """A server did not answer 200, or not what scikit-learn answers."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How many rows were compared, how many answers had other bits than scikit-learn's, and by how
    much the worst was off."""

    rows: int
    unequal: int
    max_difference: float


def check(
    port: int, questions: Sequence[Question], workload: Workload, dialect: Dialect, token: str = ""
) -> Parity:
    """Ask every question once. Raises AnswersWrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    try:
        for question in questions:
            connection.request("POST", question.path, question.body, question.headers(token))
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                raise AnswersWrong(f"{question.path}: {reply.status} {body[:500]!r}")
            found.append(as_numbers(dialect.answers(body, reply.headers.get("Content-Type", ""))))
    finally:
        connection.close()
    return compare(np.concatenate(found), as_numbers(np.concatenate(workload.expected)))


def compare(found: np.ndarray, expected: np.ndarray) -> Parity:
    """Compare two arrays of doubles. Raises AnswersWrong where they differ by more than bits."""
    if found.shape != expected.shape:
        raise AnswersWrong(f"{found.size} answers to {expected.size} rows")
    unequal = int((found.view(np.uint64) != expected.view(np.uint64)).sum())
    off = float(np.abs(found - expected).max())
    if not np.allclose(found, expected, rtol=RELATIVE_TOLERANCE, atol=0):
        raise AnswersWrong(f"{unequal} of {expected.size} answers differ, by up to {off}")
    return Parity(expected.size, unequal, off)
