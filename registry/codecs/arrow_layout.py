"""How the streams of one client are laid out, to read them without Arrow.

The streams that a program sends have the same schema, and where each is one record batch, its
metadata differs only in numbers: of rows, of nulls, and the places of the buffers. A layout is
taken from a stream that Arrow has read, and has so verified. A later stream that has the same
bytes between those numbers is sound in its structure too; `registry/codecs/arrow_stream.h` checks
its numbers.
"""

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

from registry.codecs.arrow_messages import BatchNumbers, batch_numbers, is_plain_schema

_MARK = b"\xff\xff\xff\xff"
_PREFIX = struct.Struct("<4si")
"""The mark before a message, and the size of its metadata."""
_ALIGNMENT = 8
_LONGEST = 2**16
"""The bytes up to the first buffer, which a reader keeps of a layout. A column takes about 200."""
_FILLERS = (0, 255)


class Layout(NamedTuple):
    """Where the metadata of a stream has its numbers. ``start`` is where its buffers begin.

    ``edges`` are the positions at which parts begin and end that are the same in all streams of
    the layout, in order.
    """

    start: int
    numbers: BatchNumbers
    edges: tuple[int, ...]

    @classmethod
    def of(cls, stream: bytes) -> Self | None:
        """The layout of a stream that Arrow has read.

        None where it has no layout: for example, its batch is compressed or is not the first
        message after the schema, or its metadata is longer than 64 KiB.
        """
        first = _end_of_metadata(stream, 0)
        start = _end_of_metadata(stream, first)
        if not 0 < start <= _LONGEST or start % _ALIGNMENT:
            return None
        offset, metadata = first + _PREFIX.size, stream[first + _PREFIX.size : start]
        try:
            inside = batch_numbers(metadata)
            if inside is None or not is_plain_schema(stream[_PREFIX.size : first]):
                return None
            extents = inside.extents()
            for filler in _FILLERS:  # the numbers must not be part of the structure
                if batch_numbers(_filled(metadata, extents, filler)) != inside:
                    return None
        except ValueError:
            return None
        edges = [0, *(offset + edge for extent in extents for edge in extent), start]
        if any(last < first for first, last in pairwise(edges)):
            return None
        moved = inside._replace(
            rows=offset + inside.rows,
            body=offset + inside.body,
            nodes=offset + inside.nodes,
            buffers=offset + inside.buffers,
        )
        return cls(start, moved, tuple(edges))


def _end_of_metadata(stream: bytes, place: int) -> int:
    """The position behind the metadata of the message at ``place``; 0 where there is none."""
    if len(stream) < place + _PREFIX.size:
        return 0
    mark, size = _PREFIX.unpack_from(stream, place)
    end = place + _PREFIX.size + int(size)
    return end if mark == _MARK and size > 0 and end <= len(stream) else 0


def _filled(metadata: bytes, extents: Sequence[tuple[int, int]], filler: int) -> bytes:
    content = bytearray(metadata)
    for first, last in extents:
        content[first:last] = bytes([filler]) * (last - first)
    return bytes(content)
