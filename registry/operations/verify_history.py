"""Verify the hash chain of the history, and keep the outcome.

The head that was reached is kept too. Later checks continue there, and a check of the whole chain
compares the two, so that a chain that was replaced from some event on is found.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from registry.errors import HistoryBroken
from registry.live.housekeeping import Pause
from registry.reading.events import history_head
from registry.reading.views import View
from registry.storage.database import Database
from registry.storage.history import BEGINNING, Head, verify_part
from registry.storage.inserts import insert_into
from registry.storage.tables import HistoryCheckRow, utc_now

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
"""How often the events since the last check are verified."""
WHOLE_EVERY = timedelta(days=1)
"""How often all events are verified."""

_PART = 1000
_SMALL_PART = 20


def verify_history(database: Database) -> View:
    """Read every event; the end of the chain and this check, as ``history_head`` has them.

    Raises HistoryBroken, DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    _verify_all(database, _last_check(database), _PART, lambda: True)
    with database.read() as session:
        return history_head(session)


def verify_if_due(database: Database, pause: Pause) -> None:
    """Verify the events since the last check if that was an hour ago; all events once a day, and
    while the history is broken.

    Reads a few events at a time, and calls ``pause`` in between, so that requests are not delayed.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    check, now = _last_check(database), utc_now()
    if check is not None and now - check.at < EVERY:
        return
    if check is not None and (reached := _reached(check, now)) is not None:
        with suppress(HistoryBroken):  # the first event that is wrong may be an earlier one
            head = _walk(database, reached, None, _SMALL_PART, pause)
            _keep(database, head, whole_at=check.whole_at)
            return
    with suppress(HistoryBroken):  # it is logged and kept
        _verify_all(database, check, _SMALL_PART, pause)


def _verify_all(database: Database, check: HistoryCheckRow | None, part: int, pause: Pause) -> None:
    anchor = None if check is None else _anchor(check)
    try:
        head = _walk(database, BEGINNING, anchor, part, pause)
    except HistoryBroken as error:
        logger.warning("the history is broken: %s", error.detail)
        _keep_broken(database, error.seq)
        raise
    _keep(database, head)


def _walk(
    database: Database, last: Head, anchor: Head | None, part: int, pause: Pause
) -> Head | None:
    """Verify the events after ``last``; the end of the chain, or None if ``pause`` ended the walk.

    A transaction for each part: a long one would keep SQLite from shortening its log.
    """
    while True:
        with database.read() as session:
            last, ended = verify_part(session, last, part, anchor)
        if ended:
            return last
        if not pause():
            return None


def _last_check(database: Database) -> HistoryCheckRow | None:
    with database.read() as session:
        return session.get(HistoryCheckRow, 1)


def _anchor(check: HistoryCheckRow) -> Head | None:
    """Where the last check without a fault ended; None if an earlier release made it."""
    if check.anchor_seq is None or check.anchor_hash is None:
        return None
    return Head(check.anchor_seq, check.anchor_hash)


def _reached(check: HistoryCheckRow, now: datetime) -> Head | None:
    """Where the next check may begin; None: at the first event."""
    is_recent = check.whole_at is not None and now - check.whole_at < WHOLE_EVERY
    return _anchor(check) if is_recent and check.broken_seq is None else None


def _keep(database: Database, head: Head | None, whole_at: datetime | None = None) -> None:
    """Keep that the chain is intact up to ``head``; nothing for a walk that was ended.

    ``whole_at`` is when all of it was verified; None: now.
    """
    if head is None:
        return
    now = utc_now()
    _store(
        database,
        at=now,
        seq=head.seq,
        broken_seq=None,
        anchor_seq=head.seq,
        anchor_hash=head.hash,
        whole_at=whole_at or now,
    )


def _keep_broken(database: Database, seq: int) -> None:
    """Keep that ``seq`` is the first event that is wrong, and the anchor of earlier checks."""
    _store(database, at=utc_now(), seq=seq - 1, broken_seq=seq)


def _store(database: Database, **outcome: Any) -> None:
    """Set these columns of the one row, which another check may be inserting."""
    with database.write(announce=False) as session:
        row = insert_into(session, HistoryCheckRow).values(id=1, **outcome)
        session.execute(row.on_conflict_do_update(index_elements=["id"], set_=outcome))
