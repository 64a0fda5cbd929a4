"""The rows of hosts, for people who look at them."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from registry.errors import HostNotFound


class HostFacts(NamedTuple):
    """The row of a host, for people. ``is_lost``: its lease is over, so that nothing waits for it
    after another lease."""

    host: str
    state: str
    release: str
    workers: int
    acked_seq: int
    seen_at: datetime
    is_lost: bool


def hosts_of(session: Session) -> list[HostFacts]:
    """All hosts, by name."""
    rows = session.execute(
        text(
            "SELECT host, state, release, workers, acked_seq, seen_at,"
            " clock_timestamp() > expires AS is_lost FROM hosts ORDER BY host"
        )
    )
    return [HostFacts(**row._mapping) for row in rows]


def forget_host(session: Session, host: str) -> None:
    """Delete the row of a host, so that nothing waits for it. Raises HostNotFound."""
    done = session.execute(text("DELETE FROM hosts WHERE host = :host"), {"host": host})
    if not done.rowcount:  # type: ignore[attr-defined]  # of a cursor
        raise HostNotFound(host)
