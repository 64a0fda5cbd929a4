"""Unpacks files that are compressed with gzip or zstd, up to a limit."""

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

from registry.extras import is_installed
from trainers.errors import DataMalformed, ExtraMissing

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


def _read(
    opened: Callable[[bytes, str], BinaryIO], raw: bytes, source: str, name: str, limit: int
) -> bytes:
    pieces, size = [], 0
    try:
        with opened(raw, source) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise DataMalformed(
                        source,
                        f"unpacks to more than {limit:,} bytes",
                        "Unpack it yourself and give the unpacked file.",
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise DataMalformed(
            source, f"is compressed with {name} and damaged ({error})", "Compress it again."
        ) from None
    return b"".join(pieces)


def _gzip(raw: bytes, _: str) -> BinaryIO:
    return gzip.GzipFile(fileobj=io.BytesIO(raw))


def _zstd(raw: bytes, source: str) -> BinaryIO:
    # Python has no zstd before 3.14; Arrow brings one along.
    if not is_installed("arrow"):
        raise ExtraMissing("arrow", f"file {source}, which is compressed with zstd,")
    import pyarrow as pa

    stream: BinaryIO = pa.CompressedInputStream(pa.BufferReader(raw), "zstd")
    return stream


_COMPRESSED: Mapping[bytes, tuple[str, Callable[[bytes, str], BinaryIO]]] = {
    b"\x1f\x8b": ("gzip", _gzip),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}
