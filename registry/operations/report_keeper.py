"""Open an alert when no keeper watches what this host serves, and close it when one does again."""

from pathlib import Path

from sqlalchemy import select

from registry.hosts.host_rows import hosts_of
from registry.operations.close_alert import close_alert
from registry.operations.open_alert import open_alert
from registry.storage.alert_tables import AlertKind, AlertRow
from registry.storage.database import Database
from registry.watching.heartbeat import DEAD_SECONDS, unwatched_seconds

_KIND: AlertKind = "watch"
_ACTOR = "hotswap"


def report_keeper(database: Database, host: str, run: Path, *, watch: bool) -> None:
    """Open or close the alert of this ``host``, whose folder for running processes is ``run``, and
    close those of hosts that are gone.

    ``watch``: whether a keeper is to run. A worker calls this, since the keeper is gone then.

    Raises DatabaseBusy, DatabaseUnavailable, StorageFull.
    """
    seconds = (unwatched_seconds(run) or 0.0) if watch else 0.0
    is_missing = seconds > DEAD_SECONDS
    with database.read() as session:
        opened = session.scalars(
            select(AlertRow.subject).where(AlertRow.kind == _KIND, AlertRow.closed_at.is_(None))
        ).all()
        # Only this host uses an SQLite database: other names are those that it had before, such as
        # that of the container whose place this one took.
        others = set() if database.is_sqlite else {row.host for row in hosts_of(session)}
    gone = [one for one in opened if one not in {host, *others}]
    if is_missing == (host in opened) and not gone:
        return
    with database.write() as session:
        for subject in gone:
            reason = f"There is no host {subject} any more."
            close_alert(session, _KIND, subject, actor=_ACTOR, reason=reason)
        if is_missing:
            message = f"Nothing has watched rollouts and alerts on {host} for {seconds:.0f} s."
            evidence = {"seconds": round(seconds)}
            open_alert(session, _KIND, host, message, actor=_ACTOR, evidence=evidence)
        else:
            reason = "A keeper runs." if watch else "Watching was switched off (HOTSWAP_WATCH=0)."
            close_alert(session, _KIND, host, actor=_ACTOR, reason=reason)
