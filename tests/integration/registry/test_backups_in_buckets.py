"""Backups of registries whose blobs are in a bucket: restored, the bucket has all of them again."""

from types import SimpleNamespace

import pytest

from registry.backups.dumps import Programs
from registry.blobs.bucket import open_bucket
from registry.blobs.cache import BlobCache
from registry.blobs.local import LocalBlobStore
from registry.blobs.s3 import S3BlobStore
from registry.errors import BackupRefused, BucketUnavailable
from registry.operations.back_up import back_up
from registry.operations.move_blobs import move_blobs
from registry.operations.restore import restore
from registry.operations.scrub import scrub
from registry.storage.database import Database
from registry.storage.history import verify
from tests.hosts.proxies import Proxy
from tests.integration.registry.buckets import Buckets, CountingBucket
from tests.integration.registry.races import upload


@pytest.fixture
def target(request, backend, tmp_path):
    """An empty data directory, and its database if that is not in it."""
    data = tmp_path / "new"
    if backend == "sqlite":
        database = Database(f"sqlite:///{data / 'registry.db'}")
        yield SimpleNamespace(data=data, database=database, given={})
        database.dispose()
        return
    postgresql = request.getfixturevalue("postgresql")
    url = postgresql.create(migrated=False)
    database = Database(url)
    programs = Programs(postgresql.programs)
    given = {"database": database, "programs": programs}
    yield SimpleNamespace(data=data, database=database, given=given)
    database.dispose()
    postgresql.drop(url)


@pytest.fixture
def buckets(seaweedfs, database, tmp_path):
    """With two versions of a model."""
    buckets = Buckets(seaweedfs, database, tmp_path)
    for content in (b"first", b"second"):
        upload(database, buckets.host(), content)
    return buckets


@pytest.fixture
def backup(database, buckets, target, tmp_path):
    programs = target.given.get("programs")
    back_up(database, buckets.host(), tmp_path / "backup", programs=programs)
    return tmp_path / "backup"


def test_what_a_bucket_lacks_is_stored_under_its_key_again_and_the_rest_is_left(
    backup, buckets, target, database, tmp_path
):
    stored = set(buckets.keys())
    changed = {*buckets.keys(b"first"), *buckets.keys(b"second")}
    buckets.lose(b"first")
    buckets.damage(b"second")
    upload(database, buckets.host(), b"third")
    bucket = CountingBucket(buckets.bucket)

    restore(backup, target.data, bucket=bucket, **target.given)

    assert set(bucket.puts) == changed
    assert stored < set(buckets.keys())  # and those of the third
    assert not (target.data / "blobs").exists()
    cache = BlobCache(tmp_path / "copies", 2**30)
    other = S3BlobStore(buckets.bucket, target.database, cache, tmp_path / "received")
    assert scrub(target.database, other).losses == ()
    with target.database.read() as session, database.read() as before:
        assert verify(session).seq == verify(before).seq - 1
    assert upload(target.database, other, b"fourth")["version"] == 3


def test_a_backup_of_a_folder_is_restored_into_a_folder_first(
    database, seaweedfs, target, tmp_path
):
    blobs = LocalBlobStore(tmp_path / "blobs")
    upload(database, blobs, b"first")
    back_up(database, blobs, tmp_path / "backup", programs=target.given.get("programs"))
    bucket = open_bucket(seaweedfs.url(), seaweedfs.endpoint)

    with pytest.raises(BackupRefused, match=r"no key for 2 blobs.*hotswap blobs move"):
        restore(tmp_path / "backup", target.data, bucket=bucket, **target.given)
    assert not target.data.exists()
    restore(tmp_path / "backup", target.data, **target.given)

    there = Buckets(seaweedfs, target.database, tmp_path).host()
    assert move_blobs(target.database, LocalBlobStore(target.data / "blobs"), there).copied == 2


def test_without_its_bucket_nothing_is_restored(backup, buckets, seaweedfs, target):
    proxy = Proxy(seaweedfs.connect)
    endpoint = f"http://127.0.0.1:{proxy.port}"
    proxy.close()

    bucket = open_bucket(buckets.url, endpoint, silence=0.5)
    with pytest.raises(BucketUnavailable):
        restore(backup, target.data, bucket=bucket, **target.given)

    assert not target.data.exists()
    restore(backup, target.data, bucket=buckets.bucket, **target.given)
    with target.database.read() as session:
        assert verify(session).seq == 3
