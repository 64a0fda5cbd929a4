"""Directories uploaded to a bucket that hosts share: rows, objects, and what kills leave."""

import os

import pytest

from registry.blobs.shared_uploads import SharedUploads
from registry.errors import BlobDamaged, BucketUnavailable
from registry.operations.collect_garbage import collect_garbage
from tests.integration.registry.buckets import Buckets
from tests.integration.registry.upload_houses import OWNER, SharedHouse


@pytest.fixture
def shared_house(shared_database, seaweedfs, tmp_path):
    return SharedHouse(Buckets(seaweedfs, shared_database, tmp_path), shared_database)


def collect(house):
    """Remove unused objects of any age."""
    return collect_garbage(house.database, house.blobs, older_than=0).blobs


def test_unused_objects_are_removed_and_those_of_uploads_kept(shared_house):
    """A host was killed between the object and its row, or before it removed the object."""
    shared_house.add("d/a")
    [key] = shared_house.buckets.keys()
    shared_house.buckets.bucket.put(f"{key[:-1]}-", b"x")

    assert collect(shared_house).count == 1
    assert shared_house.buckets.keys() == [key]
    kinds = {name: part.kind for part in shared_house.blobs.parts() for name in part.sizes}
    assert kinds == {key: "incoming"}

    with shared_house.uploads.reading(OWNER, ("d",)) as folder:
        assert (folder / "a").read_bytes() == b"x"


def test_a_directory_is_read_as_it_was_at_one_moment(shared_house):
    """Another host replaces its files while it is read."""
    for name in "abc":
        shared_house.add(f"d/{name}", b"old")
    bucket, read = shared_house.buckets.bucket, []

    class Replacing(type(bucket)):
        def read(self, key):
            if len(read) == 1:
                for name in "abc":
                    shared_house.add(f"d/{name}", b"new")
            read.append(key)
            return super().read(key)

    own = shared_house.buckets.host("three", bucket=Replacing(bucket._store, bucket.name))
    uploads = SharedUploads(shared_house.database, own.bucket, own.uploads, 100)
    with uploads.reading(OWNER, ("d",)) as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(
            "abc", b"new"
        )
    assert len(read) == 2 + 3


def test_bytes_that_are_not_those_that_were_sent_are_not_read(shared_house):
    shared_house.add("d/a", b"true")
    [key] = shared_house.buckets.keys()
    shared_house.buckets.bucket.put(key, b"fals")
    with pytest.raises(BlobDamaged):
        shared_house.uploads.open(OWNER, ("d", "a"))
    with pytest.raises(BlobDamaged), shared_house.uploads.reading(OWNER, ("d",)):
        pytest.fail("it was assembled")
    shared_house.add("d/a", b"true")
    with shared_house.uploads.open(OWNER, ("d", "a")) as file:
        assert file.read() == b"true"


def test_without_the_bucket_rows_go_and_objects_are_removed_later(shared_house):
    shared_house.add("d/a")
    bucket = shared_house.buckets.bucket

    class Unreachable(type(bucket)):
        def remove(self, _):
            raise BucketUnavailable("it cannot be reached")

    own = shared_house.buckets.host("three", bucket=Unreachable(bucket._store, bucket.name))
    uploads = SharedUploads(shared_house.database, own.bucket, own.uploads, 100)
    assert uploads.remove(OWNER, ("d",))
    assert (shared_house.names(), len(shared_house.files)) == ([], 1)
    shared_house.add("e/a")
    assert (collect(shared_house).count, len(shared_house.files)) == (1, 1)


def test_what_a_killed_host_had_assembled_is_removed_after_a_day(shared_house):
    left = shared_house.blobs.uploads / str(OWNER) / "left"
    left.mkdir(parents=True)
    (left / "a").write_bytes(b"x")
    os.utime(left, (0, 0))
    assert sum(shared_house.uploads.remove_old().count for _ in range(2)) == 1
    assert not left.exists()
