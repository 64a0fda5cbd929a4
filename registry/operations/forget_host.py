"""Forget a host that does not exist any more."""

from registry.errors import HostNotFound
from registry.hosts.host_rows import forget_host as delete_row
from registry.storage.database import Database


def forget_host(database: Database, host: str) -> None:
    """Delete the row of the host: changes are answered without waiting for its lease to end.

    The caller vouches that no process of the host runs. Raises HostNotFound.
    """
    if database.is_sqlite or "\0" in host:  # PostgreSQL has no such text
        raise HostNotFound(host)
    with database.write(announce=False) as session:
        delete_row(session, host)
