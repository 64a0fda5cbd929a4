"""The place of this worker's host among the hosts that share the database."""

import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.hosts.driving import complete
from registry.hosts.listener import Listener
from registry.hosts.renewer import Renewer, Workers
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Presence
from registry.live.host_life import HostLife
from registry.live.lease import Lease, boot_time
from registry.live.renewal import Renewal
from registry.live.sharing import Sharing, store_seconds, url_of
from registry.storage.database import Database
from registry.storage.election import Election

logger = logging.getLogger(__name__)

_NANOSECONDS = 10**9

MakeWorkers = Callable[[SqlHostStore, Presence], Workers]
"""The workers of this host, as the renewer with this presence sees them."""


class Membership:
    """Joins the hosts that share the database of ``store``, as ``host``, and leaves them with the
    last worker. ``seconds``: the length of a lease. ``run``: the run folder of this host.
    """

    def __init__(
        self,
        store: SqlHostStore,
        host: Presence,
        lease: Lease,
        *,
        run: Path,
        seconds: int,
        make_workers: MakeWorkers,
    ) -> None:
        self._store = store
        self._host = host
        self._lease = lease
        self._nanoseconds = seconds * _NANOSECONDS
        self._make_workers = make_workers
        self._life = HostLife(run / "host.lock")
        election = Election(run / "renewer.lock")
        self._renewal = Renewal(self._next_renewer, lease, election, seconds)
        self._listener = Listener(store, self._renewal.wake)

    @classmethod
    def build(
        cls,
        sharing: Sharing,
        database: Database,
        host: Presence,
        *,
        run: Path,
        seconds: int,
        make_workers: MakeWorkers,
    ) -> "Membership":
        """The membership of a host with the lease of ``sharing``, with connections of its own."""
        store = SqlHostStore(url_of(database), store_seconds(seconds))
        return cls(store, host, sharing.lease, run=run, seconds=seconds, make_workers=make_workers)

    def begin(self) -> None:
        """Take part in the life of the host. To be called before this worker answers. Raises
        OSError."""
        self._life.begin(self._end_lease)

    def start(self) -> None:
        """Join, unless another worker has or does."""
        self._renewal.start()
        self._listener.start()

    def close(self) -> None:
        """Leave the lease to another worker; the last one leaves the other hosts."""
        self._listener.close()
        self._renewal.close()
        self._life.end(self._leave)
        self._store.close()

    def _end_lease(self) -> None:
        # Of an earlier life, which its operator may have had forgotten since.
        self._lease.valid_until = 0

    def _next_renewer(self) -> Renewer:
        return self._renewer(self._host._replace(incarnation=secrets.randbits(62) + 1))

    def _renewer(self, me: Presence) -> Renewer:
        return Renewer(
            self._store,
            me,
            page=self._lease,
            clock=boot_time,
            workers=self._make_workers(self._store, me),
            lease=self._nanoseconds,
        )

    def _leave(self) -> None:
        me = self._host._replace(incarnation=self._lease.incarnation)
        try:
            complete(self._renewer(me).leave())
        except (RegistryError, SQLAlchemyError) as error:
            logger.warning("the other hosts wait for this one until its lease is over: %s", error)
