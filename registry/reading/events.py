"""Lists the events of the whole history."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from registry.names import check_model_name
from registry.reading.queries import covered_models, find_model
from registry.reading.views import View, event_view, timestamp
from registry.storage.database import Database
from registry.storage.history import GENESIS
from registry.storage.tables import EventRow, HistoryCheckRow, HistoryHeadRow, ModelRow
from registry.tokens import Grant

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None: any. ``since`` and ``until`` are times, the first included and the second
    not; ``before`` is the number of an event that all found ones precede."""

    model: str | None = None
    type: str | None = None
    actor: str | None = None
    alias: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


class EventPage(TypedDict):
    """Events, newest first. ``next``: ``before`` of the following page; None on the last."""

    items: list[View]
    page_size: int
    next: str | None


def list_events(session: Session, grant: Grant, wanted: EventFilter, page_size: int) -> EventPage:
    """The newest events that ``wanted`` names: of the models that ``grant`` covers and, for an
    admin of all models, of tokens."""
    query = select(EventRow).where(*_conditions(wanted)).order_by(EventRow.seq.desc())
    if grant.models is not None:
        covered = select(ModelRow.name).where(covered_models(grant))
        query = query.where(EventRow.model.in_(covered))
    elif not grant.has_scope("admin"):
        query = query.where(EventRow.model.is_not(None))
    rows = session.scalars(query.limit(page_size + 1)).all()
    shown = rows[:page_size]
    return {
        "items": [{**event_view(row), "model": row.model} for row in shown],
        "page_size": page_size,
        "next": str(shown[-1].seq) if len(rows) > len(shown) else None,
    }


def each_event(database: Database, grant: Grant, wanted: EventFilter) -> Iterator[View]:
    """All events that ``wanted`` names. No transaction is open between two batches, since whoever
    receives them may be slow; events are only ever added, and at the other end."""
    while True:
        with database.read() as session:
            page = list_events(session, grant, wanted, _BATCH)
        yield from page["items"]
        if page["next"] is None:
            return
        wanted = replace(wanted, before=int(page["next"]))


def last_event(session: Session, model: str) -> int:
    """The number of the last event of the model; 0 if there is none."""
    return session.scalar(select(func.max(EventRow.seq)).where(EventRow.model == model)) or 0


def model_state(session: Session, model: str) -> str:
    """What the model, its aliases and its history are at present: the hash of its last event, which
    covers all before. Also where another history was restored from a backup.

    Raises NameMalformed, ModelNotFound.
    """
    events = select(EventRow.hash).where(EventRow.model == check_model_name(model))
    found = session.scalar(events.order_by(EventRow.seq.desc()).limit(1))
    if found is None:
        find_model(session, model)
    return found or GENESIS


def history_head(session: Session) -> View:
    """The end of the chain, and the outcome of its last check; ``verified_at`` None: there was
    none. Checks verify what was added since the one before; all events were last verified at
    ``fully_verified_at``. ``broken_seq`` is the first event that was found to be wrong or
    missing."""
    head = session.execute(select(HistoryHeadRow)).scalar_one_or_none()
    check = session.get(HistoryCheckRow, 1)
    return {
        "seq": 0 if head is None else head.seq,
        "hash": GENESIS if head is None else head.hash,
        "verified_seq": None if check is None else check.seq,
        "verified_at": None if check is None else timestamp(check.at),
        "fully_verified_at": None
        if check is None or check.whole_at is None
        else timestamp(check.whole_at),
        "broken_seq": None if check is None else check.broken_seq,
    }


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    equal = {
        EventRow.model: wanted.model,
        EventRow.type: wanted.type,
        EventRow.actor: wanted.actor,
        EventRow.alias: wanted.alias,
    }
    found = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        found.append(EventRow.at >= wanted.since)
    if wanted.until is not None:
        found.append(EventRow.at < wanted.until)
    if wanted.before is not None:
        found.append(EventRow.seq < wanted.before)
    return found
