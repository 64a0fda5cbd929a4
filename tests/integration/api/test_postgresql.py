"""Answers of a service on PostgreSQL, where each statement may see another state."""

import pytest
from sqlalchemy import event

from registry.operations.create_model import create_model


@pytest.fixture
def on_postgresql(postgresql, make_app):
    url = postgresql.create(migrated=True)
    yield make_app(database_url=url, lease_seconds=0)
    postgresql.drop(url)


def test_a_page_and_its_total_are_from_one_snapshot(on_postgresql):
    admin, database = on_postgresql.admin, on_postgresql.services.database
    create_model(database, "first", actor="ann")
    added = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def add(connection, cursor, statement, *_):
        if "count(" in statement and not added:
            added.append("second")
            create_model(database, "second", actor="bob")

    page = admin.get("/models").json

    assert added
    assert (page["total"], [each["name"] for each in page["items"]]) == (1, ["first"])
    assert admin.get("/models").json["total"] == 2
