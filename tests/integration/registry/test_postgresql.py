"""PostgreSQL: an unresponsive server, timeouts, and the order of names."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from registry.errors import DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable
from registry.operations.open_alert import open_alert
from registry.operations.rows import insert_model, locked_model
from registry.storage import schema
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.postgresql import CONNECTIONS
from registry.storage.tables import EventRow
from tests.postgresql import Wire


@pytest.fixture
def url(postgresql):
    url = postgresql.create(migrated=True)
    yield url
    postgresql.drop(url)


@pytest.fixture
def wire(url):
    wire = Wire(url)
    yield wire
    wire.close()


def select_one(database):
    with database.read() as session:
        return session.scalar(text("SELECT 1"))


@pytest.fixture
def far(wire):
    """A database behind the wire, whose statements may take half a second."""
    database = Database(f"{wire.url}&connect_timeout=2", statement_timeout=0.5)
    yield database
    wire.close()
    database.dispose()


def test_an_unanswered_statement_times_out_and_the_next_one_succeeds(far, wire):
    assert select_one(far) == 1
    wire.cut()
    with pytest.raises(DatabaseUnavailable):
        select_one(far)

    wire.mend()

    assert select_one(far) == 1


def test_a_server_that_accepts_no_changes_says_so(url):
    standby = Database(f"{url}&options=-c%20default_transaction_read_only%3Don")
    assert select_one(standby) == 1

    with pytest.raises(DatabaseReadOnly, match="accepts no changes"), standby.write() as session:
        insert_model(session, "house", actor="ann")
    standby.dispose()


def test_an_unanswered_connection_attempt_times_out(far, wire):
    wire.cut()

    with pytest.raises(DatabaseUnavailable):
        select_one(far)


def test_callers_of_an_unresponsive_server_are_refused_while_others_still_wait(wire):
    """So a worker's threads are not all kept: those who wait are fewer than its threads."""
    database = Database(wire.url, statement_timeout=60)

    def refusals():
        for _ in range(3):  # one caller each second may wait
            with pytest.raises((DatabaseUnavailable, DatabaseBusy)):
                select_one(database)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        connected, silent = threading.Barrier(CONNECTIONS + 1), threading.Event()

        def wait():
            with database.read() as session:
                session.scalar(text("SELECT 1"))
                connected.wait(30)
                silent.wait(30)
                session.scalar(text("SELECT 2"))

        waiting = [threads.submit(wait) for _ in range(CONNECTIONS)]
        connected.wait(30)
        wire.cut()
        silent.set()
        time.sleep(1.2)
        refusals()
        still = [each.done() for each in waiting]
        wire.close()
        ended = [each.exception(30) for each in waiting]

    database.dispose()
    assert not any(still)
    assert all(isinstance(error, DatabaseUnavailable) for error in ended)


def test_the_server_ends_a_statement_that_takes_too_long(url):
    database = Database(url, statement_timeout=0.1)

    with pytest.raises(DatabaseBusy), database.read() as session:
        session.execute(text("SELECT pg_sleep(30)"))
    assert select_one(database) == 1
    database.dispose()


def test_the_locks_of_a_host_that_stopped_in_a_transaction_are_taken_from_it(url):
    """Others wait for a lock as long as it may stop there."""
    stopped, other = Database(url, busy_timeout=0.3), Database(url, busy_timeout=0.6)
    lock = text("SELECT seq FROM history_head FOR UPDATE")

    def stop_in_a_transaction():
        with stopped.write() as session:
            session.execute(lock)
            with other.write() as waiting:
                waiting.execute(lock)
            session.execute(lock)

    with pytest.raises(DatabaseUnavailable):
        stop_in_a_transaction()
    assert select_one(stopped) == 1
    stopped.dispose()
    other.dispose()


def test_a_transaction_that_reads_may_pause(url):
    database = Database(url, busy_timeout=0.1)

    with database.read() as session:
        session.scalar(text("SELECT 1"))
        time.sleep(0.5)
        assert session.scalar(text("SELECT 2")) == 2

    database.dispose()


def test_an_alert_about_a_model_is_opened_while_another_transaction_changes_the_model(url):
    """Otherwise each would wait for the other, which then locks the head of the history."""
    database, keeper = Database(url), Database(url, busy_timeout=0.2)
    with database.write() as session:
        insert_model(session, "house", "ann")

    with database.write() as session:
        locked_model(session, "house")
        with keeper.write() as beside:
            few = "It has few keys."
            assert open_alert(beside, "share", "a 2", few, actor="keeper", model="house")
        record(session, "model_updated", actor="ann", model="house")

    with database.read() as session:
        types = session.scalars(select(EventRow.type).order_by(EventRow.seq)).all()
    assert types == ["model_created", "alert_opened", "model_updated"]
    database.dispose()
    keeper.dispose()


def test_a_migration_by_another_host_is_waited_for(postgresql):
    """The lock is held for longer than a lock is otherwise waited for."""
    url = postgresql.create(migrated=False)
    database = Database(url, busy_timeout=0.1, statement_timeout=0.1)
    other_host = Database(url)
    with ThreadPoolExecutor(1) as threads:
        with other_host.write() as session:
            session.execute(text(f"SELECT pg_advisory_xact_lock({schema.MIGRATION_LOCK})"))
            upgrading = threads.submit(schema.upgrade, database)
            time.sleep(0.5)
            waited = not upgrading.done()
        assert upgrading.result(30) is True
    assert waited
    database.dispose()
    other_host.dispose()
    postgresql.drop(url)


def test_others_hardly_wait_while_a_migration_waits_for_a_long_reader(url):
    """A backup, for example, holds such a lock until it has read everything."""
    database, long_reader = Database(url), Database(url)
    slowest = 0.0

    def change(connection):
        connection.execute(text("ALTER TABLE models ADD COLUMN later TEXT"))
        return True

    with ThreadPoolExecutor(1) as threads:
        with long_reader.read() as session:
            session.scalar(text("SELECT count(*) FROM models"))
            changing = threads.submit(schema.change_online, database, change)
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                began = time.monotonic()
                with database.read() as other:
                    other.scalar(text("SELECT count(*) FROM models"))
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.05)
            waited = not changing.done()
        assert changing.result(30) is True
    database.dispose()
    long_reader.dispose()
    assert waited
    assert slowest < 2.5


def test_limits_end_with_each_transaction(url):
    """A pooler gives one connection of the server to several processes, which have other limits."""
    database = Database(url, busy_timeout=0.3, statement_timeout=0.7)
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

    def settings(session):
        return [session.scalar(select(func.current_setting(name))) for name in names]

    for _ in range(10):  # drivers prepare what they send often
        with database.write() as session:
            assert settings(session) == ["300ms", "700ms", "300ms"]
        with database.read() as session:
            assert settings(session) == ["300ms", "700ms", "0"]
    connection = database.engine.raw_connection()
    shown = [connection.driver_connection.execute(f"SHOW {name}").fetchone()[0] for name in names]
    assert shown == ["0", "0", "0"]
    connection.close()
    database.dispose()
