"""The versions that an alias can go back to, by the history."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.tables import EventRow


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
            if type_ == "alias_deleted":
                self._numbers.clear()
            elif type_ == "rolled_back" and version in self._numbers[:-1]:
                self._numbers.pop()
                while self._numbers[-1] != version:
                    self._numbers.pop()
            elif version is not None:
                self._numbers.append(version)
        return self._numbers
