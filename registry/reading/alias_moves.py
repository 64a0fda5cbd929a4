"""The times during which an alias pointed at each version, and what it pointed at at one time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import AliasNotFound
from registry.names import check_alias
from registry.reading.queries import find_model
from registry.reading.views import View, timestamp
from registry.storage.history import MOVES
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
        .where(EventRow.model == model, EventRow.alias == alias, EventRow.type.in_(MOVES))
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


def alias_at(session: Session, model: str, alias: str, at: datetime) -> View:
    """The version that ``alias`` pointed at at the time ``at``, by the history: since when, until
    when (None: it still does), by whom and why.

    Raises NameMalformed, ModelNotFound, AliasMalformed, AliasNotFound.
    """
    check_alias(alias)
    archived = find_model(session, model).archived_at  # which deleted its aliases
    moves = select(EventRow).where(
        EventRow.model == model, EventRow.alias == alias, EventRow.type.in_(MOVES)
    )
    move = session.scalar(moves.where(EventRow.at <= at).order_by(EventRow.seq.desc()).limit(1))
    if move is None or move.to_version is None or (archived is not None and archived <= at):
        raise AliasNotFound(model, alias, timestamp(at))
    later = moves.with_only_columns(EventRow.at).where(EventRow.seq > move.seq)
    until = session.scalar(later.order_by(EventRow.seq).limit(1)) or archived
    return {
        "alias": alias,
        "version": move.to_version,
        **move_view(move),
        "until": None if until is None else timestamp(until),
    }


def move_view(event: EventRow | None) -> View:
    """When, by whom and why an alias was moved; None: unknown."""
    return {
        "since": None if event is None else timestamp(event.at),
        "by": None if event is None else event.actor,
        "reason": None if event is None else event.reason,
        "forced": event is not None and event.details.get("forced") is True,
        "rolled_back": event is not None and event.type == "rolled_back",
    }
