"""A blob store in a bucket that all hosts share, with copies on the local disk of each.

    blobs/ab/<SHA-256>.<random>    an object: its key is never used again for other bytes
    clock                          an empty object, written to read the bucket's time

Which object has the bytes of a digest is a row (``registry.blobs.places``), written in the
transaction whose rows point at the bytes. Objects without a row are unused or belong to an upload
in progress: a removal takes those that are older than a day, and an upload that took longer than
half a day writes no row. So removals need no lock, and one that was stopped between its list and
its deletions takes nothing that a row names: the same bytes, uploaded meanwhile, have another key.
An object that a row names and that is missing is stored again under its own key.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

from registry.blobs.bucket import Bucket, StoredObject
from registry.blobs.cache import BlobCache
from registry.blobs.incoming import IncomingFile, begin, incoming_parts, sweep
from registry.blobs.places import UPLOAD_SECONDS, all_keys, key_of, keys_of, uploaded_among, uptime
from registry.blobs.store import Leftovers, Place, Removed, StoredPart
from registry.errors import BlobDamaged, BlobMissing, BucketForeign, BucketUnavailable
from registry.storage.database import Database

GRACE_SECONDS = 2 * UPLOAD_SECONDS
_FOLDER = "blobs"


class S3BlobStore:
    """Blobs in ``bucket`` whose keys are in ``database``, with copies in ``cache``.

    Uploads are received below ``folder``. Objects younger than ``grace`` seconds by the clock of
    the bucket are never removed. ``keeps_keys``: what is missing is stored under the key that its
    row names, since a service may be reading the same key in another bucket.
    """

    def __init__(
        self,
        bucket: Bucket,
        database: Database,
        cache: BlobCache,
        folder: Path,
        *,
        grace: float = GRACE_SECONDS,
        keeps_keys: bool = False,
    ) -> None:
        self.bucket = bucket
        self.cache = cache
        self._keeps_keys = keeps_keys
        self._database = database
        self._folder = folder
        self._grace = grace

    def stage(self, limit: int) -> "S3StagedBlob":
        return begin(self.incoming, lambda path: S3StagedBlob(self, path, limit))

    def open(self, digest: str) -> BinaryIO:
        if (copy := self.cache.open(digest)) is not None:
            return copy
        # A second time, since bytes can change on their way, and a row when damage is repaired.
        for _ in range(2):
            key = self._key_of(digest)
            try:
                copy = self.cache.fill(digest, partial(self.bucket.read, key))
            except FileNotFoundError:
                continue
            if copy is not None:
                return copy
        if self.bucket.holds(self._key_of(digest)):
            raise BlobDamaged(digest, in_bucket=True)
        raise BlobMissing(digest)

    def check(self, digest: str) -> int:
        for _ in range(2):
            key = self._key_of(digest)
            try:
                found, size = _read(self.bucket, key)
            except FileNotFoundError:
                continue
            if found == digest:
                return size
        if self.bucket.holds(key):
            raise BlobDamaged(digest, in_bucket=True)
        raise BlobMissing(digest)

    def holds(self, digest: str) -> bool:
        with self._database.read() as session:
            key = key_of(session, digest)
        return key is not None and self.bucket.holds(key)

    def holding(self) -> Callable[[str], bool]:
        with self._database.read() as session:
            keys = all_keys(session)
        stored = {each.key for part in self.bucket.objects(_FOLDER) for each in part}
        return lambda digest: keys.get(digest) in stored

    def sweep(self, *, dry_run: bool = False) -> Leftovers:
        received = sweep(self.incoming, dry_run=dry_run)
        fetched = sweep(self.cache.filling, dry_run=dry_run)
        return Leftovers(received.count + fetched.count, received.size + fetched.size)

    def digests(self) -> Iterator[str]:
        with self._database.read() as session:
            keys = all_keys(session)
        yield from keys

    def parts(self) -> Iterator[StoredPart]:
        for part in self.bucket.objects(_FOLDER):
            keys, uploaded = self._keys_of(part), self._uploaded(part)
            sizes = {
                digest if keys.get(digest := _digest_of(each)) == each.key else each.key: each.size
                for each in part
            }
            yield StoredPart("incoming", {key: sizes.pop(key) for key in uploaded})
            yield StoredPart("blobs", sizes)
        yield from incoming_parts(self.incoming, self.uploads)
        yield StoredPart("cache", self.cache.sizes())

    def remove_unused(
        self, used: Callable[[str], Collection[str]], kept_before: float, *, dry_run: bool = False
    ) -> Removed:
        before = min(kept_before, self.bucket.now() - self._grace)
        in_use = used("")
        removed, is_ours = Removed(), False
        old: list[StoredObject] = []
        for part in self.bucket.objects(_FOLDER):
            keys, uploaded = self._keys_of(part), self._uploaded(part)
            for each in part:
                digest = _digest_of(each)
                if keys.get(digest) == each.key or each.key in uploaded:
                    is_ours = True
                elif digest in in_use and digest not in keys:
                    # Its row is lost, as in a database that was restored from an older copy.
                    removed += Removed(passed_over=1)
                elif each.modified >= before:
                    removed += Removed(young=1)
                else:
                    old.append(each)
        if old and not is_ours:
            raise BucketForeign(len(old))
        if old and not dry_run:
            self.bucket.remove([each.key for each in old])
        return removed + Removed(len(old), sum(each.size for each in old))

    def nothing_removed(self) -> AbstractContextManager[None]:
        return nullcontext()  # what a row names is never removed

    @property
    def incoming(self) -> Path:
        """The folder of uploads in progress."""
        return self._folder / "incoming"

    @property
    def uploads(self) -> Path:
        return self._folder / "uploads"

    def store(self, digest: str, size: int, path: Path) -> Place | None:
        """Store the file ``path``, unless an intact object has its bytes; its place, if it is new.

        Raises BucketUnavailable, DatabaseBusy, DatabaseUnavailable.
        """
        began = uptime()
        with self._database.read() as session:
            known = key_of(session, digest)
        if known is not None and is_intact(self.bucket, known, digest):
            return None
        # What is missing gets no other key: it may be there in the bucket of the other hosts, and
        # this host be the one with a wrong HOTSWAP_BLOBS_URL.
        keeps = known is not None and (self._keeps_keys or not self.bucket.holds(known))
        key = known if known is not None and keeps else new_key(digest)
        self.bucket.put(key, path)
        if not is_intact(self.bucket, key, digest):
            raise BucketUnavailable("it does not return what was stored")
        return Place(digest, key, size, began, replaces=known)

    def _key_of(self, digest: str) -> str:
        with self._database.read() as session:
            key = key_of(session, digest)
        if key is None:
            raise BlobMissing(digest)
        return key

    def _keys_of(self, objects: list[StoredObject]) -> dict[str, str]:
        with self._database.read() as session:
            return keys_of(session, {_digest_of(each) for each in objects})

    def _uploaded(self, objects: list[StoredObject]) -> set[str]:
        with self._database.read() as session:
            return uploaded_among(session, [each.key for each in objects])


class S3StagedBlob(IncomingFile):
    """One local file, sent to the bucket when it is kept."""

    def __init__(self, store: S3BlobStore, path: Path, limit: int) -> None:
        super().__init__(path, limit)
        self._store = store
        self._places: list[Place] = []

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self._places)

    def keep(self) -> str:
        if (place := self._store.store(self.digest, self.size, self.path)) is not None:
            self._places.append(place)
        self._store.cache.adopt(self.digest, self.path)
        self.close()
        return self.digest

    def keep_beside(self, content: bytes | memoryview) -> str:
        with self._store.stage(len(content)) as blob:
            blob.write(content)
            digest = blob.keep()
            self._places += blob.places
        return digest


def new_key(digest: str) -> str:
    """A key that no object has had, for the bytes of ``digest``."""
    return f"{_FOLDER}/{digest[:2]}/{digest}.{secrets.token_hex(16)}"


def is_intact(bucket: Bucket, key: str, digest: str) -> bool:
    """Whether the object has the bytes of ``digest``, all of which are read.

    Raises BucketUnavailable.
    """
    try:
        return _read(bucket, key)[0] == digest
    except FileNotFoundError:
        return False


def _read(bucket: Bucket, key: str) -> tuple[str, int]:
    """The digest and the size of an object. Raises FileNotFoundError, BucketUnavailable."""
    received, size = hashlib.sha256(), 0
    for piece in bucket.read(key):
        received.update(piece)
        size += len(piece)
    return received.hexdigest(), size


def _digest_of(each: StoredObject) -> str:
    return each.key.rpartition("/")[2].partition(".")[0]
