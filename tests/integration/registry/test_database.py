"""Transactions: nothing is lost, nothing waits for ever, readers see one state."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from registry.database import Database, as_registry_error, sqlite_module, wal_is_safe
from registry.errors import DatabaseBusy, DatabaseUnavailable, StorageFull
from registry.tables import ModelRow
from tests.factories import add_versions
from tests.integration.registry.processes import count_up, together


def generation(database):
    with database.read() as session:
        return session.get(ModelRow, "house").generation


def test_four_processes_that_read_change_and_write_lose_nothing(database, database_url):
    add_versions(database, "house")

    together(count_up, [(database_url, "house", 25)] * 4)

    assert generation(database) == 100


def test_an_exception_undoes_the_transaction(database):
    add_versions(database, "house")

    def fail():
        with database.write() as session:
            session.get(ModelRow, "house").generation = 5
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert generation(database) == 0


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_busy(database, database_url):
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


def test_a_reader_sees_one_state_while_others_write(database):
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


def test_a_server_that_is_not_there_is_unavailable():
    database = Database("postgresql://127.0.0.1:1/registry?connect_timeout=2")

    with pytest.raises(DatabaseUnavailable), database.read() as session:
        session.execute(text("SELECT 1"))
    assert database.url.drivername == "postgresql+psycopg"


def test_a_full_disk_is_said(sqlite_database):
    """The page limit makes SQLite fail as a full disk does."""
    add_versions(sqlite_database, "house")

    def write():
        with sqlite_database.write() as session:
            session.execute(text("PRAGMA max_page_count = 1"))
            session.get(ModelRow, "house").description = "x" * 10**6

    with pytest.raises(StorageFull):
        write()


def test_a_damaged_page_is_unavailable_and_no_fault_of_the_caller(sqlite_database):
    add_versions(sqlite_database, "house")
    sqlite_database.dispose()
    file = Path(sqlite_database.url.database)
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))

    with pytest.raises(DatabaseUnavailable):
        generation(sqlite_database)


def test_readers_that_find_no_place_are_told_that_the_database_is_busy():
    class Protocol(Exception):
        sqlite_errorcode = 15

    error = OperationalError("SELECT", {}, Protocol("locking protocol"))

    assert isinstance(as_registry_error(error), DatabaseBusy)


def test_another_kind_of_database_is_refused():
    with pytest.raises(ValueError, match="sqlite and postgresql are supported"):
        Database("mysql://localhost/registry")


def test_sqlite_is_opened_durable_and_with_foreign_keys(sqlite_database):
    with sqlite_database.read() as session:
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA synchronous")) == 2
        journal = session.scalar(text("PRAGMA journal_mode"))

    assert journal == ("wal" if wal_is_safe(sqlite_module().sqlite_version_info) else "delete")


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
def test_wal_is_used_only_with_the_fix_of_its_reset(version, safe):
    assert wal_is_safe(version) is safe
