"""Keep apart a host that expects to be the only one, and hosts that share the database."""

import logging
import time
from collections.abc import Callable

from sqlalchemy import text

from registry.errors import HostNotAlone
from registry.storage.database import Database

logger = logging.getLogger(__name__)

ALONE_SECONDS = 180
"""How long others regard a host without a lease as running after it was seen last."""

_NOTE = text("""
    INSERT INTO hosts (
        host, incarnation, release, workers, state, beats, lease_ms, acked_seq, seen_at, expires
    ) VALUES (
        :host, 0, :release, :workers, 'alone', 1, 0, 0, clock_timestamp(),
        clock_timestamp() + :seconds * interval '1 second'
    )
    ON CONFLICT (host) DO UPDATE SET
        incarnation = 0, release = excluded.release, workers = excluded.workers, state = 'alone',
        beats = hosts.beats + 1, acked_seq = 0, seen_at = excluded.seen_at,
        expires = excluded.expires,
        lease_ms = CASE
            WHEN hosts.state <> 'alone' AND clock_timestamp()
                > hosts.expires + hosts.lease_ms * interval '1 millisecond' THEN 0
            ELSE hosts.lease_ms
        END
    RETURNING lease_ms
""")
_OTHERS = text("""
    SELECT host FROM hosts
    WHERE host <> :host AND (state = 'alone' OR NOT :alone)
        AND clock_timestamp() <= expires + lease_ms * interval '1 millisecond'
    ORDER BY host
""")
"""With a second lease, as promoters wait: it absorbs a step of the database's clock."""
_WAITED = text("UPDATE hosts SET lease_ms = 0 WHERE host = :host AND state = 'alone'")


def note_alone(
    database: Database,
    host: str,
    *,
    release: str,
    workers: int,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Note that ``host`` runs and shares the database with no other, for some minutes.

    A service with the same name may have a lease, on another machine or before a restart. It is
    not renewed any more, and this returns when it is over, after ``wait`` seconds.

    Raises HostNotAlone where others use it, and the Unavailable errors.
    """
    # Looked up before, so that the row of a live host is left alone, which others have to wait for;
    # and again when this is noted: of two that start at the same time one sees the other.
    if others := _others(database, host, alone=False):
        raise HostNotAlone(host, others)
    with database.write(announce=False) as session:
        noted = {"host": host, "release": release, "workers": workers, "seconds": ALONE_SECONDS}
        lease_ms: int = session.execute(_NOTE, noted).scalar_one()
    if others := _others(database, host, alone=False):
        with database.write(announce=False) as session:
            session.execute(
                text("DELETE FROM hosts WHERE host = :host AND state = 'alone'"), {"host": host}
            )
        raise HostNotAlone(host, others)
    if lease_ms:
        seconds = lease_ms / 1000
        logger.info("host '%s' had a lease, which is over in at most %g s", host, seconds)
        wait(seconds)
        # Only now: one that is killed while it waits has to wait again.
        with database.write(announce=False) as session:
            session.execute(_WAITED, {"host": host})


def check_no_host_is_alone(database: Database, host: str) -> None:
    """Raises HostNotAlone where another host than ``host`` expects to be the only one."""
    for other in _others(database, host, alone=True):
        raise HostNotAlone.beside(other)


def _others(database: Database, host: str, *, alone: bool) -> list[str]:
    with database.read() as session:
        return list(session.scalars(_OTHERS, {"host": host, "alone": alone}))
