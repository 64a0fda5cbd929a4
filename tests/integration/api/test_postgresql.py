"""Answers of a service on PostgreSQL, where each statement may see another state."""

import pytest
from flask import request_finished
from sqlalchemy import event, text

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


def test_an_answer_is_sent_although_the_server_then_closes_the_connection(on_postgresql):
    admin, database = on_postgresql.admin, on_postgresql.services.database
    ended = []

    def end_connections(*_, **__):
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        mine = " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with database.read() as session:
            ended.extend(session.scalars(text(query + mine)))

    with request_finished.connected_to(end_connections):
        assert admin.get("/models").status_code == 200

    assert any(ended)
    assert admin.get("/models").json["total"] == 0
