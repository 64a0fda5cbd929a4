"""What an operation that may be repeated answers."""

from dataclasses import dataclass

from registry.reading.queries import View
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The answer; ``replayed`` where an Idempotency-Key brought back an earlier one, ``unchanged``
    where what was asked for was so already."""

    view: View
    replayed: bool = False
    unchanged: bool = False


def replay(database: Database, answer: View) -> OperationResult:
    """The answer that was kept for an Idempotency-Key, once more.

    Who was to give it first may have died after its commit and before its announcement. So that is
    made up for: what the answer promises holds on every worker when it is given.
    """
    database.committed()
    return OperationResult(answer, replayed=True)
