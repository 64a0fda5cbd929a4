"""What hosts tell each other, in the tables of a PostgreSQL database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Row, make_url, text
from sqlalchemy.orm import Session

from registry.errors import HostReplaced, PromotionAbandoned, VersionNotLoadable
from registry.hosts.store import Asked, Event, HostAnswer, HostStanding, HostState, Presence, Seen
from registry.storage.database import Database, translated_errors

CHANNEL = "hotswap_hosts"
"""Of LISTEN and NOTIFY."""

LONGEST_FAULT = 1000
_NANOSECONDS = 10**6
"""In a millisecond, the unit of the table."""

_SHORTEST_CONNECT_SECONDS = 2
"""libpq has no shorter limit."""

_STANDING = """
    h.host, h.incarnation, h.beats, h.lease_ms, h.acked_seq, h.state,
    clock_timestamp() > h.expires + h.lease_ms * interval '1 millisecond' AS expired
"""

_PRESENT = text("""
    INSERT INTO hosts AS h (
        host, incarnation, release, workers, state, beats, lease_ms, acked_seq, seen_at, expires
    ) VALUES (
        :host, :incarnation, :release, :workers, :state, CAST(random() * 1e15 AS bigint),
        CAST(:lease_ms AS bigint), 0,
        clock_timestamp(), clock_timestamp() + CAST(:lease_ms AS bigint) * interval '1 millisecond'
    )
    ON CONFLICT (host) DO UPDATE SET
        incarnation = excluded.incarnation,
        release = excluded.release,
        workers = excluded.workers,
        state = excluded.state,
        beats = h.beats + 1,
        lease_ms = excluded.lease_ms,
        acked_seq = CASE WHEN h.incarnation = excluded.incarnation THEN h.acked_seq ELSE 0 END,
        seen_at = excluded.seen_at,
        expires = excluded.expires
    WHERE h.incarnation IN (CAST(:incarnation AS bigint), CAST(:replaces AS bigint))
    RETURNING h.acked_seq
""")

_FORGET = text("""
    DELETE FROM hosts WHERE host IN (
        SELECT host FROM hosts
        WHERE state <> 'alone' AND clock_timestamp()
            > expires + lease_ms * interval '1 millisecond' + interval '1 day'
        FOR UPDATE SKIP LOCKED
    )
""")

_END = text("""
    SELECT head.seq, head.hash, e.hash AS known, (
        SELECT min(host) FROM hosts
        WHERE state = 'alone' AND host <> :host AND clock_timestamp() <= expires
    ) AS alone
    FROM history_head head LEFT JOIN history e ON e.seq = :known
""")

_ASKED = text("""
    SELECT p.id, p.model, p.number, a.promotion IS NOT NULL AS answered
    FROM promotions p
    LEFT JOIN promotion_hosts a
        ON a.promotion = p.id AND a.host = :host AND a.incarnation = :incarnation
    WHERE p.state = 'preparing'
    ORDER BY p.id
""")

_ABANDON = text("""
    UPDATE promotions SET state = 'abandoned' WHERE id IN (
        SELECT id FROM promotions
        WHERE state = 'preparing' AND created_at < clock_timestamp() - interval '60 seconds'
        FOR UPDATE SKIP LOCKED
    )
""")

_TOUCH = text("""
    UPDATE promotions SET created_at = clock_timestamp() WHERE id IN (
        SELECT id FROM promotions
        WHERE id = :promotion AND state = 'preparing' FOR UPDATE SKIP LOCKED
    )
""")

_OLD = text("""
    SELECT id FROM promotions
    WHERE state <> 'preparing' AND created_at < clock_timestamp() - interval '1 day'
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
""")

_ASK = text("""
    INSERT INTO promotions (model, number, by_host, state, created_at)
    VALUES (:model, :number, :by_host, 'preparing', clock_timestamp()) RETURNING id
""")

_ANSWER = text("""
    INSERT INTO promotion_hosts AS a (promotion, host, incarnation, state, fault)
    VALUES (:promotion, :host, :incarnation, :state, :fault)
    ON CONFLICT (promotion, host) DO UPDATE SET
        incarnation = excluded.incarnation, state = excluded.state, fault = excluded.fault
""")

_ANSWERS = text(f"""
    SELECT {_STANDING}, a.state AS answer, a.fault
    FROM hosts h
    LEFT JOIN promotion_hosts a
        ON a.promotion = :promotion AND a.host = h.host AND a.incarnation = h.incarnation
    WHERE h.state <> 'alone'
    ORDER BY h.host
""")  # noqa: S608 - of constants

_UNACKNOWLEDGED = text(f"""
    SELECT {_STANDING} FROM hosts h WHERE h.acked_seq < :seq AND h.state <> 'alone' ORDER BY h.host
""")  # noqa: S608 - of constants

_LOCKED = text("SELECT state FROM promotions WHERE id = :promotion FOR UPDATE")


class SqlHostStore:
    """Implements ``HostStore``. Its connections are not those of requests, and none of its calls
    waits much longer than ``seconds``, which is to be less than the time between two beats.

    Raises ValueError for a database that is not PostgreSQL.
    """

    def __init__(self, url: str, seconds: float) -> None:
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite":
            raise ValueError("Hosts share a PostgreSQL database.")
        limited = parts.update_query_dict(
            {
                "connect_timeout": str(max(_SHORTEST_CONNECT_SECONDS, round(seconds))),
                "tcp_user_timeout": str(round(seconds * 1000)),
            }
        )
        self._database = Database(
            limited.render_as_string(hide_password=False),
            busy_timeout=seconds / 2,
            statement_timeout=seconds / 2,
        )

    def close(self) -> None:
        """Close the connections."""
        self._database.dispose()

    @property
    def driver_error(self) -> type[Exception]:
        """What a connection that ``listening`` gives raises."""
        driver: Any = self._database.engine.dialect.dbapi
        error: type[Exception] = driver.Error
        return error

    @contextmanager
    def listening(self) -> Iterator[Any]:
        """A connection of the driver that receives what ``notify`` sends, closed afterwards."""
        with translated_errors():
            pooled = self._database.engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            yield connection
        finally:
            connection.close()

    def find(self, host: str) -> HostStanding | None:
        query = text(f"SELECT {_STANDING} FROM hosts h WHERE h.host = :host")  # noqa: S608
        with self._database.read() as session:
            row = session.execute(query, {"host": host}).one_or_none()
        return None if row is None else _standing(row)

    def present(
        self, me: Presence, state: HostState, lease: int, *, replaces: int | None = None
    ) -> int:
        with self._changing() as session:
            acknowledged: int | None = session.scalar(
                _PRESENT,
                {
                    **me._asdict(),
                    "state": state,
                    "lease_ms": lease // _NANOSECONDS,
                    "replaces": replaces,
                },
            )
            if acknowledged is None:
                raise HostReplaced(me.host)
        return acknowledged

    def read(self, me: Presence, known: Event | None) -> Seen:
        mine = {"host": me.host, "incarnation": me.incarnation}
        with self._database.read() as session:
            known_seq = known.seq if known else 0
            end = session.execute(_END, {"known": known_seq, "host": me.host}).one()
            rows = session.execute(_ASKED, mine).all()
        # Nothing is before the first event, so it is in every history.
        follows = known is None or known.seq == 0 or known.hash == end.known
        asked = tuple(Asked(row.id, row.model, row.number) for row in rows if not row.answered)
        preparing = frozenset(row.id for row in rows)
        return Seen(Event(end.seq, end.hash), asked, preparing, follows, end.alone)

    def acknowledge(self, me: Presence, seq: int) -> None:
        with self._changing() as session:
            session.execute(
                text(
                    "UPDATE hosts SET acked_seq = :seq WHERE host = :host AND"
                    " incarnation = :incarnation AND acked_seq < :seq"
                ),
                {"seq": seq, "host": me.host, "incarnation": me.incarnation},
            )

    def answer(self, promotion: int, me: Presence, fault: str | None) -> None:
        with self._changing() as session:
            if session.execute(_LOCKED, {"promotion": promotion}).scalar() == "preparing":
                _write_answer(session, promotion, me.host, me.incarnation, fault)

    def forget_lost(self) -> None:
        with self._changing() as session:
            session.execute(_FORGET)

    def leave(self, me: Presence) -> None:
        with self._changing() as session:
            session.execute(
                text(
                    "DELETE FROM hosts"
                    " WHERE host = :host AND incarnation = :incarnation AND acked_seq > 0"
                ),
                {"host": me.host, "incarnation": me.incarnation},
            )

    def ask(self, model: str, number: int, host: str, incarnation: int) -> int:
        with self._changing() as session:
            session.execute(_FORGET)
            session.execute(_ABANDON)
            for old in session.execute(_OLD).scalars().all():
                for statement in (
                    "DELETE FROM promotion_hosts WHERE promotion = :id",
                    "DELETE FROM promotions WHERE id = :id",
                ):
                    session.execute(text(statement), {"id": old})
            asking = {"model": model, "number": number, "by_host": host}
            promotion: int = session.execute(_ASK, asking).scalar_one()
            _write_answer(session, promotion, host, incarnation, None)
        return promotion

    def answers(self, promotion: int) -> list[HostAnswer]:
        with self._database.read() as session:
            rows = session.execute(_ANSWERS, {"promotion": promotion}).all()
        return [
            HostAnswer(
                _standing(row), None if row.answer is None else row.answer == "ready", row.fault
            )
            for row in rows
        ]

    def touch(self, promotion: int) -> None:
        """Note that the promotion is still being prepared, so that nobody abandons it."""
        with self._changing() as session:
            session.execute(_TOUCH, {"promotion": promotion})

    def fail(self, promotion: int) -> None:
        with self._changing() as session:
            session.execute(
                text("UPDATE promotions SET state = 'failed' WHERE id = :id AND state = :state"),
                {"id": promotion, "state": "preparing"},
            )

    def head(self) -> int:
        with self._database.read() as session:
            seq: int = session.execute(text("SELECT seq FROM history_head")).scalar_one()
        return seq

    def unacknowledged(self, seq: int) -> list[HostStanding]:
        with self._database.read() as session:
            rows = session.execute(_UNACKNOWLEDGED, {"seq": seq}).all()
        return [_standing(row) for row in rows]

    def notify(self) -> None:
        with self._changing() as session:
            session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """A transaction of what workers do not keep in memory."""
        with self._database.write(announce=False) as session:
            yield session


def commit_promotion(session: Session, promotion: int) -> None:
    """Mark the promotion as committed, within the transaction that moves the alias.

    Raises PromotionAbandoned, and VersionNotLoadable where a host has failed in the meantime.
    """
    by_id = {"promotion": promotion}
    if session.execute(_LOCKED, by_id).scalar() != "preparing":
        raise PromotionAbandoned
    failed = session.execute(
        text(
            "SELECT p.model, p.number, a.host, a.fault FROM promotion_hosts a"
            " JOIN promotions p ON p.id = a.promotion"
            " WHERE a.promotion = :promotion AND a.state = 'failed' ORDER BY a.host"
        ),
        by_id,
    ).first()
    if failed is not None:
        why = f"Host '{failed.host}': {failed.fault}"
        raise VersionNotLoadable(failed.model, failed.number, why)
    session.execute(text("UPDATE promotions SET state = 'committed' WHERE id = :promotion"), by_id)


def _write_answer(
    session: Session, promotion: int, host: str, incarnation: int, fault: str | None
) -> None:
    session.execute(
        _ANSWER,
        {
            "promotion": promotion,
            "host": host,
            "incarnation": incarnation,
            "state": "ready" if fault is None else "failed",
            "fault": None if fault is None else fault[:LONGEST_FAULT],
        },
    )


def _standing(row: Row[Any]) -> HostStanding:
    return HostStanding(
        host=row.host,
        incarnation=row.incarnation,
        beat=row.beats,
        lease=row.lease_ms * _NANOSECONDS,
        acknowledged=row.acked_seq,
        expired=row.expired,
        state=row.state,
    )
