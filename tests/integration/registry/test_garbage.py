"""Only unreferenced blobs are removed, and concurrent uploads lose nothing."""

import itertools
import os
import threading

import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import BlobsBusy
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.collect_garbage import collect_garbage
from registry.operations.register import register
from registry.reading.blob_uses import BlobUse, blob_uses, used_digests
from registry.storage.all_tables import METADATA
from tests.integration.registry.races import SKOPS, CompilingInspector, orphan, race_uploads, upload


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def stored(blobs):
    return set(blobs.digests())


def pointed_at(database):
    with database.read() as session:
        return set(blob_uses(session))


def test_blobs_of_versions_are_kept_and_others_removed(database, blobs):
    upload(database, blobs, b"first")
    orphan(blobs)

    collected = collect_garbage(database, blobs, older_than=0)

    assert (collected.blobs.count, collected.blobs.size) == (1, len(b"nobody's"))
    assert stored(blobs) == pointed_at(database)
    assert len(stored(blobs)) == 2, "the artifact and its compiled form"
    assert collect_garbage(database, blobs, older_than=0).blobs.count == 0


def test_archived_versions_and_models_keep_their_blobs(database, blobs):
    upload(database, blobs, b"first")
    upload(database, blobs, b"second")
    archive_version(database, "house", "1", actor="ci")
    archive_model(database, "house", actor="ci")

    assert collect_garbage(database, blobs, older_than=0).blobs.count == 0
    assert len(stored(blobs)) == 4


def test_digests_are_found_as_artifacts_and_as_compiled_forms(database, blobs):
    for number in range(40):
        upload(database, blobs, b"%d" % number)
    every = pointed_at(database)

    with database.read() as session:
        for prefix in {digest[:2] for digest in every}:
            wanted = {digest for digest in every if digest.startswith(prefix)}
            found = used_digests(session, prefix)
            assert {digest for digest in found if digest.startswith(prefix)} == wanted
            assert found < every


def test_a_dry_run_counts_the_same_and_removes_nothing(database, blobs):
    orphan(blobs)
    (blobs.root / "incoming" / "left by a crash").write_bytes(b"half a mod")

    would = collect_garbage(database, blobs, older_than=0, dry_run=True)

    assert len(stored(blobs)) == 1
    assert collect_garbage(database, blobs, older_than=0) == would
    assert (would.interrupted.count, would.interrupted.size) == (1, 10)
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []


def test_blobs_younger_than_the_grace_period_are_kept(database, blobs):
    old, young = orphan(blobs, b"old"), orphan(blobs, b"young")
    hours_ago = blobs.path_of(young).stat().st_mtime - 2 * 3600
    os.utime(blobs.path_of(old), (hours_ago, hours_ago))

    collected = collect_garbage(database, blobs)

    assert (collected.blobs.count, collected.blobs.young) == (1, 1)
    assert stored(blobs) == {young}


def test_uploading_bytes_again_restarts_their_grace_period(database, blobs):
    digest = orphan(blobs)
    os.utime(blobs.path_of(digest), (0, 0))

    orphan(blobs)

    assert collect_garbage(database, blobs).blobs.count == 0


@pytest.mark.parametrize("days", [-1, 1])
def test_a_wrong_clock_removes_nothing_that_is_used(database, blobs, days):
    upload(database, blobs, b"first")
    with blobs.stage(100) as under_way:
        under_way.write(b"second")
        collected = collect_garbage(
            database, blobs, clock=lambda: under_way.path.stat().st_mtime + days * 86400
        )
        register(database, CompilingInspector(), "house", under_way, SKOPS, actor="ci")

    assert collected.blobs.count == 0
    assert stored(blobs) == pointed_at(database)


def test_bytes_are_protected_until_their_row_is_written(database, blobs):
    digest = orphan(blobs)
    with blobs.stage(100) as again:  # the same bytes, which are garbage until its row is written
        again.write(b"nobody's")
        compiled = again.keep_beside(b"compiled")
        assert again.keep() == digest
        collections = []
        collector = threading.Thread(
            target=lambda: collections.append(collect_garbage(database, blobs, older_than=0))
        )
        collector.start()
        collector.join(0.5)
        assert collections == [], "it waits for the upload"
        assert stored(blobs) == {digest, compiled}
    collector.join(10)

    assert [collected.blobs.count for collected in collections] == [2]


def test_a_hanging_upload_delays_only_the_removal_in_its_folder(database, tmp_path):
    blobs = LocalBlobStore(tmp_path / "blobs", patience=0.05)
    with blobs.stage(100) as hanging:
        hanging.write(b"hangs")
        held = hanging.keep()
        contents = (b"%d" % number for number in itertools.count())
        other = next(d for d in (orphan(blobs, c) for c in contents) if d[:2] != held[:2])

        collected = collect_garbage(database, blobs, older_than=0)

    assert collected.blobs.passed_over >= 1
    assert held in stored(blobs)
    assert other not in stored(blobs)


def test_no_blob_is_removed_while_blobs_are_copied(database, tmp_path):
    blobs = LocalBlobStore(tmp_path / "blobs", turn=0.05)
    digest = orphan(blobs)

    with blobs.nothing_removed(), pytest.raises(BlobsBusy):
        collect_garbage(database, blobs, older_than=0)

    assert stored(blobs) == {digest}
    assert collect_garbage(database, blobs, older_than=0).blobs.count == 1


def test_an_empty_store_has_no_garbage(database, blobs):
    assert collect_garbage(database, blobs, older_than=0).blobs.count == 0
    assert not blobs.root.exists()


def test_every_column_with_a_blob_hash_is_known_to_the_collection():
    """Who adds one must say in ``registry.reading.blob_uses`` whether it points at a blob."""
    names = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if any(part in column.name for part in ("sha", "digest", "blob", "compiled", "artifact"))
    }
    pointing = {
        *("versions.sha256", "versions.compiled", "versions.training_rows_sha256"),
        *("versions.files_sha256", "holdouts.sha256"),
    }
    others = {
        *("sessions.digest", "tokens.digest"),
        "blobs.sha256",  # its row has the place of the bytes
        "uploaded_files.sha256",  # of a file that no version is made of yet
    }
    assert names == pointing | others


def test_each_use_of_a_blob_is_named(database, blobs):
    view = upload(database, blobs, b"abba")  # its own reverse: one blob, used as two things
    upload(database, blobs, b"abba", model="garden")

    with database.read() as session:
        assert blob_uses(session) == {
            view["artifact"]["sha256"]: [
                BlobUse(model, 1, role)
                for model in ("garden", "house")
                for role in ("artifact", "onnx")
            ]
        }


@pytest.mark.slow  # faults/test_uploads_beside_gc.py sends fifty
def test_uploads_during_a_collection_without_grace_lose_nothing(database_url, blobs):
    race = race_uploads(database_url, blobs, 200)

    assert (race.faults, race.lost, race.left) == ([], [], set())
    assert race.removed > 0, "the collection had something to do meanwhile"
