"""A bucket of S3, or of a store with the same interface: the calls that blobs need of it.

Credentials and the region are those of the environment, of a profile of the machine or of its web
identity, as AWS names them; obstore reads them:
https://developmentseed.org/obstore/latest/authentication/
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import BucketMissing, BucketUnavailable
from registry.extras import is_installed, missing

if TYPE_CHECKING:
    from obstore.store import ObjectStore

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 12.0
"""How long a call waits for a byte from the bucket, and is tried again. Whoever has waited ten
seconds for the copy of another process and then fetches its own is done within the 25 s in which a
version has to be loaded."""
# The time of a request runs while its body is sent:
# https://github.com/seanmonstar/reqwest/issues/2784. So parts are small: whatever the size of a
# file, a host has to send 16 MiB in SILENCE_SECONDS.
_PART_BYTES = 8 * 2**20
_PARTS_AT_ONCE = 2
_PIECE = 2**20
_CONNECT = timedelta(seconds=4)
_REQUEST = timedelta(hours=1)
_CLOCK = "clock"
_NO_BUCKET = "NoSuchBucket"
"""S3's code of the error."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """``modified``: when it was stored, in seconds since the epoch by the bucket's clock."""

    key: str
    size: int
    modified: float


def open_bucket(url: str, endpoint: str = "", *, silence: float = SILENCE_SECONDS) -> "Bucket":
    """The bucket of ``url``, which is ``s3://bucket`` or ``s3://bucket/prefix``; nothing is sent
    before it is used.

    ``endpoint``: the address of the store, unless it is Amazon's; ``silence``: after how many
    seconds without an answer a call fails. Raises ValueError without obstore.
    """
    if not is_installed("s3"):
        raise ValueError(missing("s3", f"HOTSWAP_BLOBS_URL={url}"))
    # Late, so that a service on a local disk does not import what it never uses.
    from obstore.store import S3Store

    name, _, prefix = url.removeprefix("s3://").partition("/")
    store = S3Store(
        name,
        prefix=prefix or None,
        config={"endpoint": endpoint} if endpoint else None,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": _CONNECT,
            "read_timeout": timedelta(seconds=silence),
            "timeout": _REQUEST,
        },
        # What was silent for that long is not tried again: its time is up.
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=silence)},
    )
    return Bucket(store, url)


class Bucket:
    """The objects of ``store``; ``name`` is how the log calls it. Thread-safe."""

    def __init__(self, store: "ObjectStore", name: str) -> None:
        self.name = name
        self._store = store

    def put(self, key: str, content: Path | bytes) -> None:
        """Store ``content`` as the object ``key``. Raises BucketUnavailable."""
        import obstore

        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with self._errors_of_bucket():
            # A random part of the key makes sure that it is new: no condition has to.
            obstore.put(
                self._store,
                key,
                content,
                use_multipart=size > _PART_BYTES,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes of the object. Raises FileNotFoundError and BucketUnavailable."""
        import obstore

        with self._errors():
            for piece in obstore.get(self._store, key).stream(min_chunk_size=_PIECE):
                yield bytes(piece)

    def holds(self, key: str) -> bool:
        """Whether there is an object ``key``. Raises BucketUnavailable."""
        import obstore

        try:
            with self._errors():
                obstore.head(self._store, key)
        except FileNotFoundError:
            # The answer to HEAD has no body, which would say whether it is the bucket.
            with self._errors_of_bucket():
                next(iter(obstore.list(self._store, chunk_size=1)), None)
            return False
        return True

    def objects(self, prefix: str) -> Iterator[list[StoredObject]]:
        """The objects below the folder ``prefix``, some at a time. Raises BucketUnavailable."""
        import obstore

        with self._errors_of_bucket():
            for part in obstore.list(self._store, prefix, chunk_size=1000):
                yield [
                    StoredObject(each["path"], each["size"], each["last_modified"].timestamp())
                    for each in part
                ]

    def remove(self, keys: Sequence[str]) -> None:
        """Remove these objects; those that are gone already do not matter.

        Raises BucketUnavailable.
        """
        import obstore

        with self._errors_of_bucket():
            obstore.delete(self._store, list(keys))

    def now(self) -> float:
        """The time by the clock that dates the objects. Raises BucketUnavailable."""
        import obstore

        with self._errors_of_bucket():
            obstore.put(self._store, _CLOCK, b"", use_multipart=False)
            now: float = obstore.head(self._store, _CLOCK)["last_modified"].timestamp()
            return now

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Of a call that looks for an object; a FileNotFoundError says that there is none."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            if _NO_BUCKET in str(error):
                raise self._missing(error) from error
            if isinstance(error, FileNotFoundError):
                raise
            logger.warning("%s: %s", self.name, error)
            raise BucketUnavailable(_reason(error)) from error

    @contextmanager
    def _errors_of_bucket(self) -> Iterator[None]:
        """Of a call that looks for no object: what is not found is the bucket."""
        try:
            with self._errors():
                yield
        except FileNotFoundError as error:
            raise self._missing(error) from error

    def _missing(self, error: Exception) -> BucketMissing:
        logger.warning("%s: %s", self.name, error)
        return BucketMissing()


def _reason(error: Exception) -> str:
    """What is wrong, without addresses: the log has the whole error."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "access to it is denied"
    return "it cannot be reached, or failed"
