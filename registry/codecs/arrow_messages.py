"""Reads the declared sizes of the messages of an Arrow stream before they are unpacked.

A compressed message of a few kilobytes can unpack to gigabytes, and Arrow allocates the size that
it declares. Each compressed buffer begins with its unpacked size; the message's metadata, a
flatbuffer, lists the buffers:
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format and
https://flatbuffers.dev/internals/.
"""

import struct

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3

# Indices of the fields in the tables of Arrow's Message.fbs.
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 1, 2
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3

_BUFFER = struct.Struct("<qq")  # offset and length within the body
_LONG = struct.Struct("<q")


def unpacked_size(metadata: bytes, body: memoryview) -> int:
    """The unpacked bytes that a message's compressed buffers declare; 0 where none is compressed.

    Raises ValueError where the metadata is malformed.
    """
    try:
        batch = _batch(metadata)
        if not batch or not _field(metadata, batch, _BATCH_COMPRESSION):
            return 0
        vector = _referred(metadata, batch, _BATCH_BUFFERS)
        size = 0
        for index in range(_unsigned(metadata, vector) if vector else 0):
            place = vector + 4 + index * _BUFFER.size
            offset, length = _BUFFER.unpack_from(metadata, place)
            if length:
                size += max(0, _LONG.unpack_from(body, offset)[0])  # -1: not compressed
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error
    return size


def rows_of(metadata: bytes) -> int:
    """The rows, or texts of a dictionary, that a message declares; 0 for other messages.

    Raises ValueError where the metadata is malformed.
    """
    try:
        batch = _batch(metadata)
        place = _field(metadata, batch, _BATCH_LENGTH) if batch else 0
        return int(_LONG.unpack_from(metadata, place)[0]) if place else 0
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error


def is_delta(metadata: bytes) -> bool:
    """Whether a message adds to a dictionary of an earlier message.

    Raises ValueError where the metadata is malformed.
    """
    try:
        kind, header = _header(metadata)
        if kind != _DICTIONARY_BATCH or not header:
            return False
        place = _field(metadata, header, _DICTIONARY_IS_DELTA)
        return bool(place and metadata[place])
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated message") from error


def _batch(metadata: bytes) -> int:
    """The position of the record batch; 0 for a message without one."""
    kind, header = _header(metadata)
    if kind == _DICTIONARY_BATCH and header:
        return _referred(metadata, header, _DICTIONARY_DATA)
    return header if kind == _RECORD_BATCH else 0


def _header(metadata: bytes) -> tuple[int, int]:
    """The kind of a message, and the position of its header."""
    message = _unsigned(metadata, 0)
    place = _field(metadata, message, _MESSAGE_HEADER_TYPE)
    return metadata[place] if place else 0, _referred(metadata, message, _MESSAGE_HEADER)


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
