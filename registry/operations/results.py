"""The result of an operation that accepts an Idempotency-Key."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.reading.views import View
from registry.storage.database import Database
from registry.storage.tables import ModelRow


@dataclass(frozen=True, slots=True)
class OperationResult:
    """``replayed``: the view is the stored one of an earlier request with the same Idempotency-Key.
    ``unchanged``: there was nothing to change."""

    view: View
    replayed: bool = False
    unchanged: bool = False


def replay(database: Database, answer: View, *, confirm: bool = True) -> OperationResult:
    """The answer that was stored for an Idempotency-Key.

    The first process may have died after its commit and before its announcement. So it is announced
    again: every worker has the change when the answer is returned; with ``confirm`` those of all
    hosts that share the database.
    """
    if confirm:
        database.confirm_again()
    else:
        database.committed()
    return OperationResult(answer, replayed=True)


def move_answer(
    model: ModelRow,
    alias: str,
    number: int,
    previous: int | None,
    gates: Sequence[View] = (),
    *,
    split_ended: bool = False,
) -> View:
    """The answer of an operation after which ``alias`` points at ``number`` and is not split."""
    return {
        "model": model.name,
        "alias": alias,
        "version": number,
        "previous_version": previous,
        "generation": model.generation,
        "gates": list(gates),
        **({"split_ended": True} if split_ended else {}),
    }
