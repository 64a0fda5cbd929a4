"""A backup is a consistent state of a registry in use, and is restored completely or not at all."""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.backups.manifest import read_manifest
from registry.blobs.local import LocalBlobStore
from registry.errors import (
    BackupDamaged,
    BackupRefused,
    BlobMissing,
    DataDirectoryRefused,
    HistoryBroken,
)
from registry.live.fleet import Fleet
from registry.operations.back_up import back_up
from registry.operations.collect_garbage import collect_garbage
from registry.operations.promote import PromotionRequest, promote
from registry.operations.restore import restore
from registry.operations.sign_in import sign_in
from registry.operations.verify_backup import verify_backup
from registry.reading.blob_uses import blob_uses
from registry.reading.queries import find_version
from registry.reading.sessions import find_session, session_digest
from registry.storage.database import Database, frozen
from registry.storage.history import verify
from registry.storage.sqlite import sqlite_module
from tests.factories import add_token, ungated
from tests.fakes import Preparer
from tests.integration.registry.races import orphan, upload
from tests.marks import each_once
from tests.small_disk import small_disk


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def registry(sqlite_database, blobs):
    """Three versions of a house, the second in production, and a blob that is nobody's."""
    for content in (b"first", b"second", b"third"):
        upload(sqlite_database, blobs, content)
    promote(
        sqlite_database,
        Preparer(),
        "house",
        "2",
        PromotionRequest(actor="ann"),
        evaluate_gates=ungated,
    )
    orphan(blobs)
    return sqlite_database


@pytest.fixture
def backup(registry, blobs, tmp_path):
    back_up(registry, blobs, tmp_path / "backup")
    return tmp_path / "backup"


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


def look(data):
    """The end of the history of the data directory, and its blobs, every one of them opened."""
    database = Database(f"sqlite:///{data / 'registry.db'}")
    store = LocalBlobStore(data / "blobs")
    try:
        with database.read() as session:
            head, references = verify(session), blob_uses(session)
        for digest in references:
            store.open(digest).close()
        return head, set(references)
    finally:
        database.dispose()


def test_a_restored_registry_equals_the_original(registry, blobs, backup, tmp_path):
    restore(backup, tmp_path / "new")

    head, digests = look(tmp_path / "new")
    with registry.read() as session:
        assert head == verify(session)
    assert len(digests) == 6
    restored = Database(f"sqlite:///{tmp_path / 'new' / 'registry.db'}")
    with restored.read() as session:
        assert find_version(session, "house", "production").number == 2
    restored.dispose()


def test_a_backup_contains_all_used_blobs_and_a_hash_of_every_file(backup):
    manifest = read_manifest(backup)

    assert files(backup) == {"manifest.json", *(entry.path for entry in manifest.files)}
    assert manifest.blob_count == 6
    assert manifest.history.startswith("5:")
    assert verify_backup(backup) == manifest


def test_a_backup_has_no_sessions_of_the_console(registry, blobs, tmp_path):
    cookie = sign_in(registry, add_token(registry), timedelta(hours=12))

    back_up(registry, blobs, tmp_path / "backup")

    with registry.read() as session:
        assert find_session(session, cookie, timedelta(hours=12)) is not None
    with frozen(tmp_path / "backup" / "registry.db") as session:
        assert find_session(session, cookie, timedelta(hours=12)) is None
    digest = session_digest(cookie).encode()
    assert [
        name for name, content in contents(tmp_path / "backup").items() if digest in content
    ] == []


def test_backups_and_restored_files_are_private_to_their_owner(backup, tmp_path):
    restore(backup, tmp_path / "new")

    for folder in (backup, tmp_path / "new"):
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_restored_registry_continues_where_the_backup_ended(backup, tmp_path):
    restore(backup, tmp_path / "new")
    database = Database(f"sqlite:///{tmp_path / 'new' / 'registry.db'}")
    store = LocalBlobStore(tmp_path / "new" / "blobs")

    assert upload(database, store, b"fourth")["version"] == 4
    promote(
        database, Preparer(), "house", "4", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    assert collect_garbage(database, store, older_than=0).blobs.count == 0
    database.dispose()
    look(tmp_path / "new")


def test_backups_made_during_uploads_and_promotions_are_consistent(
    sqlite_url, registry, blobs, tmp_path
):
    done = threading.Event()
    faults = []

    def load(which):
        database = Database(sqlite_url)
        try:
            number = 0
            while not done.is_set():
                number += 1
                view = upload(database, blobs, b"%d of %d" % (number, which), f"m{which}")
                order = PromotionRequest(actor="ann")
                promote(
                    database,
                    Preparer(),
                    f"m{which}",
                    str(view["version"]),
                    order,
                    evaluate_gates=ungated,
                )
                collect_garbage(database, blobs, older_than=0)
        except Exception as error:  # noqa: BLE001 - told to the test below
            faults.append(error)
        finally:
            database.dispose()

    workers = [threading.Thread(target=load, args=(which,)) for which in range(3)]
    for worker in workers:
        worker.start()
    heads = []
    try:
        for number in range(5):
            back_up(registry, blobs, tmp_path / f"backup{number}")
            restore(tmp_path / f"backup{number}", tmp_path / f"new{number}")
            heads.append(look(tmp_path / f"new{number}")[0].seq)
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert faults == []
    assert heads == sorted(set(heads)), "each holds more than the one before"


def test_files_of_an_earlier_backup_are_linked_and_others_copied(registry, blobs, backup, tmp_path):
    view = upload(registry, blobs, b"fourth")

    manifest = back_up(registry, blobs, tmp_path / "next", since=backup)

    links = {
        entry.sha256: (tmp_path / "next" / entry.path).stat().st_nlink
        for entry in manifest.files
        if entry.path != "registry.db"
    }
    # The artifact and what was compiled of it.
    copied = {view["artifact"]["sha256"], hashlib.sha256(b"fourth"[::-1]).hexdigest()}
    assert {digest for digest, count in links.items() if count == 1} == copied
    assert {count for digest, count in links.items() if digest not in copied} == {2}
    shutil.rmtree(backup)
    verify_backup(tmp_path / "next")
    restore(tmp_path / "next", tmp_path / "restored")
    with registry.read() as session:
        assert look(tmp_path / "restored") == (verify(session), set(blob_uses(session)))


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_bytes(b""), flip_a_bit])
def test_a_file_lost_in_the_earlier_backup_is_copied_again(registry, blobs, backup, harm, caplog):
    lost = next(entry for entry in read_manifest(backup).files if entry.path != "registry.db")
    harm(backup / lost.path)

    back_up(registry, blobs, backup.with_name("next"), since=backup)

    verify_backup(backup.with_name("next"))
    (warning,) = caplog.messages
    assert lost.path in warning, "who relies on the earlier backup is told"


def test_the_earlier_backup_must_be_a_backup(registry, blobs, tmp_path):
    with pytest.raises(BackupDamaged, match="backup is not complete"):
        back_up(registry, blobs, tmp_path / "next", since=tmp_path)
    assert not (tmp_path / "next").exists()


def test_an_empty_registry_can_be_backed_up_and_restored(sqlite_database, blobs, tmp_path):
    back_up(sqlite_database, blobs, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")

    assert look(tmp_path / "new")[0].seq == 0


def test_a_backup_never_replaces_anything(registry, blobs, backup, tmp_path):
    before = contents(backup)
    with pytest.raises(BackupRefused, match="already exists"):
        back_up(registry, blobs, backup)
    assert contents(backup) == before
    (tmp_path / "empty").mkdir()
    back_up(registry, blobs, tmp_path / "empty")
    verify_backup(tmp_path / "empty")


def test_a_failed_backup_leaves_nothing(registry, blobs, tmp_path):
    before = sorted(tmp_path.iterdir())
    with registry.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 2"))
    with pytest.raises(HistoryBroken):
        back_up(registry, blobs, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="No such file"):
        back_up(registry, blobs, tmp_path / "no" / "backup")
    assert sorted(tmp_path.iterdir()) == before


def test_an_incomplete_backup_is_made_only_on_request(registry, blobs, tmp_path):
    with registry.read() as session:
        digest = find_version(session, "house", "1").sha256
    blobs.path_of(digest).write_bytes(b"rotten")

    with pytest.raises(BackupRefused, match="house/1"):
        back_up(registry, blobs, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    manifest = back_up(registry, blobs, tmp_path / "backup", incomplete=True)

    assert manifest.missing == (digest,)
    restore(tmp_path / "backup", tmp_path / "new")
    with pytest.raises(BlobMissing):
        look(tmp_path / "new")


def test_no_blob_is_removed_during_a_backup(registry, blobs, tmp_path):
    """The backup is made to wait within; then the collection has to wait for the backup."""
    entered, collected = threading.Event(), threading.Event()

    class Waiting(LocalBlobStore):
        def open(self, digest):
            entered.set()
            assert not collected.wait(0.2)
            return super().open(digest)

    def collect():
        entered.wait()
        collect_garbage(registry, blobs, older_than=0)
        collected.set()

    collector = threading.Thread(target=collect)
    collector.start()
    back_up(registry, Waiting(blobs.root), tmp_path / "backup")
    collector.join(10)

    assert collected.is_set()
    verify_backup(tmp_path / "backup")


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "which"),
    each_once(
        [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")],
        ["registry.db", "a blob", "manifest.json"],
    ),
)
def test_a_damaged_backup_is_refused_and_nothing_is_restored(backup, tmp_path, damage, which):
    entry = read_manifest(backup).files[3].path
    damage(backup / (entry if which == "a blob" else which))

    with pytest.raises(BackupDamaged):
        restore(backup, tmp_path / "new" / "data")
    assert not (tmp_path / "new").exists()


def rewrite(backup, **changes):
    file = backup / "manifest.json"
    said = json.loads(file.read_text())
    for key, change in changes.items():
        said[key] = change(said[key])
    file.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": lambda _: 2}, "format is 2"),
        ({"schema": lambda _: "9999"}, "schema"),
        ({"history": lambda head: f"1:{'0' * 64}"}, "history ends at 5:"),
        ({"files": lambda files: files[:-1]}, "lacks 1 blobs"),
        ({"files": lambda files: files[1:]}, "every file once"),
        ({"files": lambda files: [*files, files[1]]}, "every file once"),
        ({"files": lambda files: [*files, {**files[1], "path": "blobs/../x"}]}, "blobs/../x"),
        ({"files": lambda files: [*files, {**files[1], "path": "/etc/passwd"}]}, "/etc/passwd"),
        (
            {"files": lambda files: [{**files[0], "size": 1}, *files[1:]]},
            "registry.db does not match",
        ),
    ],
)
def test_an_invalid_manifest_is_refused(backup, tmp_path, changes, said):
    rewrite(backup, **changes)

    with pytest.raises(BackupDamaged, match=re.escape(said)):
        restore(backup, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_forged_history_is_refused_even_if_every_hash_matches(backup, tmp_path):
    with closing(sqlite_module().connect(backup / "registry.db")) as connection:
        connection.execute("UPDATE history SET actor = 'eve' WHERE seq = 2")
        connection.commit()
    content = (backup / "registry.db").read_bytes()
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rewrite(backup, files=lambda files: [{**files[0], **entry}, *files[1:]])

    with pytest.raises(BackupDamaged, match="Event 2 was changed"):
        restore(backup, tmp_path / "new")


def test_the_target_of_a_restore_must_be_empty(backup, tmp_path):
    data = tmp_path / "old"
    data.mkdir()
    (data / "registry.db-wal").write_bytes(b"of another database")

    with pytest.raises(DataDirectoryRefused, match=r"not empty \(it contains registry.db-wal\)"):
        restore(backup, data)
    assert files(data) == {"registry.db-wal"}
    (data / "registry.db-wal").rename(data / ".gitkeep")
    restore(backup, data)
    look(data)


def test_restoring_into_the_directory_of_a_running_service_is_refused(backup, tmp_path):
    data = tmp_path / "served"
    fleet = Fleet(data / "run" / "workers")
    fleet.join(lambda model, number: None)
    try:
        with pytest.raises(DataDirectoryRefused, match="1 workers serves"):
            restore(backup, data)
    finally:
        fleet.leave()


def test_of_several_concurrent_restores_one_succeeds(backup, tmp_path):
    refused = []

    def attempt():
        try:
            restore(backup, tmp_path / "new")
        except DataDirectoryRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 5
    look(tmp_path / "new")


@pytest.fixture
def tiny(tmp_path):
    """A file system of 448 KiB: room for an empty registry."""
    with small_disk(tmp_path / "tiny", 448) as folder:
        yield folder


def test_a_full_disk_leaves_no_backup_and_no_restored_registry(registry, blobs, tmp_path, tiny):
    upload(registry, blobs, os.urandom(400_000))

    with pytest.raises(BackupRefused, match=os.strerror(errno.ENOSPC)):
        back_up(registry, blobs, tiny / "backup")
    assert list(tiny.iterdir()) == []
    back_up(registry, blobs, tmp_path / "backup")
    with pytest.raises(DataDirectoryRefused, match=os.strerror(errno.ENOSPC)):
        restore(tmp_path / "backup", tiny)
    assert list(tiny.iterdir()) == []


def test_a_mount_point_can_be_restored_into(registry, blobs, backup, tiny):
    restore(backup, tiny)
    look(tiny)
