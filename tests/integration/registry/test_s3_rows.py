"""Rows say which objects of a bucket are in use: what has none is removed, and nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete

from registry.blobs.bucket import open_bucket
from registry.blobs.places import UPLOAD_SECONDS, record_places
from registry.blobs.store import Place
from registry.errors import BlobDamaged, BucketForeign, UploadExpired
from registry.operations.collect_garbage import collect_garbage
from registry.operations.scrub import scrub
from registry.storage.host_tables import BlobRow
from tests.integration.registry.buckets import Buckets, StoppingBucket, digest_of, read
from tests.integration.registry.races import orphan, upload


@pytest.fixture
def buckets(seaweedfs, database, tmp_path):
    return Buckets(seaweedfs, database, tmp_path)


@pytest.fixture
def blobs(buckets):
    return buckets.host()


def test_what_one_host_uploads_another_reads(database, buckets):
    upload(database, buckets.host("one"), b"a model")

    other = buckets.host("other")

    assert read(other, b"a model") == b"a model"
    assert other.holds(digest_of(b"a model"))
    assert other.check(digest_of(b"a model")) == 7
    assert list(other.digests()) == sorted([digest_of(b"a model"), digest_of(b"ledom a")])


def test_an_upload_repairs_what_is_damaged_or_missing(database, buckets):
    upload(database, buckets.host(), b"a model")
    buckets.damage(b"a model")
    buckets.lose(b"ledom a")
    fresh = buckets.host("fresh")
    with pytest.raises(BlobDamaged):
        fresh.open(digest_of(b"a model"))
    assert {(loss.digest, loss.state) for loss in scrub(database, fresh).losses} == {
        (digest_of(b"a model"), "damaged"),
        (digest_of(b"ledom a"), "missing"),
    }

    upload(database, buckets.host(), b"a model")

    assert read(fresh, b"a model") == b"a model"
    assert scrub(database, buckets.host("other")).losses == ()


def test_a_host_with_another_bucket_takes_nothing_from_the_others(database, buckets, seaweedfs):
    upload(database, buckets.host(), b"a model")
    wrong = open_bucket(seaweedfs.url(), seaweedfs.endpoint)

    upload(database, buckets.host("wrong", bucket=wrong), b"a model")

    assert read(buckets.host("other"), b"a model") == b"a model"
    assert scrub(database, buckets.host("other")).losses == ()


def test_unused_objects_are_removed_and_others_kept(database, buckets, blobs):
    upload(database, blobs, b"a model")
    orphan(blobs)

    would = collect_garbage(database, blobs, older_than=0, dry_run=True)
    assert len(buckets.keys()) == 3
    collected = collect_garbage(database, blobs, older_than=0)

    assert collected == would
    assert (collected.blobs.count, collected.blobs.size) == (1, len(b"nobody's"))
    assert len(buckets.keys()) == 2
    assert scrub(database, buckets.host("other")).losses == ()


def test_objects_younger_than_a_day_are_kept_whatever_the_options_say(database, buckets):
    blobs = buckets.host(grace=86400.0)
    upload(database, blobs, b"a model")
    orphan(blobs)

    collected = collect_garbage(database, blobs, older_than=0, clock=lambda: time.time() + 10**6)

    assert (collected.blobs.count, collected.blobs.young) == (0, 1)
    assert len(buckets.keys(b"nobody's")) == 1


def test_a_collection_that_was_stopped_takes_nothing_that_was_uploaded_meanwhile(
    database, buckets, blobs
):
    upload(database, blobs, b"a model")
    orphan(blobs)
    stopping = StoppingBucket(buckets.bucket)
    collector = buckets.host("collector", bucket=stopping)

    with ThreadPoolExecutor(1) as threads:
        collecting = threads.submit(collect_garbage, database, collector, older_than=0)
        assert stopping.stopped.wait(30), "it has listed the object that has no row"
        upload(database, blobs, b"nobody's")
        stopping.go_on.set()
        assert collecting.result().blobs.count == 1

    assert read(buckets.host("other"), b"nobody's") == b"nobody's"
    assert len(buckets.keys(b"nobody's")) == 1, "the old object went, the new one stayed"


def test_an_upload_that_took_half_a_day_writes_no_row(database):
    place = Place("0" * 64, "blobs/00/0.1", 7, stored_at=100.0)
    now = place.stored_at + UPLOAD_SECONDS

    with pytest.raises(UploadExpired), database.write() as session:
        record_places(session, [place], clock=lambda: now + 1)
    with database.write() as session:
        record_places(session, [place], clock=lambda: now - 1)


def test_nothing_is_removed_from_the_bucket_of_another_registry(buckets, database, blobs):
    orphan(blobs, b"of another database")

    with pytest.raises(BucketForeign):
        collect_garbage(database, blobs, older_than=0)

    assert len(buckets.keys()) == 1


def test_an_object_whose_row_was_lost_is_kept(database, buckets, blobs):
    upload(database, blobs, b"a model")
    upload(database, blobs, b"another")
    with database.write() as session:
        session.execute(delete(BlobRow).where(BlobRow.sha256 == digest_of(b"a model")))

    collected = collect_garbage(database, blobs, older_than=0)

    assert (collected.blobs.count, collected.blobs.passed_over) == (0, 1)
    assert len(buckets.keys(b"a model")) == 1
