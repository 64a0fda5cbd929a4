"""Decodes the numbers of a large JSON request in pieces.

One call that decodes megabytes keeps all other requests of the worker from the interpreter's lock.
So the arrays of numbers are cut out of the JSON and decoded some thousands at a time; a mark stands
in the place of each. The ends of these arrays are found without a parser, since numbers have no
quotes and no brackets. A request that cannot be decoded in this way is decoded as a whole by
`registry.codecs.tensor_request`, which names what is wrong with it.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.column_builder import PIECE_BYTES

_SPACE = r"[ \t\n\r]*"
_ARRAY = re.compile(rf'"data"{_SPACE}:{_SPACE}(\[){_SPACE}(\[?){_SPACE}(?=[-0-9n])'.encode())
_MARK = secrets.token_hex(16)
"""The start of the text that stands for an array; no caller can know it."""
_decode_list = msgspec.json.Decoder(list[float | None]).decode
_decode_rows = msgspec.json.Decoder(list[list[float | None]]).decode

Numbers = NDArray[np.float64]
"""NaN is null. Two dimensions if the JSON has a list for each row."""


class NotInPieces(ValueError):
    """The JSON is not valid, or cannot be decoded in pieces."""


def cut_numbers(json: bytes, size: int = PIECE_BYTES) -> tuple[bytes, dict[str, Numbers]]:
    """``json`` with a mark in the place of each array of numbers that is a member ``data``, and the
    array of each mark. About ``size`` bytes are decoded at a time.

    Raises NotInPieces.
    """
    parts: list[bytes] = []
    arrays: dict[str, Numbers] = {}
    at = 0
    while head := _ARRAY.search(json, at):
        has_rows = bool(head[2])
        end = json.find(b"]]" if has_rows else b"]", head.end())
        if end < 0:
            raise NotInPieces
        mark = f"{_MARK}{len(arrays)}"
        array = json[head.end(1) : end + has_rows]
        arrays[mark] = _rows(array, size) if has_rows else _list(array, size)
        parts += (json[at : head.start(1)], b'"%b"' % mark.encode())
        at = end + 1 + has_rows
    return b"".join([*parts, json[at:]]), arrays


def _list(array: bytes, size: int) -> Numbers:
    pieces = _pieces(array, b",", size, _decode_list)
    return np.concatenate([np.array(numbers, np.float64) for numbers in pieces])


def _rows(array: bytes, size: int) -> Numbers:
    flat, widths = [], set[int]()
    for rows in _pieces(array, b"],", size, _decode_rows):
        flat.append(np.array(list(chain.from_iterable(rows)), np.float64))
        widths |= set(map(len, rows))
    if len(widths) > 1:
        raise NotInPieces
    return np.concatenate(flat).reshape(-1, widths.pop())


def _pieces(
    array: bytes, between: bytes, size: int, decode: Callable[[bytes], list[Any]]
) -> Iterator[list[Any]]:
    """The elements of ``array``, which has no brackets around it; each but the last ends with
    ``between``, whose last byte is the comma."""
    start = cut = 0
    while cut >= 0:
        cut = array.find(between, start + size)
        stop = len(array) if cut < 0 else cut + len(between) - 1
        try:
            elements = decode(b"[%b]" % array[start:stop])
        except (msgspec.MsgspecError, RecursionError):
            raise NotInPieces from None
        if not elements:  # there was a comma behind the last one
            raise NotInPieces
        yield elements
        start = stop + 1
