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

# Indices of the fields in the tables of Arrow's Message.fbs.
_MESSAGE_VERSION, _MESSAGE_HEADER_TYPE, _MESSAGE_HEADER, _MESSAGE_CUSTOM_METADATA = 0, 1, 2, 4
_DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 1, 2
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3

_BUFFER_SIZE = 16
"""Two longs: offset and length within the body."""
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


def _unpacked(metadata: bytes, batch: int, body: memoryview) -> int:
    """Compressed buffers declare their unpacked size; others may overlap, and take memory of their
    own once they are decoded."""
    vector = _referred(metadata, batch, _BATCH_BUFFERS)
    if not vector:
        return 0
    end = vector + 4 + _unsigned(metadata, vector) * _BUFFER_SIZE
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
