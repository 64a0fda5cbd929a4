"""Hold the lease of a task that only one of several hosts may do at a time.

A lease does not prevent that two hosts do the task for a moment, since a process may be suspended
after it has looked. So whatever is done under one must be refused the second time.
"""

from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from registry.storage.database import Database
from registry.storage.rollout_tables import LeaseRow

HELD = timedelta(seconds=15)
RENEWED = timedelta(seconds=5)


def hold_lease(database: Database, name: str, holder: str, now: datetime) -> bool:
    """Whether ``holder`` has the lease at ``now``: takes one that nobody has or that has expired,
    and renews its own five seconds after the last time.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    with database.read() as session:
        row = session.get(LeaseRow, name)
        if row is not None and row.expires > now:
            if row.holder != holder:
                return False
            if row.expires - now > HELD - RENEWED:
                return True
    try:
        with database.write(announce=False) as session:
            row = session.get(LeaseRow, name, with_for_update=True, populate_existing=True)
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
