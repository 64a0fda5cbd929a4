"""Migrations build the tables of ``registry.storage.tables``, on both databases, once."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import migrations
from registry.errors import DatabaseUnavailable, SchemaMismatch
from registry.storage.all_tables import METADATA
from registry.storage.database import Database
from registry.storage.history import record, verify
from registry.storage.schema import HEAD, current_revision, upgrade
from registry.storage.tables import VersionRow
from tests.factories import add_versions
from tests.integration.registry.processes import bring_up_to_date, together


@pytest.fixture
def empty(empty_url):
    database = Database(empty_url)
    yield database
    database.dispose()


def test_migrations_create_exactly_the_tables(database):
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})

        assert compare_metadata(context, METADATA) == []


def test_migrations_create_what_a_comparison_does_not_see(database, empty):
    """Check constraints and the names of keys, held against what the tables would make."""
    METADATA.create_all(empty.engine)
    migrated, made = inspect(database.engine), inspect(empty.engine)

    for name in METADATA.tables:
        assert migrated.get_check_constraints(name) == made.get_check_constraints(name)
        assert migrated.get_pk_constraint(name) == made.get_pk_constraint(name)
        assert sorted(map(str, migrated.get_foreign_keys(name))) == sorted(
            map(str, made.get_foreign_keys(name))
        )


def test_migrations_create_partial_indexes_with_the_conditions_of_the_tables(database):
    with database.read() as session:
        found = inspect(session.connection())
        for name, table in METADATA.tables.items():
            migrated = {
                index["name"]: index["dialect_options"].get(f"{found.dialect.name}_where")
                for index in found.get_indexes(name)
            }
            for index in table.indexes:
                condition = index.dialect_options["sqlite"]["where"]
                assert words(migrated[index.name]) == words(condition), index.name


def words(condition):
    """A condition, without the parentheses that PostgreSQL adds."""
    return re.findall(r"[^\s()]+", str(condition))


def test_the_newest_migration_is_that_of_the_release(database):
    scripts = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))

    with database.read() as session:
        assert current_revision(session.connection()) == HEAD
    assert scripts[-1].name.startswith(f"{HEAD}_")


def test_an_empty_database_is_migrated_once(empty):
    assert upgrade(empty) is True
    assert upgrade(empty) is False


def test_concurrent_threads_migrate_once(empty):
    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(upgrade, [empty] * 8)) == [False] * 7 + [True]


@pytest.mark.slow
def test_concurrent_processes_migrate_once(empty_url):
    assert sorted(together(bring_up_to_date, [(empty_url,)] * 3)) == [False, False, True]


def test_a_database_of_a_later_release_is_refused_unchanged(database):
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaMismatch, match="9999"):
        upgrade(database)

    with database.read() as session:
        assert current_revision(session.connection()) == "9999"


def test_a_database_of_another_application_is_refused_unchanged(empty):
    with empty.write() as session:
        session.execute(text("CREATE TABLE invoices (id INTEGER)"))

    with pytest.raises(SchemaMismatch, match="tables of another application"):
        upgrade(empty)

    assert inspect(empty.engine).get_table_names() == ["invoices"]


def test_a_failed_migration_changes_nothing(empty):
    """A view that stands in the way of the last table, so that all before it are undone."""
    with empty.write() as session:
        session.execute(text("CREATE VIEW version_tags AS SELECT 1 AS x"))

    with pytest.raises(Exception, match="version_tags"):
        upgrade(empty)

    assert inspect(empty.engine).get_table_names() == []


def test_a_migration_removes_the_rewritten_forms_of_uploaded_onnx_files(database):
    """Versions of the releases that wrote such files anew; what was compiled of others stays."""
    written, converted = {"onnx": "1" * 64}, {"onnx": "2" * 64}
    engine = {"name": "onnx", "max_abs_diff": 0.0, "max_rel_diff": 0.0, "checked_rows": 512}
    add_versions(database, "uploaded", format="onnx", engine=engine, compiled=written)
    add_versions(database, "trained", engine=engine, compiled=converted)
    with database.write() as session:
        record(session, "promoted", actor="ann", model="trained", alias="production", to_version=1)
        session.execute(text("DROP INDEX ix_metrics_name_model_value_number"))  # of 0005
        session.execute(text("ALTER TABLE versions DROP COLUMN training_rows_sha256"))  # of 0006
        session.execute(text("DROP TABLE sessions"))  # of 0007
        session.execute(text("DROP INDEX ix_history_model_alias_seq"))  # of 0007
        session.execute(text("DROP TABLE verdicts"))  # of 0008, with the index of 0012
        session.execute(text("DROP TABLE history_checks"))  # of 0009, 0013
        session.execute(text("ALTER TABLE tokens DROP COLUMN kind"))  # of 0009
        session.execute(text("ALTER TABLE tokens DROP COLUMN last_used_at"))  # of 0009
        session.execute(text("DROP TABLE traffic"))  # of 0010
        session.execute(text("DROP INDEX ix_history_model_to_version_seq"))  # of 0011
        session.execute(text("DROP INDEX ix_history_model_from_version_seq"))  # of 0011
        session.execute(text("DROP INDEX ix_versions_run_id"))  # of 0014
        for column in ("updated_at", "source", "run_id"):  # of 0014
            session.execute(text(f"ALTER TABLE versions DROP COLUMN {column}"))
        session.execute(text("ALTER TABLE models DROP COLUMN updated_at"))  # of 0014
        session.execute(text("ALTER TABLE versions DROP COLUMN files_sha256"))  # of 0015
        session.execute(text("DROP TABLE alias_arms"))  # of 0016
        for column in ("split_by", "split_salt"):  # of 0016
            session.execute(text(f"ALTER TABLE aliases DROP COLUMN {column}"))
        for table in ("rollout_counts", "rollouts", "leases"):  # of 0017
            session.execute(text(f"DROP TABLE {table}"))
        session.execute(text("DROP TABLE alerts"))  # of 0018
        for table in ("deliveries", "webhooks", "delivery_counts", "fan_outs"):  # of 0019
            session.execute(text(f"DROP TABLE {table}"))
        for table in ("promotion_hosts", "promotions", "hosts", "blobs"):  # of 0020
            session.execute(text(f"DROP TABLE {table}"))
        for table in ("split_counts", "uploaded_files"):  # of 0021
            session.execute(text(f"DROP TABLE {table}"))
        session.execute(text("UPDATE alembic_version SET version_num = '0003'"))

    assert upgrade(database) is True

    with database.read() as session:
        kept = {row.model: (row.engine, row.compiled) for row in session.query(VersionRow)}
        assert all(row.updated_at == row.created_at for row in session.query(VersionRow))
        assert verify(session).seq == 1  # the table is written anew by 0014
    assert kept["trained"] == (engine, converted)
    assert kept["uploaded"][0]["name"] == "onnxruntime"
    assert kept["uploaded"][1] == {}


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    file = tmp_path / "registry.db"
    file.write_bytes(b"this is a letter to a friend" * 100)
    database = Database(f"sqlite:///{file}")

    with pytest.raises(SchemaMismatch, match="not an SQLite database"):
        upgrade(database)
    database.dispose()
    assert file.read_bytes().startswith(b"this is a letter")


def test_a_missing_folder_is_an_error(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'registry.db'}")

    with pytest.raises(DatabaseUnavailable):
        upgrade(database)


def test_the_history_begins_empty(sqlite_url):
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        assert list(connection.execute("SELECT id, seq, hash FROM history_head")) == [
            (1, 0, "0" * 64)
        ]
    connection.close()
