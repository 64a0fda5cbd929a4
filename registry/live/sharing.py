"""What a process of a host has if other hosts may share the database."""

from collections.abc import Callable
from dataclasses import dataclass

from registry.hosts.changes import HostChanges
from registry.hosts.promoter import Promoter, Silences
from registry.hosts.sql_store import SqlHostStore
from registry.live.counter import Counter
from registry.live.lease import Lease, WithoutLease, boot_time
from registry.storage.database import Database

Report = Callable[[tuple[str, ...]], None]
"""Told which hosts may still answer by what held before the change that is about to be answered."""


def store_seconds(lease: float) -> float:
    """How long a call of the store of hosts may take: less than the time between two beats."""
    return lease / 5


@dataclass(frozen=True, slots=True)
class Sharing:
    """The lease of this host, and what makes the changes of this process hold on the others."""

    lease: Lease
    changes: HostChanges

    @classmethod
    def build(
        cls,
        database: Database,
        counter: Counter,
        *,
        host: str,
        seconds: int,
        without: WithoutLease = "refuse",
        report: Report = lambda _: None,
    ) -> "Sharing | None":
        """Have the changes of ``database``, which ``host`` makes, hold on all hosts; None where the
        host is the only one, as with SQLite. ``seconds``: the length of a lease."""
        if database.is_sqlite or not seconds:
            return None
        lease = Lease(counter, without)
        store = SqlHostStore(url_of(database), store_seconds(seconds))
        promoter = Promoter(store, host, page=lease, clock=boot_time, silences=Silences(boot_time))
        changes = HostChanges(store, promoter, seconds)

        def committed() -> None:
            counter.bump()
            changes.announce()

        def confirmed() -> None:
            late = changes.confirm()
            if late and without == "serve":
                report(late)

        database.committed, database.confirmed = committed, confirmed
        return cls(lease, changes)


def url_of(database: Database) -> str:
    """Its URL, with the password."""
    return database.url.render_as_string(hide_password=False)
