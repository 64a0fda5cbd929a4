"""Lists of versions are read from indexes, however many versions there are."""

import re

import pytest
from sqlalchemy import event, text

from registry.errors import ParameterMalformed
from registry.reading.pages import Paging
from registry.reading.queries import list_versions
from registry.storage.tables import MetricRow
from tests.factories import add_versions
from tests.marks import each_once


@pytest.fixture
def house(sqlite_database):
    add_versions(sqlite_database, "house", ["ready", "archived"] * 5)
    with sqlite_database.write() as session:
        session.add_all(
            MetricRow(model="house", number=number, name="rmse", value=number % 4)
            for number in range(1, 10)
        )
    return sqlite_database


def plans(database, **asked):
    """Each statement on versions or metrics that a page takes, and how SQLite means to run it."""
    statements = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, *_):
        if "FROM versions" in statement or "FROM metrics" in statement:
            statements.append((statement, parameters))

    with database.read() as session:
        list_versions(session, "house", Paging(page_size=3, **asked.pop("paging", {})), **asked)
    event.remove(database.engine, "before_cursor_execute", note)
    with database.read() as session:
        connection = session.connection()
        return [
            (statement, [step[-1] for step in connection.exec_driver_sql(plan, parameters)])
            for statement, parameters in statements
            for plan in [f"EXPLAIN QUERY PLAN {statement}"]
        ]


# All of a model's metrics, or of the metrics of a name.
TOO_MANY = re.compile(r"(SCAN metrics|SEARCH metrics .*\((model|name)=\?\))$")


@pytest.mark.parametrize(
    ("sort", "paging", "status"),
    each_once(
        [None, "version", "metrics.rmse", "-metrics.rmse"],
        [{}, {"page": 2}, {"after": "4"}, {"after": "10"}],
        [None, "ready"],
    ),
)
def test_pages_are_read_from_indexes_without_sorting_a_table(house, sort, paging, status):
    found = plans(house, sort=sort, paging=paging, status=status)

    assert found
    for statement, steps in found:
        assert not [step for step in steps if TOO_MANY.match(step) or step == "SCAN versions"]
        # Equal figures are sorted, and the metrics of the versions of the page, by their names.
        is_sorted = "USE TEMP B-TREE FOR ORDER BY" in steps
        assert not is_sorted or "ORDER BY metrics.name" in statement


@pytest.mark.parametrize("largest", ["2147483648", "9" * 19])
def test_the_versions_after_a_number_that_no_version_can_have_are_all(database, largest):
    add_versions(database, "house", ["ready"] * 3)
    paging = Paging(after=largest)

    with database.read() as session:
        found = list_versions(session, "house", paging)["items"]
        with pytest.raises(ParameterMalformed):
            list_versions(session, "house", paging, sort="metrics.rmse")

    assert [one["version"] for one in found] == [3, 2, 1]


def test_names_are_compared_as_bytes_on_postgresql(postgresql):
    """In the locale of many servers 'b_1' comes before 'B-2', and cursors would skip names."""
    from registry.storage.database import Database

    url = postgresql.create(migrated=True)
    database = Database(url)
    with database.read() as session:
        collation = session.scalar(
            text(
                "SELECT collation_name FROM information_schema.columns "
                "WHERE table_name = 'models' AND column_name = 'name_key'"
            )
        )
    database.dispose()
    postgresql.drop(url)
    assert collation == "C"
