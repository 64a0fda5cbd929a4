"""How the streams of one client are laid out, to read them without Arrow.

The streams that a program sends have the same schema, and where each is one record batch, its
metadata differs only in numbers: of rows, of nulls, and the places of the buffers. A layout is
taken from a stream that Arrow has read, and has so verified. A later stream that has the same
bytes between those numbers is sound in its structure too; its numbers are checked here.
"""

import struct
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add, le, or_
from typing import NamedTuple, Self

from registry.codecs.arrow_messages import BatchNumbers, batch_numbers, is_plain_schema

_MARK = b"\xff\xff\xff\xff"
_PREFIX = struct.Struct("<4si")
"""The mark before a message, and the size of its metadata."""
_END = _PREFIX.pack(_MARK, 0)
_LONG = struct.Struct("<q")
_ALIGNMENT = 8
_FILLERS = (0, 255)


class Buffer(NamedTuple):
    """A part of a stream: its first byte, and how many there are."""

    place: int
    size: int


class Numbers(NamedTuple):
    """The numbers of one stream: its rows, the nulls of each column of its schema, and the offsets
    and sizes of its buffers, which are in the stream and do not overlap."""

    rows: int
    nulls: Sequence[int]
    offsets: Sequence[int]
    sizes: Sequence[int]


class Layout(NamedTuple):
    """The bytes that are the same in all streams of a layout, by their position, and the positions
    of the numbers between them. ``start`` is where the buffers begin."""

    fixed: tuple[tuple[int, bytes], ...]
    numbers: BatchNumbers
    start: int

    @classmethod
    def of(cls, stream: bytes) -> Self | None:
        """The layout of a stream that Arrow has read.

        None where it has no layout: for example, its batch is compressed or is not the first
        message after the schema.
        """
        first = _end_of_metadata(stream, 0)
        start = _end_of_metadata(stream, first)
        if start == 0 or start % _ALIGNMENT:
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
        between = zip(edges[::2], edges[1::2], strict=True)
        moved = inside._replace(
            rows=offset + inside.rows,
            body=offset + inside.body,
            nodes=offset + inside.nodes,
            buffers=offset + inside.buffers,
        )
        return cls(tuple((one, stream[one:end]) for one, end in between), moved, start)

    def read(self, stream: bytes) -> Numbers | None:
        """The numbers of ``stream``; None where it has another layout, or where they are not those
        of a sound stream of one batch."""
        for place, part in self.fixed:
            if not stream.startswith(part, place):
                return None
        if len(stream) < self.start:
            return None
        at = self.numbers
        (rows,), (size,) = _LONG.unpack_from(stream, at.rows), _LONG.unpack_from(stream, at.body)
        nodes = struct.unpack_from(f"<{2 * at.columns}q", stream, at.nodes)
        parts = struct.unpack_from(f"<{2 * at.parts}q", stream, at.buffers)
        offsets, sizes = parts[::2], parts[1::2]
        left = len(stream) - self.start - size
        if (
            rows <= 0
            or size < 0
            or not (left == 0 or (left == len(_END) and stream.endswith(_END)))
            or nodes[::2] != (rows,) * at.columns
            or min(nodes) < 0
            or min(parts) < 0
            # Each ends before the next begins, the last before the end.
            or not all(map(le, map(add, offsets, sizes), (*offsets[1:], size)))
            or reduce(or_, offsets) % _ALIGNMENT
        ):
            return None
        return Numbers(rows, nodes[1::2], offsets, sizes)

    def buffers(self, numbers: Numbers, first: int, count: int) -> list[Buffer]:
        """Some of the buffers, by the index of the first one."""
        some = slice(first, first + count)
        return [
            Buffer(self.start + offset, size)
            for offset, size in zip(numbers.offsets[some], numbers.sizes[some], strict=True)
        ]


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
