"""Directories that are uploaded file by file: to the disk of a host, or a bucket of two hosts."""

from datetime import timedelta
from itertools import cycle

from sqlalchemy import Interval, literal, update

from registry.blobs.local import LocalBlobStore
from registry.blobs.shared_uploads import SharedUploads
from registry.blobs.uploads import Uploads, parse_path
from registry.storage.host_tables import UploadedFileRow

OWNER = 7


class House:
    """Uploads in a folder, with a clock that tests move."""

    def __init__(self, root, most_bytes=100, **limits):
        self.now = 1e9
        self.blobs = LocalBlobStore(root)
        self.uploads = Uploads(self.blobs.uploads, most_bytes, clock=lambda: self.now, **limits)

    def wait(self, seconds):
        self.now += seconds

    def add(self, path, content=b"x", owner=OWNER):
        with self.blobs.stage(1000) as blob:
            blob.write(content)
            self.uploads.add(owner, parse_path(path), blob)

    def names(self, path="d", owner=OWNER):
        return [each.name for each in self.uploads.entries(owner, parse_path(path))]

    @property
    def files(self):
        root = self.blobs.root
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


class SharedHouse(House):
    """Two hosts, of which another one is asked each time."""

    def __init__(self, buckets, database, most_bytes=100, **limits):
        self.buckets, self.database = buckets, database
        self._hosts = cycle(
            (blobs, SharedUploads(database, blobs.bucket, blobs.uploads, most_bytes, **limits))
            for blobs in (buckets.host("one"), buckets.host("two"))
        )

    @property
    def blobs(self):
        return next(self._hosts)[0]

    @property
    def uploads(self):
        return next(self._hosts)[1]

    def wait(self, seconds):
        earlier = UploadedFileRow.arrived_at - literal(timedelta(seconds=seconds), Interval)
        with self.database.write() as session:
            session.execute(update(UploadedFileRow).values(arrived_at=earlier))

    @property
    def files(self):
        local = [path for path in self.buckets.folder.rglob("*") if path.is_file()]
        return self.buckets.keys() + local
