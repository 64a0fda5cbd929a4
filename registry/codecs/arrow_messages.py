"""Reads the declared sizes of the messages of an Arrow stream before they are unpacked.

A compressed message of a few kilobytes can unpack to gigabytes, and Arrow allocates the size that
it declares. Each compressed buffer begins with its unpacked size; the message's metadata, a
flatbuffer, lists the buffers:
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format and
https://flatbuffers.dev/internals/.
"""

import struct
from typing import NamedTuple

from registry.errors import BodyMalformed

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3

# Indices of the fields in the tables of Arrow's Message.fbs and Schema.fbs.
_MESSAGE_VERSION, _MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 0, 1, 2
_MESSAGE_BODY_LENGTH, _MESSAGE_CUSTOM_METADATA = 3, 4
_DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 1, 2
_BATCH_LENGTH, _BATCH_NODES, _BATCH_BUFFERS, _BATCH_COMPRESSION, _BATCH_VARIADIC = 0, 1, 2, 3, 4
_SCHEMA_ENDIANNESS = 0

_PAIR_SIZE = 16
"""Two longs: rows and nulls of a column, or offset and length of a buffer within the body."""
_LONG = struct.Struct("<q")
_SHORT = struct.Struct("<h")
_V5 = 4
"""The number of the metadata version V5."""


class Contents(NamedTuple):
    """What a message holds. ``rows``: rows, or texts of a dictionary. ``unpacked``: the bytes that
    its buffers take in memory in addition to its body. ``is_delta``: it adds to a dictionary of an
    earlier message."""

    rows: int
    unpacked: int
    is_delta: bool


def contents(metadata: bytes, body: memoryview) -> Contents:
    """What the message with that metadata and body declares to hold.

    Raises ValueError where the metadata is malformed, BodyMalformed where the message may be
    compressed as it was before Arrow 1.0.
    """
    try:
        message = _unsigned(metadata, 0)
        place = _field(metadata, message, _MESSAGE_HEADER_TYPE)
        kind = metadata[place] if place else 0
        header = batch = _referred(metadata, message, _MESSAGE_HEADER)
        if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH) or not header:
            return Contents(0, 0, False)
        _check_version(metadata, message)
        delta = 0
        if kind == _DICTIONARY_BATCH:
            batch = _referred(metadata, header, _DICTIONARY_DATA)
            delta = _field(metadata, header, _DICTIONARY_IS_DELTA)
            if not batch:
                raise ValueError("a dictionary without data")
        place = _field(metadata, batch, _BATCH_LENGTH)
        rows = _LONG.unpack_from(metadata, place)[0] if place else 0
        unpacked = _unpacked(metadata, batch, body)
        return Contents(max(0, rows), unpacked, bool(delta and metadata[delta]))
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error


class BatchNumbers(NamedTuple):
    """The positions in the metadata of a record batch of what differs between batches of one
    schema: ``rows`` and ``body`` (its length), a long each, and ``nodes`` and ``buffers``, a pair
    of longs for each of the ``columns`` and of the ``parts``."""

    rows: int
    body: int
    nodes: int
    columns: int
    buffers: int
    parts: int

    def extents(self) -> list[tuple[int, int]]:
        """The first position and the one behind each of them, in order."""
        sizes = _LONG.size, _LONG.size, self.columns * _PAIR_SIZE, self.parts * _PAIR_SIZE
        firsts = self.rows, self.body, self.nodes, self.buffers
        return sorted((first, first + size) for first, size in zip(firsts, sizes, strict=True))


def batch_numbers(metadata: bytes) -> BatchNumbers | None:
    """Where the metadata of a record batch has its numbers.

    None where it is another message, has a part that not every batch has (compression, lists of
    buffers for views), lacks a number, since it is 0, or is not of the metadata version V5.

    Raises ValueError where the metadata is malformed.
    """
    try:
        message = _unsigned(metadata, 0)
        version = _field(metadata, message, _MESSAGE_VERSION)
        kind = _field(metadata, message, _MESSAGE_HEADER_TYPE)
        batch = _referred(metadata, message, _MESSAGE_HEADER)
        if (
            not (version and kind and batch)
            or _SHORT.unpack_from(metadata, version)[0] != _V5
            or metadata[kind] != _RECORD_BATCH
            or _field(metadata, batch, _BATCH_COMPRESSION)
            or _field(metadata, batch, _BATCH_VARIADIC)
        ):
            return None
        nodes = _referred(metadata, batch, _BATCH_NODES)
        buffers = _referred(metadata, batch, _BATCH_BUFFERS)
        rows = _field(metadata, batch, _BATCH_LENGTH)
        body = _field(metadata, message, _MESSAGE_BODY_LENGTH)
        if not (rows and body and nodes and buffers):
            return None
        columns, parts = _unsigned(metadata, nodes), _unsigned(metadata, buffers)
        if not (columns and parts):
            return None
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error
    return BatchNumbers(rows, body, nodes + 4, columns, buffers + 4, parts)


def is_plain_schema(metadata: bytes) -> bool:
    """Whether the message of a schema has no body, and the numbers of its stream begin with their
    lowest byte. Raises ValueError where the metadata is malformed."""
    try:
        message = _unsigned(metadata, 0)
        header = _referred(metadata, message, _MESSAGE_HEADER)
        body = _field(metadata, message, _MESSAGE_BODY_LENGTH)
        order = _field(metadata, header, _SCHEMA_ENDIANNESS) if header else 0
        return not (
            (body and _LONG.unpack_from(metadata, body)[0])
            or (order and _SHORT.unpack_from(metadata, order)[0])
        )
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error


def _unpacked(metadata: bytes, batch: int, body: memoryview) -> int:
    """Compressed buffers declare their unpacked size; others may overlap, and take memory of their
    own once they are decoded."""
    vector = _referred(metadata, batch, _BATCH_BUFFERS)
    if not vector:
        return 0
    end = vector + 4 + _unsigned(metadata, vector) * _PAIR_SIZE
    if end > len(metadata):
        raise ValueError("a truncated message")
    places: tuple[int, ...] = struct.unpack(
        f"<{(end - vector - 4) // _LONG.size}q", metadata[vector + 4 : end]
    )
    if min(places, default=0) < 0:
        raise ValueError("a buffer with a negative size")
    plain, unpacked = sum(places[1::2]), 0
    if _field(metadata, batch, _BATCH_COMPRESSION):
        for offset, length in zip(places[::2], places[1::2], strict=True):
            declared: int = _LONG.unpack_from(body, offset)[0] if length else -1
            if declared >= 0:  # otherwise the buffer is not compressed
                unpacked += declared
                plain -= length
    return unpacked + max(0, plain - body.nbytes)


def _check_version(metadata: bytes, message: int) -> None:
    """Refuse messages of the metadata version V4 that have metadata of their own.

    Arrow 0.17 named the compression there. Arrow still decompresses such messages. Other messages
    of V4 do not differ from V5 in the types of columns that models have.
    """
    place = _field(metadata, message, _MESSAGE_VERSION)
    version = _SHORT.unpack_from(metadata, place)[0] if place else 0
    if version < _V5 and _field(metadata, message, _MESSAGE_CUSTOM_METADATA):
        raise BodyMalformed(
            "The Arrow stream has a message of the metadata version V4 or older with custom "
            "metadata, which is not supported. Write the metadata version V5, the default since "
            "Arrow 1.0."
        )


def _unsigned(buffer: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", buffer, place)[0])


def _field(buffer: bytes, table: int, index: int) -> int:
    """The position of the field; 0 where the table omits it."""
    layout = table - int(struct.unpack_from("<i", buffer, table)[0])
    entry = 4 + 2 * index
    if entry >= struct.unpack_from("<H", buffer, layout)[0]:
        return 0
    offset = int(struct.unpack_from("<H", buffer, layout + entry)[0])
    return table + offset if offset else 0


def _referred(buffer: bytes, table: int, index: int) -> int:
    """The position of what the field refers to; 0 where it refers to nothing."""
    place = _field(buffer, table, index)
    return place + _unsigned(buffer, place) if place else 0
