"""Where an installation stores blobs, and what it receives: in its data directory, or a bucket."""

from pathlib import Path
from typing import Protocol

from registry.blobs.bucket import open_bucket
from registry.blobs.cache import BlobCache
from registry.blobs.local import LocalBlobStore
from registry.blobs.s3 import S3BlobStore
from registry.blobs.shared_uploads import SharedUploads
from registry.blobs.store import BlobStore
from registry.blobs.uploads import Uploads
from registry.storage.database import Database


class BlobSettings(Protocol):
    """What the settings say of blobs; ``blobs_url`` is empty for the folder."""

    @property
    def data(self) -> Path: ...
    @property
    def blobs_url(self) -> str: ...
    @property
    def blobs_endpoint(self) -> str: ...
    @property
    def blobs_cache_bytes(self) -> int: ...


def blob_store(
    settings: BlobSettings, database: Database, *, keeps_keys: bool = False
) -> BlobStore:
    """The store of these settings, with the keys of ``database``; nothing is read or created.

    ``keeps_keys``: as for ``S3BlobStore``. Raises ValueError where obstore is not installed.
    """
    folder = settings.data / "blobs"
    if not settings.blobs_url:
        return LocalBlobStore(folder)
    bucket = open_bucket(settings.blobs_url, settings.blobs_endpoint)
    cache = BlobCache(settings.data / "cache", settings.blobs_cache_bytes)
    return S3BlobStore(bucket, database, cache, folder, keeps_keys=keeps_keys)


def upload_store(blobs: BlobStore, database: Database, most_bytes: int) -> Uploads | SharedUploads:
    """Where the directories are that callers upload file by file, of ``most_bytes`` each: on the
    disk of the one host, or where all hosts find them. Nothing is read or created."""
    if isinstance(blobs, S3BlobStore) and not database.is_sqlite:
        return SharedUploads(database, blobs.bucket, blobs.uploads, most_bytes)
    return Uploads(blobs.uploads, most_bytes)
