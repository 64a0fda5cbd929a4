"""What the stored files take on the disk is measured from time to time, by what they are for."""

import shutil

import msgspec
import pytest

from registry.blobs.local import LocalBlobStore
from registry.operations.measure_disk import EVERY, last_disk_use, measure_disk_if_due
from registry.storage.durable import make_directory
from registry.storage.tables import HoldoutRow
from tests.factories import add_versions
from tests.integration.registry.buckets import Buckets
from tests.integration.registry.races import orphan, upload


def always():
    return True


@pytest.fixture
def data(tmp_path):
    make_directory(tmp_path / "run")
    return tmp_path


@pytest.fixture
def blobs(data):
    return LocalBlobStore(data / "blobs")


def age(data, by):
    """Change the last measurement as if it had been ``by`` ago."""
    use = last_disk_use(data / "run")
    earlier = msgspec.structs.replace(use, measured_at=use.measured_at - by)
    (data / "run" / "disk-use").write_bytes(msgspec.json.encode(earlier))


def test_each_file_counts_once_by_what_it_is_for(database, blobs, data):
    upload(database, blobs, b"first")
    upload(database, blobs, b"first", model="garden")
    orphan(blobs, b"nobody's")
    make_directory(blobs.root / "damaged").joinpath("ab.1").write_bytes(b"bad")

    model = make_directory(blobs.uploads / "1" / "model")
    model.joinpath("MLmodel").write_bytes(b"flavors: {}")

    with blobs.stage(100) as incoming:
        incoming.write(b"coming in")
        assert incoming.path.is_file()  # written out
        measure_disk_if_due(database, blobs, data / "run", always)

    use = last_disk_use(data / "run")
    assert (use.artifacts, use.compiled, use.unused) == (5, 5, 8)
    assert (use.incoming, use.damaged, use.data) == (9 + 11, 3, 0)


def test_each_role_of_a_blob_counts_as_its_kind(database, blobs, data):
    add_versions(
        database,
        "house",
        sha256=orphan(blobs, b"model"),
        files_sha256=orphan(blobs, b"its directory"),
        compiled={"columns": orphan(blobs, b"columns"), "forest": orphan(blobs, b"trees of it")},
        training_rows_sha256=orphan(blobs, b"hashes"),
    )
    with database.write() as session:
        session.add(
            HoldoutRow(
                model="house",
                number=1,
                format="csv",
                sha256=orphan(blobs, b"held out"),
                size=8,
                table_rows=2,
                columns=["a", "y"],
                target="y",
                created_by="ann",
            )
        )

    measure_disk_if_due(database, blobs, data / "run", always)

    use = last_disk_use(data / "run")
    assert (use.artifacts, use.compiled, use.data, use.unused) == (5 + 13, 7 + 11, 6 + 8, 0)


def test_many_versions_are_read_in_parts(database, blobs, data):
    for number in range(5):
        upload(database, blobs, b"version %d" % number)
    pauses = []

    measure_disk_if_due(database, blobs, data / "run", lambda: pauses.append(1) or True, part=2)

    use = last_disk_use(data / "run")
    assert (use.artifacts, use.compiled, use.unused) == (45, 45, 0)
    assert len(pauses) > 5


def test_it_is_measured_again_after_ten_minutes(database, blobs, data):
    measure_disk_if_due(database, blobs, data / "run", always)
    upload(database, blobs, b"first")
    measure_disk_if_due(database, blobs, data / "run", always)
    assert last_disk_use(data / "run").artifacts == 0

    age(data, EVERY)
    measure_disk_if_due(database, blobs, data / "run", always)

    assert last_disk_use(data / "run").artifacts == 5


def test_a_measurement_that_is_ended_keeps_the_last_one(database, blobs, data):
    upload(database, blobs, b"first")
    measure_disk_if_due(database, blobs, data / "run", lambda: False)
    assert last_disk_use(data / "run") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00", b'{"measured_at": 1}'])
def test_a_note_that_cannot_be_read_counts_as_none(database, blobs, data, content):
    (data / "run" / "disk-use").write_bytes(content)
    assert last_disk_use(data / "run") is None

    measure_disk_if_due(database, blobs, data / "run", always)

    assert last_disk_use(data / "run") is not None


def test_a_registry_without_files_takes_nothing(database, blobs, data):
    shutil.rmtree(blobs.root, ignore_errors=True)
    measure_disk_if_due(database, blobs, data / "run", always)
    use = last_disk_use(data / "run")
    assert sum(value for value in msgspec.structs.astuple(use) if isinstance(value, int)) == 0


def test_a_bucket_counts_by_what_it_is_for_and_its_copies_apart(
    database, seaweedfs, data, tmp_path
):
    buckets = Buckets(seaweedfs, database, tmp_path)
    blobs = buckets.host()
    upload(database, blobs, b"first")
    orphan(blobs, b"nobody's")

    measure_disk_if_due(database, blobs, data / "run", always)

    use = last_disk_use(data / "run")
    assert (use.artifacts, use.compiled, use.unused) == (5, 5, 8)
    assert use.cache == 5 + 5 + 8
