"""Parses protobuf messages into fields: no schema, no objects, no native code.

Encoding: protobuf.dev, "Encoding". Runs of numbers are read by numpy, since a forest has millions.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10

Value = int | memoryview
"""A number, or the bytes of a text, a message or a fixed number."""


def field(message: memoryview, at: int) -> tuple[int, int, Value, int]:
    """Number, wire type, value and end of the field at ``at``. Raises ValueError."""
    tag, at = _varint(message, at)
    number, kind = tag >> 3, tag & 7
    if number == 0:
        raise ValueError("a field without a number")
    if kind == VARINT:
        value, at = _varint(message, at)
        return number, kind, value, at
    if kind == BYTES:
        length, at = _varint(message, at)
    elif kind in {FIXED32, FIXED64}:
        length = 4 if kind == FIXED32 else 8
    else:
        raise ValueError("a field of an unknown wire type")
    if at + length > len(message):
        raise ValueError("a truncated field")
    return number, kind, message[at : at + length], at + length


def fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Number, wire type and value of each field. Raises ValueError where it is not a message."""
    at = 0
    while at < len(message):
        number, kind, value, at = field(message, at)
        yield number, kind, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(at + _MAX_VARINT, len(message))):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise ValueError("an unterminated number")


def varints(packed: memoryview) -> NDArray[np.int64]:
    """All numbers of ``packed``, a packed field. Raises ValueError."""
    raw = np.frombuffer(packed, np.uint8)
    if len(raw) and raw[-1] >= 0x80:
        raise ValueError("an unterminated number")
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if len(lengths) and lengths.max() > _MAX_VARINT:
        raise ValueError("an unterminated number")
    values = np.zeros(len(ends), np.uint64)
    for place in range(int(lengths.max()) if len(lengths) else 0):
        longer = lengths > place
        piece = (raw[starts[longer] + place] & 0x7F).astype(np.uint64)
        values[longer] |= piece << np.uint64(7 * place)
    return values.view(np.int64)


def run_of_varints(message: memoryview, at: int) -> tuple[NDArray[np.int64], int]:
    """The numbers of the repeated field at ``at``, and the offset of their end.

    Its tag takes one byte. Raises ValueError.
    """
    tag = message[at]
    # From here on tags and values alternate until another tag. What follows that is something else:
    # all bytes are split as if they were numbers, and cut there.
    rest = np.frombuffer(message[at:], np.uint8)
    ends = np.flatnonzero(rest < 0x80)
    pairs = len(ends) // 2
    starts = np.concatenate([[0], ends[:-1] + 1])[: 2 * pairs : 2]
    ours = (rest[starts] == tag) & (ends[: 2 * pairs : 2] == starts)
    count = pairs if ours.all() else int(np.argmin(ours))
    if not count:
        raise ValueError("an unterminated number")
    stop = at + int(ends[2 * count - 1]) + 1
    return varints(message[at:stop])[1::2], stop


def run_of_floats(message: memoryview, at: int) -> tuple[int, int]:
    """The count of the repeated four-byte field at ``at``, and the offset of its end."""
    records = np.frombuffer(message[at:], np.uint8)
    records = records[: len(records) // 5 * 5].reshape(-1, 5)
    ours = records[:, 0] == message[at]
    count = len(ours) if ours.all() else int(np.argmin(ours))
    if not count:
        raise ValueError("a truncated field")
    return count, at + 5 * count


def run_of_texts(
    message: memoryview, at: int, allowed: tuple[bytes, ...]
) -> tuple[NDArray[np.int64], int]:
    """The texts of the repeated field at ``at``, as indices in ``allowed``, and their end.

    Its tag takes one byte. Raises ValueError for any other text.
    """
    forms = [bytes([message[at], len(text)]) + text for text in allowed]
    either = b"|".join(map(re.escape, forms))
    run = re.match(b"(?:%s)+" % either, message[at:])
    if run is None:
        raise ValueError("an unexpected text")
    places = {form: place for place, form in enumerate(forms)}
    found = re.findall(either, run[0])
    return (
        np.fromiter((places[each] for each in found), np.int64, len(found)),
        at + run.end(),
    )
