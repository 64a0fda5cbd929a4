"""How much the messages of an Arrow stream hold, before they are unpacked.

A compressed message of a few kilobytes can hold gigabytes, and Arrow allocates whatever it
declares. How much that is stands before each compressed buffer; which buffers there are stands in
the message's metadata, a flatbuffer:
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format and
https://flatbuffers.dev/internals/.
"""

import struct

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3

# Places of the fields in the tables of Arrow's Message.fbs.
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 1, 2
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3

_BUFFER = struct.Struct("<qq")  # offset and length within the body
_LONG = struct.Struct("<q")


def unpacked_size(metadata: bytes, body: memoryview) -> int:
    """How many bytes the compressed buffers of a message declare; 0 where none is compressed.

    Raises ValueError where the metadata is no such flatbuffer.
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
                size += max(0, _LONG.unpack_from(body, offset)[0])  # -1: it is not compressed
    except (struct.error, IndexError) as error:
        raise ValueError("a message that is cut off") from error
    return size


def rows_of(metadata: bytes) -> int:
    """How many rows, or texts of a dictionary, a message declares; 0 for other messages.

    Raises ValueError where the metadata is no such flatbuffer.
    """
    try:
        batch = _batch(metadata)
        place = _field(metadata, batch, _BATCH_LENGTH) if batch else 0
        return int(_LONG.unpack_from(metadata, place)[0]) if place else 0
    except (struct.error, IndexError) as error:
        raise ValueError("a message that is cut off") from error


def is_delta(metadata: bytes) -> bool:
    """Whether a message adds to a dictionary that was sent before.

    Raises ValueError where the metadata is no such flatbuffer.
    """
    try:
        kind, header = _header(metadata)
        if kind != _DICTIONARY_BATCH or not header:
            return False
        place = _field(metadata, header, _DICTIONARY_IS_DELTA)
        return bool(place and metadata[place])
    except (struct.error, IndexError) as error:
        raise ValueError("a message that is cut off") from error


def _batch(metadata: bytes) -> int:
    """Where the record batch stands; 0 for a message that holds none."""
    kind, header = _header(metadata)
    if kind == _DICTIONARY_BATCH and header:
        return _referred(metadata, header, _DICTIONARY_DATA)
    return header if kind == _RECORD_BATCH else 0


def _header(metadata: bytes) -> tuple[int, int]:
    """Of which kind a message is, and where its header stands."""
    message = _unsigned(metadata, 0)
    place = _field(metadata, message, _MESSAGE_HEADER_TYPE)
    return metadata[place] if place else 0, _referred(metadata, message, _MESSAGE_HEADER)


def _unsigned(buffer: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", buffer, place)[0])


def _field(buffer: bytes, table: int, index: int) -> int:
    """Where the field stands; 0 where the table leaves it out."""
    layout = table - int(struct.unpack_from("<i", buffer, table)[0])
    entry = 4 + 2 * index
    if entry >= struct.unpack_from("<H", buffer, layout)[0]:
        return 0
    offset = int(struct.unpack_from("<H", buffer, layout + entry)[0])
    return table + offset if offset else 0


def _referred(buffer: bytes, table: int, index: int) -> int:
    """Where that stands which the field refers to; 0 where it refers to nothing."""
    place = _field(buffer, table, index)
    return place + _unsigned(buffer, place) if place else 0
