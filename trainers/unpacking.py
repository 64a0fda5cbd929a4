"""Unpacks files that are compressed with gzip or zstd, up to a limit."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from registry.extras import is_installed
from trainers.errors import DataMalformed, DataNotFound, ExtraMissing

MAX_UNPACKED = 4 * 2**30
"""Bytes. A file of a few kilobytes can unpack to any size."""
_PIECE = 2**20


def unpacked(raw: bytes, source: str, limit: int = MAX_UNPACKED) -> tuple[bytes, str]:
    """The content of ``raw`` and how it was compressed: ``gzip``, ``zstd`` or, if it was not, an
    empty text.

    Raises DataMalformed for a damaged file and for content larger than ``limit``, ExtraMissing.
    """
    for magic, (name, opened) in _COMPRESSED.items():
        if raw.startswith(magic):
            return _read(opened, raw, source, name, limit), name
    return raw, ""


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """The content of ``path``, unpacked while it is read, however large it is.

    Raises DataNotFound, DataMalformed for a damaged file, ExtraMissing.
    """
    source = str(path)
    if path.is_dir():
        raise DataNotFound(source, "it is a directory")
    try:
        with path.open("rb") as file:
            start = file.read(max(map(len, _COMPRESSED)))
            file.seek(0)
            packed = [made for magic, made in _COMPRESSED.items() if start.startswith(magic)]
            if not packed:
                yield file
                return
            name, opened = packed[0]
            with opened(file, source) as stream, _damage(source, name):
                yield stream
    except FileNotFoundError:
        raise DataNotFound(source) from None
    except OSError as error:
        raise DataNotFound(source, error.strerror or str(error)) from None


@contextmanager
def _damage(source: str, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataMalformed(
            source, f"is compressed with {name} and damaged ({error})", "Compress it again."
        ) from None


def _read(
    opened: Callable[[BinaryIO, str], BinaryIO], raw: bytes, source: str, name: str, limit: int
) -> bytes:
    pieces, size = [], 0
    with _damage(source, name), opened(io.BytesIO(raw), source) as stream:
        while piece := stream.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise DataMalformed(
                    source,
                    f"unpacks to more than {limit:,} bytes",
                    "Unpack it yourself and give the unpacked file, or train on a sample of its "
                    "rows (--sample).",
                )
    return b"".join(pieces)


def _gzip(file: BinaryIO, _: str) -> BinaryIO:
    return gzip.GzipFile(fileobj=file)


def _zstd(file: BinaryIO, source: str) -> BinaryIO:
    # Python has no zstd before 3.14; Arrow brings one along.
    if not is_installed("arrow"):
        raise ExtraMissing("arrow", f"file {source}, which is compressed with zstd,")
    import pyarrow as pa

    stream: BinaryIO = pa.CompressedInputStream(file, "zstd")
    return stream


_COMPRESSED: Mapping[bytes, tuple[str, Callable[[BinaryIO, str], BinaryIO]]] = {
    b"\x1f\x8b": ("gzip", _gzip),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}
