"""A release serves the schema of the next one, and migrations only add, so hosts that share a
database are upgraded one after another."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

import migrations
from registry.errors import SchemaMismatch
from registry.storage.database import Database
from registry.storage.schema import HEAD, current_revision, is_served, migrate, upgrade
from tests.marks import first_fast

ONLINE_FROM = "0016"
"""The first migration beside which the release before may run."""
SCRIPTS = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
REVISIONS = [script.name.partition("_")[0] for script in SCRIPTS]


@pytest.fixture
def empty(empty_url):
    database = Database(empty_url)
    yield database
    database.dispose()


def shape(connection: Connection) -> dict[str, dict[str, object]]:
    """What an older release relies on, by the table's name."""
    found = inspect(connection)
    return {
        name: {
            "columns": {column["name"]: column for column in found.get_columns(name)},
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "rules": sorted(
                (str(each["name"]), str(each.get("sqltext") or each.get("column_names")))
                for each in (
                    *found.get_unique_constraints(name),
                    *found.get_check_constraints(name),
                    *(index for index in found.get_indexes(name) if index["unique"]),
                )
            ),
            "references": sorted(
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in found.get_foreign_keys(name)
            ),
        }
        for name in found.get_table_names()
    }


def check_adds_only(before, after) -> None:
    """Tables and columns are added, and an older release can insert rows without the new ones."""
    for name, table in before.items():
        now = after[name]
        for kept in ("key", "rules", "references"):
            assert now[kept] == table[kept], name
        for column, was in table["columns"].items():
            assert str(now["columns"][column]) == str(was), f"{name}.{column}"
        for column in now["columns"].keys() - table["columns"].keys():
            added = now["columns"][column]
            assert added["nullable"] or added["default"] is not None, f"{name}.{column}"


def test_migrations_only_add(empty):
    start = REVISIONS.index(ONLINE_FROM)
    with empty.write() as session:
        connection = session.connection()
        migrate(connection, REVISIONS[start - 1])
        before = shape(connection)
        for revision in REVISIONS[start:]:
            migrate(connection, revision)
            after = shape(connection)
            assert after.keys() >= before.keys()
            check_adds_only(before, after)
            before = after
        assert current_revision(connection) == HEAD


@pytest.mark.parametrize(
    "change",
    first_fast(
        [
            "ALTER TABLE aliases DROP COLUMN split_by",
            "ALTER TABLE aliases ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'; "
            "ALTER TABLE aliases ALTER COLUMN colour DROP DEFAULT",
            "ALTER TABLE models ALTER COLUMN description TYPE VARCHAR(10)",
            "ALTER TABLE models ADD CHECK (last_number < 100)",
            "CREATE UNIQUE INDEX one_name ON tokens (name)",
            "DROP TABLE alerts",
        ]
    ),
)
def test_a_migration_that_does_not_only_add_is_found(postgresql, change):
    url = postgresql.create(migrated=True)
    database = Database(url)
    with database.write() as session:
        before = shape(session.connection())
        session.connection().exec_driver_sql(change)
        after = shape(session.connection())
    database.dispose()
    postgresql.drop(url)

    with pytest.raises((AssertionError, KeyError)):
        check_adds_only(before, after)


def test_migrations_are_numbered_by_the_release_that_brings_them():
    assert all(re.fullmatch(r"[0-9]{4}[a-z]?", revision) for revision in REVISIONS)


@pytest.mark.parametrize(
    ("revision", "served"),
    [
        ("0019", True),
        ("0020", True),
        ("0020b", True),
        ("0021", False),
        ("0018", False),
        ("9999", False),
        ("later", False),
        (None, False),
    ],
)
def test_the_schema_of_the_next_release_is_served_and_no_other(revision, served):
    assert is_served(revision, "0019") is served


def set_step(database, beyond):
    """Set the schema's revision to that of a release ``beyond`` this one."""
    revision = f"{int(HEAD[:4]) + beyond:04}"
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    return revision


def test_the_schema_of_the_next_release_is_left_as_it_is(database):
    revision = set_step(database, 1)

    assert upgrade(database) is False
    with database.read() as session:
        assert current_revision(session.connection()) == revision


def test_the_schema_of_the_release_after_it_is_refused(database):
    revision = set_step(database, 2)

    with pytest.raises(SchemaMismatch, match=f"at migration {revision}"):
        upgrade(database)
