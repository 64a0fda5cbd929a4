"""The versions that an alias points at now and can go back to, by the history."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.history import MOVES
from registry.storage.tables import EventRow

_FIRST_READ = 5
_MOST_READ = 5000


@dataclass(slots=True)
class _Rollback:
    """A rollback to ``version``; ``removed`` are the versions that it removed from the trail, as
    far as they were read, the last one first."""

    version: int
    removed: list[int] = field(default_factory=list)

    def removes(self, version: int) -> bool:
        """Whether it removed ``version``, the next one of the trail before it, read downwards."""
        if self.removed and version == self.version:
            return False
        self.removed.append(version)
        return True


def trail(session: Session, model: str, alias: str) -> Iterator[int]:
    """The trail of ``alias`` from its present version downwards.

    Events are read from the newest one, no more than the versions that are taken require.
    """
    return downwards(_moves(session, model, alias))


def downwards(moves: Iterable[tuple[str, int | None]]) -> Iterator[int]:
    """The trail that ``moves`` make, which are the type and the target of events, newest first.

    A promotion adds a version. A rollback removes the versions above its target, or adds its target
    if that is not below the present version. A deletion of the alias removes all; so does the
    archival of the model, after which it never has an alias again.
    """
    rollbacks: list[_Rollback] = []  # those whose targets were not met yet, the oldest last
    for type_, version in moves:
        if type_ == "alias_deleted":
            break
        if version is None:
            continue
        if type_ == "rolled_back":
            rollbacks.append(_Rollback(version))
        elif _stays(version, rollbacks):
            yield version
    while rollbacks:
        last = rollbacks.pop()  # its target was not in the trail
        yield from (one for one in (last.version, *last.removed) if _stays(one, rollbacks))


def _stays(version: int, rollbacks: list[_Rollback]) -> bool:
    """Whether none of ``rollbacks`` removed ``version``; those whose target it is are left out."""
    while rollbacks:
        if rollbacks[-1].removes(version):
            return False
        rollbacks.pop()
    return True


def _moves(session: Session, model: str, alias: str) -> Iterator[tuple[str, int | None]]:
    """Type and target of each move of the alias, newest first."""
    query = (
        select(EventRow.seq, EventRow.type, EventRow.to_version)
        .where(EventRow.model == model, EventRow.alias == alias, EventRow.type.in_(MOVES))
        .order_by(EventRow.seq.desc())
    )
    size, rest = _FIRST_READ, query
    while True:
        rows = session.execute(rest.limit(size)).all()
        yield from ((row[1], row[2]) for row in rows)
        if len(rows) < size:
            return
        rest, size = query.where(EventRow.seq < rows[-1][0]), min(size * 4, _MOST_READ)
