"""Store the predictions of a minute, for itself and in its hour, and forget old ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.storage.database import Database
from registry.storage.inserts import insert_into
from registry.storage.tables import TrafficRow
from registry.watching.named_rows import Row
from registry.watching.stored_times import packed, unpacked
from registry.watching.traffic import MINUTE, Increase, floor

HOUR = timedelta(hours=1)
KEPT = {MINUTE: timedelta(hours=24), HOUR: timedelta(days=30)}
"""How long minutes and hours are kept."""


def record_traffic(database: Database, minute: datetime, increases: Sequence[Increase]) -> None:
    """Add ``increases`` to what is stored of the minute that began at ``minute``; another server on
    the same database may have stored some of it.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.write(announce=False) as session:
        for step, kept in KEPT.items():
            seconds = int(step.total_seconds())
            _add(session, seconds, floor(minute, step), increases)
            expired = minute - kept - step
            session.execute(
                delete(TrafficRow).where(TrafficRow.seconds == seconds, TrafficRow.start < expired)
            )


def _add(session: Session, seconds: int, start: datetime, increases: Sequence[Increase]) -> None:
    key = (TrafficRow.model, TrafficRow.version, TrafficRow.alias)
    rows = [
        {
            "model": row.model,
            "seconds": seconds,
            "start": start,
            "version": row.version,
            "alias": row.alias,
            "refused": refused,
            "failed": failed,
            "times": packed(times),
        }
        # In one order, so that servers do not block each other.
        for row, refused, failed, times in sorted(increases, key=lambda increase: increase.row)
    ]
    new = insert_into(session, TrafficRow).on_conflict_do_nothing().returning(*key)
    added = {Row(*found) for found in session.execute(new, rows)}
    left = {increase.row: increase for increase in increases if increase.row not in added}
    if not left:
        return
    stored = select(TrafficRow).where(TrafficRow.seconds == seconds, TrafficRow.start == start)
    for known in session.scalars(stored.order_by(*key).with_for_update()):
        if (increase := left.get(Row(known.model, known.version, known.alias))) is not None:
            known.refused += increase.refused
            known.failed += increase.failed
            known.times = packed(unpacked([known.times])[0] + increase.times)
