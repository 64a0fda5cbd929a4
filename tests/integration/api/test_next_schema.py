"""A service continues, and is replaced, on the schema of the release after it."""

import threading
import time
from functools import partial

import pytest

from registry.storage.database import Database
from registry.storage.schema import HEAD, change_online

NEXT = f"{int(HEAD[:4]) + 1:04}"
ADDITIONS = [
    "CREATE TABLE later (id INTEGER PRIMARY KEY, model VARCHAR(128) REFERENCES models (name))",
    "ALTER TABLE models ADD COLUMN later TEXT",
    "ALTER TABLE versions ADD COLUMN later TEXT",
    "ALTER TABLE aliases ADD COLUMN later INTEGER DEFAULT 1 NOT NULL",
    "ALTER TABLE history ADD COLUMN later TEXT",
    "ALTER TABLE tokens ADD COLUMN later TEXT",
    "CREATE INDEX ix_versions_later ON versions (later)",
    f"UPDATE alembic_version SET version_num = '{NEXT}'",
]
"""What the next release may do to the tables that this one reads and writes."""


def migrate(url):
    """Do what the first host of the next release does when it starts."""

    def change(connection):
        for statement in ADDITIONS:
            connection.exec_driver_sql(statement)
        return True

    database = Database(url)
    assert change_online(database, change) is True
    database.dispose()


@pytest.fixture
def running(make_app, database_url, artifacts):
    service = make_app(database_url=database_url, lease_seconds=0)
    service.admin.upload("plane", artifacts["line-1"])
    assert service.admin.promote("plane", 1).status_code == 200
    return service


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def predict(caller):
    return caller.post("/models/plane/predict", json={"input": [10]})


def until_not_busy(change):
    """The response to ``change``, repeated as clients do while a migration has the tables."""
    while (response := change()).status_code == 503:
        assert response.json["title"] == "Database busy"
        time.sleep(0.05)
    return response


def test_a_service_goes_on_while_another_host_migrates_the_database(
    running, database_url, artifacts
):
    ended, statuses = threading.Event(), []

    def work():
        admin = running.admin
        while not ended.is_set():
            added = until_not_busy(lambda: admin.upload("plane", artifacts["line-2"]))
            number = added.json["version"]
            promoted = until_not_busy(partial(admin.promote, "plane", number))
            statuses.append(added.status_code)
            statuses.append(promoted.status_code)
            statuses.append(predict(admin).status_code)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_until(lambda: len(statuses) >= 3)
        migrate(database_url)
        seen = len(statuses)
        wait_until(lambda: len(statuses) >= seen + 6)
    finally:
        ended.set()
        worker.join()

    assert set(statuses) <= {200, 201}


def test_a_worker_that_starts_after_the_migration_serves_and_changes(
    running, make_app, database_url, artifacts
):
    migrate(database_url)
    replaced = make_app(database_url=database_url, lease_seconds=0, data=running.data)
    admin = replaced.admin

    assert admin.upload("plane", artifacts["line-2"]).status_code == 201
    assert admin.promote("plane", 2).status_code == 200
    assert predict(admin).status_code == 200
    assert admin.post("/models/plane/rollback", json={}).status_code == 200
    assert admin.patch("/models/plane", json={"description": "new"}).status_code == 200
    assert admin.get("/models/plane/history").json["total"] >= 5
    assert running.admin.get("/models/plane").json["aliases"] == {"production": 1}
