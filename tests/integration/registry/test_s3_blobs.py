"""Blobs in a bucket: what is stored is what is read, on every host, and damage is repaired."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from registry.blobs.bucket import open_bucket
from registry.blobs.places import record_places
from registry.errors import (
    BlobMissing,
    BucketUnavailable,
    TooLarge,
)
from registry.operations.collect_garbage import collect_garbage
from registry.operations.scrub import scrub
from tests.hosts.proxies import Cut, Proxy
from tests.integration.registry.buckets import (
    Buckets,
    CountingBucket,
    StallingBucket,
    digest_of,
    read,
)
from tests.integration.registry.races import upload
from tests.missing_bucket import no_bucket


@pytest.fixture
def database(sqlite_database):
    """The rows are tested on both databases by ``test_s3_rows``."""
    return sqlite_database


@pytest.fixture
def buckets(seaweedfs, database, tmp_path):
    return Buckets(seaweedfs, database, tmp_path)


@pytest.fixture
def blobs(buckets):
    return buckets.host()


@pytest.fixture
def wire(seaweedfs):
    """What the connections of ``behind`` to the bucket pass."""
    with closing(Proxy(seaweedfs.connect)) as proxy:
        yield proxy


@pytest.fixture
def behind(buckets, wire):
    """The bucket, given up after half a second of silence."""
    return open_bucket(buckets.url, f"http://127.0.0.1:{wire.port}", silence=0.5)


def test_an_upload_above_the_limit_is_refused_and_leaves_nothing(buckets, blobs):
    with blobs.stage(3) as blob, pytest.raises(TooLarge):
        blob.write(b"four")

    assert buckets.keys() == []
    assert list(blobs.incoming.iterdir()) == []


def test_a_large_file_is_sent_in_parts(database, buckets, blobs):
    content = os.urandom(2**20) * 12

    with blobs.stage(2**24) as blob:
        blob.write(content)
        blob.keep()
        with database.write() as session:
            record_places(session, blob.places)

    assert read(buckets.host("other"), content) == content
    (key,) = buckets.keys(content)
    assert buckets.parts_of(key) > 1


def test_bytes_that_are_stored_are_not_stored_again(database, buckets):
    bucket = CountingBucket(buckets.bucket)
    blobs = buckets.host(bucket=bucket)
    upload(database, blobs, b"a model")
    before = list(bucket.puts)

    upload(database, blobs, b"a model", model="garden")

    assert len(before) == 2, "the artifact and its compiled form"
    assert bucket.puts == before


def test_a_copy_is_read_without_the_bucket(database, buckets):
    upload(database, buckets.host(), b"a model")
    other = buckets.host("other")
    read(other, b"a model")

    buckets.lose(b"a model")

    assert read(other, b"a model") == b"a model"
    assert not other.holds(digest_of(b"a model"))
    with pytest.raises(BlobMissing):
        buckets.host("third").open(digest_of(b"a model"))
    with pytest.raises(BlobMissing):
        other.check(digest_of(b"a model"))


def test_a_damaged_copy_is_fetched_again(database, buckets):
    upload(database, buckets.host(), b"a model")
    other = buckets.host("other")
    read(other, b"a model")
    copy = other.cache.path_of(digest_of(b"a model"))
    copy.write_bytes(b"A model")

    assert read(other, b"a model") == b"a model"
    assert copy.read_bytes() == b"a model"


def test_the_scrub_reads_the_bucket_and_not_the_copies(database, buckets, blobs):
    upload(database, blobs, b"a model")
    assert read(blobs, b"a model") == b"a model"

    buckets.damage(b"a model")

    assert [loss.state for loss in scrub(database, blobs).losses] == ["damaged"]


def test_copies_that_were_not_used_for_the_longest_time_go(database, buckets):
    contents = [bytes([number]) * 1000 for number in range(4)]
    for content in contents:
        upload(database, buckets.host(), content)
    other = buckets.host("other", limit=2500)

    for number in (0, 1, 0, 2):
        read(other, contents[number])
        time.sleep(0.02)  # the time stamps of the file system are that coarse

    copies = {digest_of(contents[number]) for number in (0, 2)}
    assert other.cache.sizes().keys() == copies


def test_of_several_readers_one_fetches(database, buckets):
    content = os.urandom(10**6 - 1)
    upload(database, buckets.host(), content)
    bucket = CountingBucket(buckets.bucket)
    other = buckets.host("other", bucket=bucket)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: read(other, content), range(8)))

    assert found == [content] * 8
    assert len(bucket.reads) == 1
    assert list(other.cache.filling.iterdir()) == []


def test_a_reader_does_not_wait_for_one_that_is_stopped(database, buckets):
    upload(database, buckets.host(), b"a model")
    stalling = StallingBucket(buckets.bucket)
    stalled = buckets.host("other", bucket=stalling)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(read, stalled, b"a model")
        assert stalling.stopped.wait(30)
        assert read(buckets.host("other", patience=0.1), b"a model") == b"a model"
        stalling.go_on.set()
        assert waiting.result() == b"a model"

    assert list(stalled.cache.filling.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from registry.blobs.bucket import Bucket, open_bucket
from registry.blobs.cache import BlobCache
from registry.blobs.s3 import S3BlobStore
from registry.storage.database import Database

class Killed(Bucket):
    def put(self, key, content):
        if sys.argv[5] == "after":
            super().put(key, content)
        os.kill(os.getpid(), signal.SIGKILL)

url, endpoint, database, folder = sys.argv[1:5]
bucket = Killed(open_bucket(url, endpoint)._store, url)
database = Database(database)
store = S3BlobStore(bucket, database, BlobCache(Path(folder) / "cache", 2**30), Path(folder) / "b")
with store.stage(100) as blob:
    blob.write(b"a model")
    blob.keep()
"""


@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=pytest.mark.slow)])
def test_an_upload_that_is_killed_leaves_what_the_collection_removes(
    sqlite_url, database, buckets, tmp_path, when
):
    folder = tmp_path / "killed"
    arguments = [buckets.url, buckets.endpoint, sqlite_url, str(folder), when]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(buckets.keys()) == (when == "after")

    upload(database, buckets.host(), b"a model")
    collect_garbage(database, buckets.host(), older_than=0)

    assert len(buckets.keys()) == 2
    assert scrub(database, buckets.host("other")).losses == ()


def test_a_bucket_that_does_not_answer_is_reported_in_time(database, tmp_path, seaweedfs):
    away = Buckets(seaweedfs, database, tmp_path)
    away.bucket = open_bucket("s3://tests/away", "http://127.0.0.1:9")
    blobs = away.host()

    began = time.monotonic()
    with blobs.stage(100) as blob:
        blob.write(b"a model")
        with pytest.raises(BucketUnavailable):
            blob.keep()

    assert time.monotonic() - began < 30
    assert list(blobs.incoming.iterdir()) == []


def test_a_bucket_that_does_not_exist_is_named_as_the_reason(database, buckets, tmp_path):
    upload(database, buckets.host(), b"a model")
    large = tmp_path / "large"
    large.write_bytes(bytes(9 * 2**20))
    with no_bucket() as endpoint:
        bucket = open_bucket("s3://none", endpoint)
        blobs = buckets.host("other", bucket=bucket)
        calls = [
            lambda: bucket.put("blobs/small", b"a model"),
            lambda: bucket.put("blobs/large", large),
            lambda: bucket.remove(["blobs/small"]),
            bucket.now,
            lambda: bucket.holds("blobs/small"),
            lambda: list(bucket.objects("blobs")),
            lambda: upload(database, blobs, b"a model"),
            lambda: read(blobs, b"a model"),
        ]
        for call in calls:
            with pytest.raises(BucketUnavailable, match="the bucket does not exist"):
                call()


def test_a_silent_bucket_is_given_up_in_time_and_used_as_soon_as_it_answers(
    database, buckets, behind, wire
):
    blobs, other = buckets.host(bucket=behind), buckets.host("other", bucket=behind)
    upload(database, blobs, b"a model")
    calls = [
        lambda: upload(database, blobs, b"another model"),
        lambda: upload(database, blobs, b"a model", model="garden"),
        lambda: read(other, b"a model"),
        lambda: blobs.holds(digest_of(b"a model")),
        lambda: blobs.check(digest_of(b"a model")),
        lambda: list(blobs.parts()),
        lambda: collect_garbage(database, blobs, older_than=0),
    ]

    wire.swallow()
    for call in calls:
        began = time.monotonic()
        with pytest.raises(BucketUnavailable):
            call()
        assert time.monotonic() - began < 5
    assert read(blobs, b"a model") == b"a model", "its copy"
    wire.restore()

    upload(database, blobs, b"another model")
    assert read(other, b"a model") == b"a model"
    assert read(other, b"another model") == b"another model"
    assert list(blobs.incoming.iterdir()) == list(other.cache.filling.iterdir()) == []


def test_a_bucket_that_falls_silent_within_an_object_is_given_up(buckets, behind, wire):
    content = os.urandom(2**20) * 32  # more than is on its way at a time
    buckets.bucket.put("blobs/large", content)

    pieces = behind.read("blobs/large")
    received = len(next(pieces))
    wire.swallow(Cut.REPLIES)
    began = time.monotonic()
    with pytest.raises(BucketUnavailable):
        received += sum(len(piece) for piece in pieces)

    assert time.monotonic() - began < 5
    assert received < len(content)
