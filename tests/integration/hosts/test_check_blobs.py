"""A host whose bucket has none of the artifacts of the database does not start."""

import logging

import pytest

from registry.blobs.bucket import open_bucket
from registry.blobs.local import LocalBlobStore
from registry.errors import BlobsElsewhere
from registry.operations.check_blobs import check_blobs
from tests.integration.registry.buckets import Buckets
from tests.integration.registry.races import upload
from tests.missing_bucket import no_bucket


@pytest.fixture
def buckets(seaweedfs, database, tmp_path):
    return Buckets(seaweedfs, database, tmp_path)


def test_artifacts_that_are_not_there_are_refused(database, buckets, seaweedfs, tmp_path):
    other = buckets.host("other", bucket=open_bucket(seaweedfs.url(), seaweedfs.endpoint))
    folder = LocalBlobStore(tmp_path / "blobs")
    for place in (buckets.host(), other, folder):
        check_blobs(database, place, "s3://new")  # there is nothing yet
    for number in range(9):
        upload(database, buckets.host(), b"model %d" % number)

    check_blobs(database, buckets.host("second"), "s3://right")
    for wrong in (other, folder):
        with pytest.raises(BlobsElsewhere, match="none of 6 that were looked for is in s3://wrong"):
            check_blobs(database, wrong, "s3://wrong")


def test_some_artifacts_may_be_lost(database, buckets):
    for number in range(3):
        upload(database, buckets.host(), b"model %d" % number)
    for number in range(2):
        buckets.lose(b"model %d" % number)

    check_blobs(database, buckets.host(), "s3://right")


def test_artifacts_in_a_bucket_that_does_not_exist_are_refused(database, buckets):
    upload(database, buckets.host(), b"a model")

    with no_bucket() as endpoint:
        missing = buckets.host("other", bucket=open_bucket("s3://none", endpoint))
        with pytest.raises(BlobsElsewhere):
            check_blobs(database, missing, "s3://none")


def test_a_host_starts_while_its_bucket_cannot_be_reached(database, buckets, caplog):
    upload(database, buckets.host(), b"a model")
    away = open_bucket("s3://away", "http://127.0.0.1:1", silence=0.2)

    with caplog.at_level(logging.WARNING):
        check_blobs(database, buckets.host("away", bucket=away), "s3://away")

    assert "whether the artifacts are in s3://away is unknown" in caplog.text
