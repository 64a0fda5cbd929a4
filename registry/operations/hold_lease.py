"""Hold the lease of a task that only one of several hosts may do at a time.

A lease does not prevent that two hosts do the task for a moment, since a process may be suspended
after it has looked. So whatever is done under one must be refused the second time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.storage.database import Database
from registry.storage.rollout_tables import LeaseRow
from registry.storage.tables import UtcDateTime

HELD = timedelta(seconds=15)
RENEWED = timedelta(seconds=5)


def database_time(session: Session) -> datetime:
    """The time by the clock of a PostgreSQL database: those of its hosts may differ by more than a
    lease lasts."""
    return session.scalars(select(func.clock_timestamp(type_=UtcDateTime))).one()


def hold_lease(
    database: Database,
    name: str,
    holder: str,
    clock: Callable[[Session], datetime] = database_time,
) -> bool:
    """Whether ``holder`` has the lease: takes one that nobody has or that has expired, and renews
    its own five seconds after the last time. ``clock`` is the same for all holders.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.read() as session:
        row = session.get(LeaseRow, name)
        now = clock(session)
        if row is not None and row.expires > now:
            if row.holder != holder:
                return False
            if row.expires - now > HELD - RENEWED:
                return True
    try:
        with database.write(announce=False) as session:
            row = session.get(LeaseRow, name, with_for_update=True, populate_existing=True)
            now = clock(session)
            if row is None:
                session.add(LeaseRow(name=name, holder=holder, epoch=1, expires=now + HELD))
                return True
            if row.holder != holder:
                if row.expires > now:
                    return False
                row.holder, row.epoch = holder, row.epoch + 1
            row.expires = now + HELD
            return True
    except IntegrityError:  # another host has inserted it at the same time
        return False
