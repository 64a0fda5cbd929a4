"""Transactions: nothing is lost, nothing waits forever, readers see one snapshot."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from registry.errors import DatabaseBusy, DatabaseUnavailable, StorageFull
from registry.storage.database import Database, as_registry_error
from registry.storage.sqlite import READONLY, sqlite_module, wal_is_safe
from registry.storage.tables import ModelRow
from tests.factories import add_versions
from tests.integration.registry.processes import count_up, together


def generation(database):
    with database.read() as session:
        return session.get(ModelRow, "house").generation


def test_concurrent_read_modify_write_transactions_lose_nothing(database, database_url):
    add_versions(database, "house")

    together(count_up, [(database_url, "house", 40)] * 2)

    assert generation(database) == 80


def test_json_is_stored_without_spaces(database):
    add_versions(database, "house", params={"depth": 3, "seed": 0})

    with database.read() as session:
        stored = session.execute(text("SELECT CAST(params AS TEXT) FROM versions")).scalar_one()

    assert stored == '{"depth":3,"seed":0}'


def test_an_exception_rolls_the_transaction_back(database):
    add_versions(database, "house")

    def fail():
        with database.write() as session:
            session.get(ModelRow, "house").generation = 5
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert generation(database) == 0


def test_a_writer_that_waits_too_long_gets_database_busy(database, database_url):
    add_versions(database, "house")
    impatient = Database(database_url, busy_timeout=0.1)

    def write():
        with impatient.write() as session:
            session.get(ModelRow, "house", with_for_update=True).generation = 2

    with database.write() as session:
        session.get(ModelRow, "house", with_for_update=True)
        with pytest.raises(DatabaseBusy):
            write()

    write()
    assert generation(database) == 2
    impatient.dispose()


def test_a_long_waiting_writer_begins_as_soon_as_the_lock_is_free(sqlite_database, sqlite_url):
    """SQLite's own wait, if nothing else, would be in a pause of 0.1 s by then."""
    other = Database(sqlite_url)
    late = []

    def write():
        with other.write() as session:
            session.connection()
            return time.monotonic()

    with ThreadPoolExecutor(1) as thread:
        for _ in range(3):
            with sqlite_database.write() as session:
                session.connection()
                waiting = thread.submit(write)
                time.sleep(0.25)
            freed = time.monotonic()
            late.append(waiting.result() - freed)
    other.dispose()

    assert min(late) < 0.04


def test_a_reader_sees_one_snapshot_while_others_write(database):
    add_versions(database, "house")

    with database.read() as session:
        first = session.scalar(text("SELECT generation FROM models"))
        with database.write() as writing:
            writing.get(ModelRow, "house").generation = 7
        second = session.scalar(text("SELECT generation FROM models"))

    assert (first, second) == (0, 0)
    assert generation(database) == 7


def test_a_reader_does_not_wait_for_a_writer(database):
    add_versions(database, "house")

    with database.write() as session:
        session.get(ModelRow, "house").generation = 7
        session.flush()
        assert generation(database) == 0


def test_an_unreachable_server_is_unavailable():
    database = Database("postgresql://127.0.0.1:1/registry?connect_timeout=2")

    with pytest.raises(DatabaseUnavailable), database.read() as session:
        session.execute(text("SELECT 1"))
    assert database.url.drivername == "postgresql+psycopg"


def test_a_full_disk_is_reported_as_storage_full(sqlite_database):
    """The page limit makes SQLite fail as a full disk does."""
    add_versions(sqlite_database, "house")

    def write():
        with sqlite_database.write() as session:
            session.execute(text("PRAGMA max_page_count = 1"))
            session.get(ModelRow, "house").description = "x" * 10**6

    with pytest.raises(StorageFull):
        write()


def test_a_file_that_became_unwritable_is_unavailable(sqlite_database):
    module = sqlite_module()

    def fail(_cursor, statement, _parameters, _context):
        if statement == "BEGIN IMMEDIATE":
            error = module.OperationalError("attempt to write a readonly database")
            error.sqlite_errorcode = READONLY
            raise error

    event.listen(sqlite_database.engine, "do_execute", fail)

    with pytest.raises(DatabaseUnavailable), sqlite_database.write() as session:
        session.execute(text("SELECT 1"))


def test_a_damaged_page_is_reported_as_unavailable(sqlite_database):
    add_versions(sqlite_database, "house")
    sqlite_database.dispose()
    file = Path(sqlite_database.url.database)
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))

    with pytest.raises(DatabaseUnavailable):
        generation(sqlite_database)


def test_readers_without_a_free_slot_get_database_busy():
    class Protocol(Exception):
        sqlite_errorcode = 15

    error = OperationalError("SELECT", {}, Protocol("locking protocol"))

    assert isinstance(as_registry_error(error), DatabaseBusy)


def test_another_kind_of_database_is_refused():
    with pytest.raises(ValueError, match="sqlite and postgresql are supported"):
        Database("mysql://localhost/registry")


def pragmas(session):
    return {
        name: session.scalar(text(f"PRAGMA {name}"))
        for name in ("foreign_keys", "busy_timeout", "journal_mode", "synchronous")
    }


def test_sqlite_connections_are_durable_wait_for_locks_and_check_foreign_keys(sqlite_database):
    safe = wal_is_safe(sqlite_module().sqlite_version_info)
    # FULL and EXTRA, https://www.sqlite.org/pragma.html#pragma_synchronous
    journal, synchronous = ("wal", 2) if safe else ("delete", 3)
    wanted = {
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "journal_mode": journal,
        "synchronous": synchronous,
    }

    with ExitStack() as open_at_once:
        writing = open_at_once.enter_context(sqlite_database.write())
        reading = [open_at_once.enter_context(sqlite_database.read()) for _ in range(12)]
        seen = [pragmas(session) for session in (writing, *reading)]
        reading[0].connection().invalidate()
    with sqlite_database.read() as after_a_lost_one:
        seen.append(pragmas(after_a_lost_one))

    assert seen == [wanted] * 14


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_wal_is_used_only_with_the_fix_of_the_reset_bug(version, safe):
    assert wal_is_safe(version) is safe
