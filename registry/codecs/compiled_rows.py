"""Decodes JSON and CSV bodies of many rows with ``row_kernel.c``.

Like `registry.codecs.json_pieces` and `registry.codecs.csv_pieces`, which take 3 to 15 times as
long, this accepts only valid bodies of the usual forms, and gives the same batches. It accepts
fewer: not ``dataframe_split``, and in CSV no cells in quotes that contain quotes or line ends.
Where the project was installed without a C compiler, ``AVAILABLE`` is False and nothing is
accepted.
"""

import csv
import json
import re
from array import array
from collections.abc import Callable
from math import isnan, nan
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import Batch, dates_to_seconds
from registry.codecs.column_builder import PIECE_BYTES
from registry.codecs.csv_pieces import BYTE_ORDER_MARK, header_positions
from registry.codecs.csv_pieces import most_rows as most_csv_rows
from registry.codecs.json_pieces import most_rows as most_json_rows
from registry.codecs.powers_of_five import powers_of_five
from registry.dates import parse_date
from registry.signature import Column, ColumnType, Scalar, Signature

try:
    from registry.codecs import row_kernel
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_KINDS: dict[ColumnType, bytes] = {
    "number": b"n",
    "integer": b"i",
    "boolean": b"b",
    "string": b"t",
    "date": b"t",
}
_CONVERSIONS: dict[ColumnType, Callable[[Any], Scalar]] = {
    "number": lambda number: None if isnan(number) else number,
    "integer": lambda number: None if isnan(number) else int(number),
    "boolean": lambda number: None if isnan(number) else number == 1,
}
"""What the doubles of a single row stand for."""
_UNUSUAL_NAME = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""Of names that contain one of these, the decoders in pieces accept no records."""
_LONGEST_HEADER = 2**20
_DATES_AT_ONCE = 4096
"""The dates whose texts are in memory at the same time."""

_TEXT_BITS = 23
"""Of the length of a text, in what the kernel keeps of it: its place, whether it has escapes, and
its length (``row_body.h``)."""
LONGEST_TEXT = 2**_TEXT_BITS - 1

_unescape = msgspec.json.Decoder(str).decode


class CompiledJson:
    """Reads JSON bodies of rows for one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        inputs = list(enumerate(signature.inputs))
        self._texts = [(at, column) for at, column in inputs if _KINDS[column.type] == b"t"]
        self._converted = [
            (at, _CONVERSIONS[column.type])
            for at, column in inputs
            if column.type in _CONVERSIONS and (column.nullable or column.type != "number")
        ]
        self._columns = None
        if AVAILABLE and not any(map(_UNUSUAL_NAME.search, signature.names)):
            self._columns = columns_of(signature, _written_names(signature))

    def read(self, body: bytes) -> Batch | None:
        """The rows in ``body``; None where it is not accepted."""
        if self._columns is None:
            return None
        cells = np.empty((len(self._signature.inputs), most_json_rows(body, self._signature)))
        rows = self._columns.read_json(body, cells)
        if rows is None:
            return None
        try:
            if rows == 1 and len(body) <= PIECE_BYTES:
                return self._one_row(body, cells)
            return batch_of(self._signature, body, cells, rows)
        except (ValueError, msgspec.MsgspecError):
            return None

    def _one_row(self, body: bytes, cells: NDArray[np.float64]) -> Batch:
        """The batch of one row, of which arrays would take longer. Raises as ``batch_of``."""
        row: list[Scalar] = cells[:, 0].tolist()
        for position, convert in self._converted:
            row[position] = convert(row[position])
        for position, column in self._texts:
            text = _texts(body, cells[position, :1], None)[0]
            is_date = column.type == "date" and text is not None
            row[position] = parse_date(text) if is_date else text
        return Batch(None, 1, False, tuple(row), self._signature.inputs)


class CompiledCsv:
    """Reads CSV bodies for one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._columns = columns_of(signature) if AVAILABLE else None

    def read(self, body: bytes) -> Batch | None:
        """The rows in ``body``; None where it is not accepted."""
        if self._columns is None:
            return None
        start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
        end = body.find(b"\n", start, start + _LONGEST_HEADER) + 1
        header = self._header(body[start:end])
        if header is None:
            return None
        cells = np.empty((len(self._signature.inputs), most_csv_rows(body, self._signature)))
        rows = self._columns.read_csv(body, end, memoryview(header), cells)
        try:
            return batch_of(self._signature, body, cells, rows) if rows else None
        except ValueError:
            return None

    def _header(self, line: bytes) -> "array[int] | None":
        """The column of each cell of a header, -1 for those that the model does not have."""
        try:
            (names,) = csv.reader([line.decode()], strict=True)
            positions = header_positions(names, self._signature)
        except (ValueError, csv.Error):
            return None
        header = array("i", [-1]) * len(names)
        for column, position in enumerate(positions):
            header[position] = column
        return header


def columns_of(
    signature: Signature, names: tuple[tuple[bytes, int], ...] = ()
) -> "row_kernel.Columns":
    """The kernel's columns, with the ``names`` that JSON gives them. Only where ``AVAILABLE``."""
    inputs = signature.inputs
    return row_kernel.Columns(
        names,
        b"".join(_KINDS[column.type] for column in inputs),
        bytes(column.nullable for column in inputs),
        powers_of_five(),
    )


def _written_names(signature: Signature) -> tuple[tuple[bytes, int], ...]:
    """The names of the columns as JSON writes them, with and without escapes, and their
    positions."""
    written = {
        encoded: position
        for position, name in enumerate(signature.names)
        for encoded in (name.encode(), json.dumps(name)[1:-1].encode())
    }
    return tuple(written.items())


def batch_of(signature: Signature, body: bytes, cells: NDArray[np.float64], rows: int) -> Batch:
    """``cells``: numbers, and of texts what the kernel keeps of them.

    Raises ValueError or MsgspecError where a text is not UTF-8 or not a date.
    """
    arrays = {
        column.name: _array(column, body, cells[position, :rows])
        for position, column in enumerate(signature.inputs)
    }
    return Batch(arrays, rows)


def _array(column: Column, body: bytes, cells: NDArray[np.float64]) -> NDArray[Any]:
    """Raises as ``batch_of``."""
    if column.type == "string":
        return _texts(body, cells, nan)
    if column.type == "date":
        for first in range(0, len(cells), _DATES_AT_ONCE):
            part = cells[first : first + _DATES_AT_ONCE]
            part[:] = np.array(dates_to_seconds(_texts(body, part, None)), dtype=np.float64)
    return cells


def _texts(body: bytes, cells: NDArray[np.float64], null: float | None) -> NDArray[Any]:
    texts = np.empty(len(cells), dtype=object)
    first = 0
    while first < len(cells):
        # Each call holds the interpreter's lock for about 0.1 ms.
        first = row_kernel.texts(body, cells, texts, first, null, _unescape)
    return texts


def texts_at(
    characters: bytes, places: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The texts in UTF-8 that begin at ``places`` of ``characters``, of ``sizes`` bytes, each at
    most ``LONGEST_TEXT``. Equal ones usually share a string. Only where ``AVAILABLE``.

    Raises ValueError where one is not in ``characters`` or is not UTF-8.
    """
    kept: NDArray[np.int64] = places << (_TEXT_BITS + 1) | sizes
    return _texts(characters, kept.view(np.float64), None)
