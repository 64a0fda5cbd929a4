"""Damage is found, moved aside, and reported with the affected versions."""

import gc
import shutil
import tracemalloc

import pytest
from sqlalchemy import insert, inspect

from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.storage import check_blobs
from registry.errors import BlobDamaged
from registry.operations.back_up import back_up
from registry.operations.promote import PromotionRequest, promote
from registry.operations.scrub import scrub
from registry.operations.split_alias import SplitRequest, split_alias
from registry.reading.blob_uses import BlobUse
from registry.storage.tables import VersionRow, utc_now
from tests.factories import ungated, version_row
from tests.fakes import Preparer
from tests.integration.registry.races import orphan, upload


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_versions_of_a_split_are_named_with_the_alias(database, blobs):
    for content in (b"first", b"second"):
        upload(database, blobs, content, model="garden")
    ann = PromotionRequest(actor="ann")
    promote(database, Preparer(), "garden", "1", ann, evaluate_gates=ungated)
    split_alias(
        database,
        Preparer(),
        "garden",
        SplitRequest(actor="ann", weights={1: 9000, 2: 1000}),
        evaluate_gates=lambda _: (),
    )
    for path in files(blobs.root):
        path.write_bytes(b"damaged")

    losses = scrub(database, blobs).losses

    named = {use.number: loss.aliases for loss in losses for use in loss.uses}
    assert named == {1: ("garden@production",), 2: ("garden@production",)}


def test_an_intact_store_has_no_losses(database, blobs):
    upload(database, blobs, b"first")
    orphan(blobs)

    found = scrub(database, blobs)

    assert (found.intact, found.size, found.losses) == (3, 5 + 5 + 8, ())
    assert len(files(blobs.root)) == 3


def test_damaged_bytes_are_moved_aside_and_named_by_version_form_and_alias(database, blobs):
    digest = upload(database, blobs, b"first")["artifact"]["sha256"]
    upload(database, blobs, b"first", model="garden")
    upload(database, blobs, b"second")
    promote(
        database, Preparer(), "garden", "1", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    blobs.path_of(digest).write_bytes(b"fIrst")

    found = scrub(database, blobs)

    (loss,) = found.losses
    assert (loss.digest, loss.state) == (digest, "damaged")
    assert loss.uses == (BlobUse("garden", 1, "artifact"), BlobUse("house", 1, "artifact"))
    assert loss.aliases == ("garden@production",)
    assert [path.read_bytes() for path in files(blobs.root / "damaged")] == [b"fIrst"]
    assert found.intact == 3


def test_missing_blobs_are_reported_until_they_are_restored(database, blobs):
    digest = upload(database, blobs, b"first")["artifact"]["sha256"]
    blobs.path_of(digest).write_bytes(b"")

    states = [[loss.state for loss in scrub(database, blobs).losses] for _ in range(3)]

    assert states == [["damaged"], ["missing"], ["missing"]]
    upload(database, blobs, b"first")
    assert scrub(database, blobs).losses == ()


def test_bytes_copied_from_a_backup_repair_a_blob(sqlite_database, blobs, tmp_path):
    digest = upload(sqlite_database, blobs, b"first")["artifact"]["sha256"]
    back_up(sqlite_database, blobs, tmp_path / "backup")
    blobs.path_of(digest).write_bytes(b"rotten")
    scrub(sqlite_database, blobs)

    shutil.copy(tmp_path / "backup" / "blobs" / digest[:2] / digest, blobs.path_of(digest))

    assert scrub(sqlite_database, blobs).losses == ()


def test_damaged_garbage_is_moved_aside_too(database, blobs):
    digest = orphan(blobs)
    blobs.path_of(digest).write_bytes(b"rotten")

    (loss,) = scrub(database, blobs).losses

    assert (loss.state, loss.uses) == ("damaged", ())
    assert scrub(database, blobs).losses == ()


def test_unreadable_bytes_do_not_end_a_scrub(database, blobs):
    digest = upload(database, blobs, b"first")["artifact"]["sha256"]
    blobs.path_of(digest).unlink()
    blobs.path_of(digest).mkdir()  # reading it fails, as a bad sector does
    upload(database, blobs, b"second")

    found = scrub(database, blobs)

    assert [(loss.digest, loss.state) for loss in found.losses] == [(digest, "unreadable")]
    assert found.intact == 3


def test_a_scrub_reports_its_progress(database, blobs):
    upload(database, blobs, b"first")
    heard = []

    scrub(database, blobs, progress=lambda *figures: heard.append(figures))

    assert heard == [(1, 2, 5), (2, 2, 5)]


def test_bytes_repaired_meanwhile_are_not_moved_aside(database, blobs):
    digest = upload(database, blobs, b"first")["artifact"]["sha256"]
    blobs.path_of(digest).write_bytes(b"rotten")
    rotten = blobs.path_of(digest).open("rb")
    upload(database, blobs, b"first")

    blobs._move_aside(blobs.path_of(digest), rotten.fileno())

    rotten.close()
    blobs.open(digest).close()


def test_damage_that_cannot_be_moved_aside_is_still_reported(database, blobs):
    digest = upload(database, blobs, b"first")["artifact"]["sha256"]
    blobs.path_of(digest).write_bytes(b"rotten")
    (blobs.root / "damaged").write_bytes(b"a file where a folder should be")

    with pytest.raises(BlobDamaged):
        blobs.open(digest)
    assert [loss.state for loss in scrub(database, blobs).losses] == ["damaged"]


@pytest.mark.slow
def test_the_memory_of_scrub_and_doctor_does_not_grow_with_the_versions(sqlite_database, blobs):
    """All versions have the same bytes, so there is one digest however many there are."""
    digest = upload(sqlite_database, blobs, b"first")["artifact"]["sha256"]
    proto = version_row("house", 1, sha256=digest, compiled={"onnx": digest}, created_at=utc_now())
    columns = {
        column.key: getattr(proto, column.key) for column in inspect(VersionRow).column_attrs
    }
    columns["description"] = ""

    def held(first, last):
        """The bytes held at most, with as many versions as ``last``."""
        rows = [{**columns, "number": number} for number in range(first, last + 1)]
        with sqlite_database.write() as session:
            session.execute(insert(VersionRow), rows)
        installation = Installation(blobs.root.parent, sqlite_database, blobs)
        assert scrub(sqlite_database, blobs).losses == ()  # the first time fills caches
        most = []
        for _ in range(3):  # the least: threads that other tests left may hold something too
            gc.collect()
            gc.freeze()  # or what they left makes full collections rare
            tracemalloc.start()
            found = [*check_blobs(installation)]
            assert scrub(sqlite_database, blobs).losses == ()
            most.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            gc.unfreeze()
        return found, min(most)

    # From 2,000 on, of which two pieces of 1,000 rows are held at once.
    _, few = held(2, 2000)
    found, many = held(2001, 5500)

    assert [finding.message for finding in found] == ["the files of 5500 versions exist"]
    # To hold what each blob belongs to takes 800 bytes for each version.
    assert many - few < 100 * 3500, (few, many)
