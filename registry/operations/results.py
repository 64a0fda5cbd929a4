"""The result of an operation that accepts an Idempotency-Key."""

from dataclasses import dataclass

from registry.reading.views import View
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class OperationResult:
    """``replayed``: the view is the stored one of an earlier request with the same Idempotency-Key.
    ``unchanged``: there was nothing to change."""

    view: View
    replayed: bool = False
    unchanged: bool = False


def replay(database: Database, answer: View) -> OperationResult:
    """The answer that was stored for an Idempotency-Key.

    The first process may have died after its commit and before its announcement. So it is announced
    again: every worker has the change when the answer is returned.
    """
    database.committed()
    return OperationResult(answer, replayed=True)
