"""Keep apart a host that expects to be the only one, and hosts that share the database."""

from sqlalchemy import text

from registry.errors import HostNotAlone
from registry.hosts.sql_store import hosts_of
from registry.storage.database import Database

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
        beats = hosts.beats + 1, lease_ms = 0, acked_seq = 0, seen_at = excluded.seen_at,
        expires = excluded.expires
""")


def note_alone(database: Database, host: str, *, release: str, workers: int) -> None:
    """Note that ``host`` runs and shares the database with no other, for some minutes.

    Raises HostNotAlone where others use it, and the Unavailable errors.
    """
    # Noted before the others are looked up: of two that start at the same time one sees the other.
    with database.write(announce=False) as session:
        noted = {"host": host, "release": release, "workers": workers, "seconds": ALONE_SECONDS}
        session.execute(_NOTE, noted)
    others = _others(database, host, alone=False)
    if others:
        with database.write(announce=False) as session:
            session.execute(
                text("DELETE FROM hosts WHERE host = :host AND state = 'alone'"), {"host": host}
            )
        raise HostNotAlone(host, others)


def check_no_host_is_alone(database: Database, host: str) -> None:
    """Raises HostNotAlone where another host than ``host`` expects to be the only one."""
    for other in _others(database, host, alone=True):
        raise HostNotAlone.beside(other)


def _others(database: Database, host: str, *, alone: bool) -> list[str]:
    with database.read() as session:
        return [
            row.host
            for row in hosts_of(session)
            if row.host != host and not row.is_lost and (not alone or row.state == "alone")
        ]
