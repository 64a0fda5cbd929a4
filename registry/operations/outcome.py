"""What an operation that may be repeated answers."""

from dataclasses import dataclass

from registry.database import Database
from registry.queries import View


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer; ``replayed`` where an Idempotency-Key brought back an earlier one, ``unchanged``
    where what was asked for was so already."""

    view: View
    replayed: bool = False
    unchanged: bool = False


def replay(database: Database, answer: View) -> Outcome:
    """The answer that was kept for an Idempotency-Key, once more.

    Who was to give it first may have died after its commit and before its announcement. So that is
    made up for: what the answer promises holds on every worker when it is given.
    """
    database.committed()
    return Outcome(answer, replayed=True)
