"""Changes what the footer of a Parquet file declares.

A value of Thrift's compact protocol is read as an int or bytes, a list as ``[type, *items]``, a
struct as a dict of ``{field: [type, value]}``.
"""

import struct

from tests.unit.registry.codecs.varints import read_varint, varint

TRUE, FALSE, BYTE, INTEGERS, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, 9, 12

# Fields of the structs in parquet.thrift.
FILE_ROWS, FILE_GROUPS = 3, 4
GROUP_CHUNKS, GROUP_ROWS = 1, 3
CHUNK_METADATA = 3
CHUNK_VALUES, CHUNK_UNPACKED, CHUNK_SIZES = 5, 6, 16
CHUNK_DATA_PAGE, CHUNK_DICTIONARY_PAGE = 9, 11


def with_footer(body, change):
    """``body`` with its footer as ``change``, which is called with it, leaves it."""
    (length,) = struct.unpack("<I", body[-8:-4])
    footer, _ = read(STRUCT, body[:-8], len(body) - 8 - length)
    change(footer)
    written = write(STRUCT, footer)
    return body[: -8 - length] + written + struct.pack("<I", len(written)) + b"PAR1"


def groups(footer):
    return footer[FILE_GROUPS][1][1:]


def chunks(footer):
    """The metadata of the column chunks of every row group."""
    return [
        chunk[CHUNK_METADATA][1] for group in groups(footer) for chunk in group[GROUP_CHUNKS][1][1:]
    ]


def read(kind, data, at):
    if kind in INTEGERS:
        number, at = read_varint(data, at)
        return (number >> 1) ^ -(number & 1), at
    if kind in (BYTE, DOUBLE):
        size = 8 if kind == DOUBLE else 1
        return data[at : at + size], at + size
    if kind == BINARY:
        length, at = read_varint(data, at)
        return data[at : at + length], at + length
    if kind == LIST:
        head, at = data[at], at + 1
        count = head >> 4
        if count == 15:
            count, at = read_varint(data, at)
        items = [head & 15]
        for _ in range(count):
            item, at = read(head & 15, data, at)
            items.append(item)
        return items, at
    assert kind == STRUCT, kind
    fields, number = {}, 0
    while head := data[at]:
        at += 1
        assert head >> 4, "a field is numbered from the one before"
        number += head >> 4
        kind, value = head & 15, None
        if kind not in (TRUE, FALSE):
            value, at = read(kind, data, at)
        fields[number] = [kind, value]
    return fields, at + 1


def write(kind, value):
    if kind in INTEGERS:
        return varint(value)
    if kind in (BYTE, DOUBLE):
        return value
    if kind == BINARY:
        return varint(len(value), signed=False) + value
    if kind == LIST:
        item, *items = value
        head = bytes([0xF0 | item]) + varint(len(items), signed=False)
        return head + b"".join(write(item, each) for each in items)
    written, last = b"", 0
    for number, (field, content) in value.items():
        written += bytes([number - last << 4 | field])
        written += b"" if field in (TRUE, FALSE) else write(field, content)
        last = number
    return written + b"\0"
