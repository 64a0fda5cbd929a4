"""Buckets of the tests' own server, and hosts that share one."""

import hashlib
import threading

import obstore

from registry.blobs.bucket import Bucket, open_bucket
from registry.blobs.cache import BlobCache
from registry.blobs.s3 import S3BlobStore


class CountingBucket(Bucket):
    """Notes the keys that were read and stored."""

    def __init__(self, bucket):
        super().__init__(bucket._store, bucket.name)
        self.reads, self.puts = [], []

    def read(self, key):
        self.reads.append(key)
        return super().read(key)

    def put(self, key, content):
        self.puts.append(key)
        super().put(key, content)


class _HeldBucket(Bucket):
    def __init__(self, bucket):
        super().__init__(bucket._store, bucket.name)
        self.stopped, self.go_on = threading.Event(), threading.Event()

    def _hold(self):
        self.stopped.set()
        assert self.go_on.wait(30)


class StoppingBucket(_HeldBucket):
    """Stops before it removes anything, until ``go_on`` is set."""

    def remove(self, keys):
        self._hold()
        super().remove(keys)


class StallingBucket(_HeldBucket):
    """Stops in the middle of an object that it reads, until ``go_on`` is set."""

    def read(self, key):
        for piece in super().read(key):
            self._hold()
            yield piece


class Buckets:
    """One prefix of the server, and the stores of hosts that share it with one database."""

    def __init__(self, seaweedfs, database, folder):
        self.url, self.endpoint = seaweedfs.url(), seaweedfs.endpoint
        self.bucket = open_bucket(self.url, self.endpoint)
        self._database = database
        self.folder = folder

    def host(self, name="one", *, bucket=None, grace=-5.0, limit=2**30, patience=10.0):
        """The store of a host with a data directory of its own. By default objects are old enough
        to be removed at once: they are dated to a second."""
        folder = self.folder / name
        cache = BlobCache(folder / "cache", limit, patience=patience)
        bucket = bucket or self.bucket
        return S3BlobStore(bucket, self._database, cache, folder / "blobs", grace=grace)

    def keys(self, content=None):
        """The keys of the objects, or of those with the digest of ``content``."""
        keys = [each.key for part in self.bucket.objects("blobs") for each in part]
        return [k for k in keys if content is None or digest_of(content) in k]

    def parts_of(self, key):
        """In how many parts the object was sent; 1: as a whole."""
        tag = obstore.head(self.bucket._store, key)["e_tag"].strip('"')
        return int(tag.partition("-")[2] or 1)

    def damage(self, content):
        """Replace the objects of ``content`` by others of the same length."""
        for key in self.keys(content):
            self.bucket.put(key, b"?" * len(content))

    def lose(self, content):
        self.bucket.remove(self.keys(content))


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def read(blobs, content):
    """What the store has with the digest of ``content``."""
    with blobs.open(digest_of(content)) as file:
        return file.read()
