"""A registry is moved to the other kind of database row by row, with its history."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, insert, select, text

from registry.blobs.local import LocalBlobStore
from registry.errors import DatabaseBusy, HistoryBroken, MoveRefused
from registry.operations.move_database import move_database
from registry.operations.open_alert import open_alert
from registry.operations.promote import PromotionRequest, promote
from registry.operations.sign_in import sign_in
from registry.reading.queries import find_version
from registry.storage.all_tables import METADATA
from registry.storage.database import Database
from registry.storage.history import record, verify
from registry.storage.host_tables import HostRow, UploadedFileRow
from registry.storage.schema import upgrade
from registry.storage.tables import (
    IdempotencyKeyRow,
    MetricRow,
    TrafficRow,
    VersionTagRow,
    utc_now,
)
from registry.storage.webhook_tables import WebhookRow
from tests.factories import add_token, set_split, ungated
from tests.fakes import Preparer
from tests.integration.registry.races import upload


@pytest.fixture(params=["to PostgreSQL", "to SQLite"])
def ends(request, postgresql, tmp_path, sqlite_url):
    """A migrated database, and an empty one of the other kind."""
    to_postgresql = request.param == "to PostgreSQL"
    there = postgresql.create(migrated=not to_postgresql)
    here = sqlite_url if to_postgresql else f"sqlite:///{tmp_path / 'empty.db'}"
    pair = (here, there) if to_postgresql else (there, here)
    source, target = map(Database, pair)
    yield source, target
    source.dispose()
    target.dispose()
    postgresql.drop(there)


@pytest.fixture
def source(ends, tmp_path):
    """A registry in which a lot has happened, and a webhook was deleted."""
    source = ends[0]
    fill(source, LocalBlobStore(tmp_path / "blobs"))
    return source


@pytest.fixture
def target(ends):
    return ends[1]


def fill(database, blobs):
    for content in (b"first", b"second", b"third"):
        upload(database, blobs, content)
    for version in ("1", "2"):
        request = PromotionRequest(actor="ann", reason="ä\t\n'\"\\")
        promote(database, Preparer(), "house", version, request, evaluate_gates=ungated)
    set_split(database, "house", {2: 9000, 3: 1000})
    token = add_token(database, models=["h*"], expires_at=utc_now())
    add_token(database, "hsw_other")
    sign_in(database, token, timedelta(hours=1))
    with database.write() as session:
        session.add(MetricRow(model="house", number=1, name="rmse", value=0.1 + 0.2))
        session.add(MetricRow(model="house", number=2, name="rmse", value=5e-324))
        session.add(VersionTagRow(model="house", number=1, key="ключ", value="数\U0001f600"))
        answer = {"z": [1.0, 1e-7, None], "a": "ä"}
        session.add(IdempotencyKeyRow(token_id=token, key="k", fingerprint="f" * 64, answer=answer))
        session.add(
            TrafficRow(
                model="house",
                seconds=60,
                start=utc_now().replace(second=0, microsecond=0),
                version=1,
                alias="",
                refused=2**40,
                failed=0,
                times=bytes(range(256)),
            )
        )
        for _ in range(3):
            session.add(
                WebhookRow(
                    url="https://example.com/",
                    events=["*"],
                    since_seq=0,
                    salt=b"\x00" * 16,
                    key="1" * 16,
                    created_by="ann",
                )
            )
        open_alert(session, "held", "x", "It waits.", actor="hotswap", evidence={"p": 0.04})
        session.flush()
        session.execute(delete(WebhookRow).where(WebhookRow.id == 3))


def rows(database):
    """All rows of all tables, by the table's name."""
    with database.read() as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
            for table in METADATA.sorted_tables
        }


def stored(database):
    """The rows as SQLite has them, with its own types."""
    with database.read() as session:
        return {
            table.name: sorted(map(repr, session.execute(text(f"SELECT * FROM {table.name}"))))
            for table in METADATA.sorted_tables
        }


def end(database):
    with database.read() as session:
        return verify(session)


def test_every_row_arrives_and_the_history_goes_on(source, target):
    moved = move_database(source, target)

    assert rows(target) == rows(source)
    assert moved.head == end(target) == end(source)
    assert moved.rows["versions"] == 3
    assert sum(moved.rows.values()) == sum(map(len, rows(source).values()))
    with target.read() as session:
        assert find_version(session, "house", "production").number == 2
    request = PromotionRequest(actor="ann")
    promote(target, Preparer(), "house", "3", request, evaluate_gates=ungated)
    assert end(target).seq > end(source).seq


def test_numbers_that_were_given_are_not_given_again(source, target):
    move_database(source, target)

    assert add_token(target, "hsw_third") == 3
    with target.write() as session:
        columns = {"events": ["*"], "since_seq": 0, "salt": b"", "key": "1", "created_by": "ann"}
        added = insert(WebhookRow).values(url="https://example.com/", **columns)
        assert session.execute(added.returning(WebhookRow.id)).scalar_one() == 4


def test_a_registry_that_is_moved_there_and_back_is_the_same(postgresql, sqlite_database, tmp_path):
    fill(sqlite_database, LocalBlobStore(tmp_path / "blobs"))
    url = postgresql.create(migrated=False)
    there, back = Database(url), Database(f"sqlite:///{tmp_path / 'back.db'}")

    move_database(sqlite_database, there)
    move_database(there, back)

    assert stored(back) == stored(sqlite_database)
    there.dispose()
    back.dispose()
    postgresql.drop(url)


def test_a_database_in_use_is_not_moved_to(source, target):
    upgrade(target)
    add_token(target)
    before = rows(target)

    with pytest.raises(MoveRefused, match="is not empty"):
        move_database(source, target)
    assert rows(target) == before


def add_host(database, expires):
    with database.write() as session:
        session.add(
            HostRow(
                host="a",
                incarnation=1,
                release="2",
                workers=1,
                state="live",
                beats=1,
                lease_ms=10_000,
                expires=expires,
                acked_seq=0,
                seen_at=utc_now(),
            )
        )


def test_a_registry_whose_hosts_run_is_not_moved(source, target):
    add_host(source, utc_now() + timedelta(minutes=1))

    with pytest.raises(MoveRefused, match="Hosts use the database: a"):
        move_database(source, target)


@pytest.mark.parametrize("ends", ["to SQLite"], indirect=True)  # hosts share a PostgreSQL
def test_a_host_that_starts_during_the_move_makes_it_void(source, target):
    started = []

    @event.listens_for(target.engine, "before_cursor_execute")
    def start(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO history ") and not started:
            started.append(add_host(source, utc_now() + timedelta(minutes=1)))

    with pytest.raises(MoveRefused, match="Hosts use the database: a"):
        move_database(source, target)
    assert rows(target)["models"] == []


def test_a_move_may_take_longer_than_other_transactions(source, target):
    """Both databases end a transaction that waits for more than 0.3 s, where they can."""
    impatient = [
        Database(end.url.render_as_string(hide_password=False), busy_timeout=0.3)
        for end in (source, target)
    ]
    paused = []

    @event.listens_for(impatient[1].engine, "before_cursor_execute")
    def pause(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO history ") and not paused:
            paused.append(time.sleep(1))

    move_database(*impatient)

    for one in impatient:
        one.dispose()
    assert paused
    assert rows(target) == rows(source)


def test_hosts_that_ran_are_left_behind_with_what_they_were_receiving(source, target):
    add_host(source, utc_now() - timedelta(minutes=1))
    file = {"directory": "d", "path": "a", "sha256": "0" * 64, "size": 1, "arrived_at": utc_now()}
    with source.write() as session:
        session.add(UploadedFileRow(key="k", owner=1, **file))

    move_database(source, target)

    assert (rows(target)["hosts"], rows(target)["uploaded_files"]) == ([], [])
    assert rows(source)["hosts"] != []


def test_a_database_of_another_application_is_not_moved_to(source, target):
    with target.write() as session:
        session.execute(text("CREATE TABLE invoices (id INTEGER)"))

    with pytest.raises(MoveRefused, match="is not empty"):
        move_database(source, target)


def test_what_an_interrupted_move_left_is_no_obstacle(source, target):
    @event.listens_for(target.engine, "before_cursor_execute")
    def interrupt(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO history "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_database(source, target)
    event.remove(target.engine, "before_cursor_execute", interrupt)
    assert rows(target)["models"] == []
    move_database(source, target)

    assert rows(target) == rows(source)


def test_nobody_adds_to_the_history_during_a_move(source, target):
    other, refused = (
        Database(source.url.render_as_string(hide_password=False), busy_timeout=0.1),
        [],
    )

    @event.listens_for(target.engine, "before_cursor_execute")
    def disturb(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO history ") and not refused:
            with pytest.raises(DatabaseBusy) as busy, other.write() as session:
                record(session, "token_created", actor="eve")
            refused.append(busy)

    move_database(source, target)

    other.dispose()
    assert refused
    assert end(target) == end(source)


def test_a_row_that_changes_on_its_way_is_noticed(source, target):
    """A database that does not keep what it was given, by a trigger of its own."""
    upgrade(target)
    with target.write() as session:
        for statement in _ROUNDING[target.is_sqlite]:
            session.connection().exec_driver_sql(statement)

    with pytest.raises(MoveRefused, match="'metrics'"):
        move_database(source, target)
    assert rows(target)["models"] == []


_ROUNDING = {
    True: [
        "CREATE TRIGGER round AFTER INSERT ON metrics BEGIN"
        " UPDATE metrics SET value = round(value, 3) WHERE rowid = new.rowid; END"
    ],
    False: [
        "CREATE FUNCTION rounded() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN new.value = round(new.value::numeric, 3); RETURN new; END$$",
        "CREATE TRIGGER round BEFORE INSERT ON metrics FOR EACH ROW EXECUTE FUNCTION rounded()",
    ],
}


def test_a_broken_history_is_not_moved(source, target):
    with source.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 2"))

    with pytest.raises(HistoryBroken, match="Event 2"):
        move_database(source, target)
    assert rows(target)["models"] == []


def test_a_text_that_is_too_long_for_postgresql_is_named(sqlite_database, postgresql):
    """SQLite stores texts of any length."""
    add_token(sqlite_database, name="n" * 201)
    url = postgresql.create(migrated=False)
    target = Database(url)

    with pytest.raises(MoveRefused, match="'tokens' cannot be stored there: value too long"):
        move_database(sqlite_database, target)

    assert rows(target)["tokens"] == []
    target.dispose()
    postgresql.drop(url)
