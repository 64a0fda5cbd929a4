"""Holdouts are stored, backed up, checked and never collected as garbage."""

import sqlite3
from importlib.resources import files

import pytest
from alembic import command
from alembic.config import Config

from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.storage import check_blobs
from registry.errors import BackupRefused, BlobMissing
from registry.operations.back_up import back_up
from registry.operations.collect_garbage import collect_garbage
from registry.operations.remove_holdout import remove_holdout
from registry.operations.restore import restore
from registry.operations.scrub import scrub
from registry.operations.set_holdout import set_holdout
from registry.operations.set_policy import set_policy
from registry.operations.verify_backup import verify_backup
from registry.reading.blob_uses import HOLDOUT, BlobUse
from registry.reading.pages import Paging
from registry.reading.queries import list_holdouts, list_versions
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.schema import HEAD, current_revision, upgrade
from tests.factories import add_versions

TABLE = b"length,width,area\n1,2,2\n3,4,12\n"


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def keep(database, blobs, content=TABLE, model="house"):
    with blobs.stage(2**20) as table:
        table.write(content)
        view, _ = set_holdout(database, model, table, "csv", "area", blobs=blobs, actor="ann")
        return view["sha256"]


@pytest.fixture
def house(database):
    add_versions(database, "house")
    return database


def test_current_and_replaced_holdouts_are_not_garbage(house, blobs):
    digests = {keep(house, blobs), keep(house, blobs, TABLE + b"5,6,30\n")}
    remove_holdout(house, "house", actor="ann")

    assert collect_garbage(house, blobs, older_than=0).blobs.count == 0
    assert set(blobs.digests()) == digests


def test_a_refused_table_leaves_nothing_stored(house, blobs):
    with pytest.raises(Exception, match="target"):
        keep(house, blobs, b"length,width\n1,2\n3,4\n")

    assert list(blobs.digests()) == []


def test_a_backup_contains_every_holdout(sqlite_database, blobs, tmp_path):
    add_versions(sqlite_database, "house", [])
    digests = {keep(sqlite_database, blobs), keep(sqlite_database, blobs, TABLE + b"5,6,30\n")}

    manifest = back_up(sqlite_database, blobs, tmp_path / "backup")
    verify_backup(tmp_path / "backup")

    assert digests < {entry.sha256 for entry in manifest.files}
    restore(tmp_path / "backup", tmp_path / "data")
    restored = LocalBlobStore(tmp_path / "data" / "blobs")
    assert set(restored.digests()) == digests
    database = Database(f"sqlite:///{tmp_path / 'data' / 'registry.db'}")
    with database.read() as session:
        assert list_holdouts(session, "house", Paging())["total"] == 2
    database.dispose()


def test_a_backup_reports_a_lost_holdout(sqlite_database, blobs, tmp_path):
    add_versions(sqlite_database, "house", [])
    blobs.path_of(keep(sqlite_database, blobs)).unlink()

    with pytest.raises(BackupRefused, match="house/holdout"):
        back_up(sqlite_database, blobs, tmp_path / "backup")


def test_damage_to_a_holdout_is_found_and_named(house, blobs):
    digest = keep(house, blobs)
    blobs.path_of(digest).write_bytes(b"other")

    losses = scrub(house, blobs).losses

    (loss,) = [loss for loss in losses if loss.digest == digest]
    assert loss.uses == (BlobUse("house", 1, HOLDOUT),)
    assert (loss.uses[0].owner, loss.aliases) == ("house/holdout", ())


def test_the_doctor_reports_a_missing_holdout(database, blobs, tmp_path):
    add_versions(database, "house", [])
    digest = keep(database, blobs)
    installation = Installation(tmp_path, database, blobs)
    assert [finding.result for finding in check_blobs(installation)] == ["ok"]

    blobs.path_of(digest).unlink()
    (finding,) = check_blobs(installation)
    assert (finding.result, finding.message) == ("fault", "the holdout of house lacks its table")

    remove_holdout(database, "house", actor="ann")
    assert [finding.result for finding in check_blobs(installation)] == ["ok"]
    with pytest.raises(BlobMissing):
        blobs.open(digest)


def test_the_history_verifies_with_policies_and_holdouts(house, blobs):
    set_policy(house, "house", ["rmse < champion @ 95%"], actor="ann")
    keep(house, blobs)
    remove_holdout(house, "house", actor="bob")

    with house.read() as session:
        assert verify(session).seq == 3


@pytest.fixture
def first_release(sqlite_url, tmp_path):
    """The URL of a database with a version, as the first migration leaves it."""
    today = Database(sqlite_url)
    add_versions(today, "house")
    today.dispose()
    file = tmp_path / "first.db"
    first = Database(f"sqlite:///{file}")
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    with first.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
    first.dispose()
    connection = sqlite3.connect(file)
    connection.execute("ATTACH ? AS today", [sqlite_url.removeprefix("sqlite:///")])
    with connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
        )
        for (name,) in tables.fetchall():
            described = connection.execute(f"PRAGMA main.table_info({name})")
            columns = ", ".join(row[1] for row in described)
            copied = f"SELECT {columns} FROM today.{name}"
            connection.execute(f"INSERT OR REPLACE INTO main.{name} ({columns}) {copied}")
    connection.close()
    return f"sqlite:///{file}"


def test_a_database_of_the_first_release_is_migrated_with_its_contents(first_release, blobs):
    database = Database(first_release)
    assert upgrade(database) is True
    with database.read() as session:
        assert current_revision(session.connection()) == HEAD
        assert list_versions(session, "house", Paging())["total"] == 1
    assert keep(database, blobs)
    database.dispose()
