"""How far a file may unpack, and the compressions of joblib files."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from registry.errors import ArtifactRefused

MAX_UNPACKED = 2 * 2**30
MAX_RATIO = 200
"""The largest ratio of a file's unpacked size to its size, once it unpacks to ``FREE_BYTES``."""
FREE_BYTES = 32 * 2**20
_CHUNK = 2**20

_PACKERS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"\x78", zlib.decompressobj),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=2**28)),
    (b"\x5d\x00\x00", lambda: lzma.LZMADecompressor(memlimit=2**28)),
)
"""The compressions that joblib writes, by their first bytes."""


def unpacked_file(file: BinaryIO) -> BinaryIO:
    """``file``, or its content in memory if it is compressed. Raises ArtifactRefused."""
    start = file.read(8)
    file.seek(0)
    for magic, packer in _PACKERS:
        if start.startswith(magic):
            limit = min(MAX_UNPACKED, max(FREE_BYTES, MAX_RATIO * file.seek(0, io.SEEK_END)))
            file.seek(0)
            return _decompressed(file, packer(), limit)
    return file


def _decompressed(file: BinaryIO, decompressor: Any, limit: int) -> BinaryIO:
    out = io.BytesIO()
    try:
        while chunk := file.read(_CHUNK):
            if decompressor.eof:
                raise ArtifactRefused(
                    "The artifact has bytes after the end of its compressed data."
                )
            _drain(decompressor, chunk, out, limit)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ArtifactRefused(f"The artifact is not a complete compressed file: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise ArtifactRefused("The artifact's compressed data is truncated or has bytes after it.")
    out.seek(0)
    return out


def _drain(decompressor: Any, chunk: bytes, out: io.BytesIO, limit: int) -> None:
    """Unpack ``chunk`` a megabyte at a time, so that a decompression bomb is detected early."""
    while True:
        out.write(decompressor.decompress(chunk, _CHUNK))
        if out.tell() > limit:
            raise ArtifactRefused(f"The artifact unpacks to more than {limit} bytes.")
        if hasattr(decompressor, "unconsumed_tail"):
            chunk = decompressor.unconsumed_tail
            if not chunk:
                return
        else:
            chunk = b""
            if decompressor.eof or decompressor.needs_input:
                return
