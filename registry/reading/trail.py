"""The versions that an alias can go back to, by the history."""

from collections.abc import Collection

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from registry.storage.tables import AliasRow, EventRow


class Trail:
    """The versions that ``alias`` of ``model`` pointed at, by the events read so far; the last is
    its present one.

    A promotion adds a version. A rollback removes the versions after its target. A deletion of the
    alias removes all; so does the archival of the model, after which it never has an alias again.
    """

    def __init__(self, model: str, alias: str) -> None:
        self._model = model
        self._alias = alias
        self._numbers: list[int] = []
        self._seq = 0

    def read(self, session: Session) -> list[int]:
        """The trail, after the events that are new are read."""
        events = session.execute(
            select(EventRow.seq, EventRow.type, EventRow.to_version)
            .where(
                EventRow.model == self._model,
                EventRow.alias == self._alias,
                EventRow.seq > self._seq,
            )
            .order_by(EventRow.seq)
        )
        for seq, type_, version in events:
            self._seq = seq
            _add(self._numbers, type_, version)
        return self._numbers


def trails(session: Session, models: Collection[str]) -> dict[tuple[str, str], list[int]]:
    """The trail of each alias of ``models``, by model and alias, read in one query."""
    # In the order of the index on model, alias and seq.
    events = session.execute(
        select(AliasRow.model, AliasRow.name, EventRow.type, EventRow.to_version)
        .join(EventRow, and_(EventRow.model == AliasRow.model, EventRow.alias == AliasRow.name))
        .where(AliasRow.model.in_(models))
        .order_by(AliasRow.model, AliasRow.name, EventRow.seq)
    )
    found: dict[tuple[str, str], list[int]] = {}
    for model, alias, type_, version in events:
        _add(found.setdefault((model, alias), []), type_, version)
    return found


def _add(numbers: list[int], type_: str, version: int | None) -> None:
    """Apply an event to a trail."""
    if type_ == "alias_deleted":
        numbers.clear()
    elif type_ == "rolled_back" and version in numbers[:-1]:
        numbers.pop()
        while numbers[-1] != version:
            numbers.pop()
    elif version is not None:
        numbers.append(version)
