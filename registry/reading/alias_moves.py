"""The times during which an alias pointed at each version."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.storage.tables import EventRow

MOST_MOVES = 200


@dataclass(frozen=True, slots=True)
class Tenure:
    """The alias pointed at version ``number`` from ``since`` to ``until``; None: it still does.

    ``rolled_back``: a rollback began it.
    """

    number: int
    since: datetime
    until: datetime | None
    rolled_back: bool


def tenures(
    session: Session, model: str, alias: str, after: datetime | None = None
) -> list[Tenure]:
    """What the alias pointed at, oldest first: the last ``MOST_MOVES`` moves, without those that
    ended before ``after``."""
    events = session.execute(
        select(EventRow.type, EventRow.at, EventRow.to_version)
        .where(EventRow.model == model, EventRow.alias == alias)
        .order_by(EventRow.seq.desc())
        .limit(MOST_MOVES)
    )
    found = []
    until: datetime | None = None
    for type_, at, number in events:
        if number is not None:  # an alias that is deleted points at nothing
            found.append(Tenure(number, at, until, rolled_back=type_ == "rolled_back"))
        if after is not None and at <= after:
            break
        until = at
    return found[::-1]
