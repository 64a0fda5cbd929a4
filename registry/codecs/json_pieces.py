"""Decodes JSON bodies of many rows into columns, some rows at a time.

Decoding megabytes in one call would keep other requests from the interpreter's lock, and a list or
an object for each row would need several times the memory and slow down the garbage collector.

A body is cut where a pattern finds the end of one element of an array and the start of the next.
This need not be right: if ``[A]`` and ``[B]`` are JSON, then ``[A,B]`` is JSON with the elements of
both. So a wrong cut, for instance inside a text, only makes a piece that is not JSON; it is then
decoded together with what follows.

Like `registry.codecs.json_reader`, this accepts only valid bodies of the usual forms.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.byte_counts import count
from registry.codecs.column_builder import LARGEST_PIECE, PIECE_BYTES, ColumnBuilder
from registry.codecs.json_decoders import (
    Decode,
    cell_decoder,
    columns_decoder,
    field_name,
    list_decoder,
    record_decoder,
    skip_cells,
)
from registry.dates import parse_date
from registry.signature import Column, ColumnType, Scalar, Signature


def _pattern(text: str) -> "re.Pattern[bytes]":
    """``text`` as a pattern in which a space stands for any whitespace that JSON allows."""
    return re.compile(text.replace(" ", r"[ \t\n\r]*").encode())


_ROWS = _pattern(r' \{ "(instances|dataframe_records|X|inputs)" : \[ ')
_SPLIT = _pattern(
    r' \{ "dataframe_split" : \{ "columns" : (\[[^]]*\]) ,'
    r'(?: "index" : (\[[^]"{[]*\]) ,)? "data" : \[ '
)
_COLUMNS = _pattern(r' \{ "inputs" : \{ ')
_COLUMN = _pattern(r'"([^"\\]*)" : \[ ')
_AFTER_COLUMN = _pattern(r'\] , (?=")')
_AFTER_ROWS = _pattern(r"\] \} ")
_AFTER_ALL = _pattern(r"\] \} \} ")


_BETWEEN_RECORDS = _pattern(r"(?<=\}) , (?=\{)")
_BETWEEN_LISTS = _pattern(r"(?<=\]) , (?=\[)")
_BETWEEN_TEXTS = _pattern(r'(?<=["l]) , (?=["n])')
_BETWEEN_CELLS = _pattern(r'(?<=["0-9el]) , (?=["0-9tfn-])')

_OTHERS_AT_MOST = 100
"""Columns that the model does not have, in rows by position."""


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(number)
    return int(number)


_CONVERSIONS: dict[ColumnType, Callable[[Any], Scalar]] = {"integer": _whole, "date": parse_date}
"""How the cells of a single row are made of what msgspec decodes. They raise ValueError."""


class _OtherForm(ValueError):
    """The body has a form that is not read here."""


class _Array(NamedTuple):
    """How to read an array: the decoder of a piece, where to cut, and the usual size of a piece."""

    decode: Decode
    between: "re.Pattern[bytes]"
    size: int


class JsonPieces:
    """Reads JSON bodies of many rows for one signature, about ``size`` bytes at a time.

    Safe to use from several threads.
    """

    def __init__(self, signature: Signature, size: int = PIECE_BYTES) -> None:
        self._signature = signature
        self._size = size
        self._getters = [
            (column, attrgetter(field_name(position)))
            for position, column in enumerate(signature.inputs)
        ]
        self._converted = [
            (position, _CONVERSIONS[column.type])
            for position, column in enumerate(signature.inputs)
            if column.type in _CONVERSIONS
        ]
        self._records = lru_cache(maxsize=1)(lambda: record_decoder(signature))
        self._columns = lru_cache(maxsize=1)(lambda: columns_decoder(signature))
        self._lists = lru_cache(maxsize=8)(lambda names: list_decoder(signature, names))

    def read(self, body: bytes) -> Batch | None:
        """The rows in ``body``; None where it is not valid or has another form."""
        try:
            if head := _ROWS.match(body):
                return self._of_rows(body, self._rows(body, head))
            if head := _SPLIT.match(body):
                return self._of_rows(body, self._split_rows(body, head))
            if head := _COLUMNS.match(body):
                return self._of_columns(body, head)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        return None

    def _of_rows(self, body: bytes, pieces: Iterator[list[Any]]) -> Batch | None:
        if len(body) <= self._size:
            rows = next(pieces, [])  # all of them
            if len(rows) == 1:
                return self._one_row(tuple([get(rows[0]) for _, get in self._getters]))
            pieces = iter((rows,))
        columns = ColumnBuilder(self._signature, most_rows(body, self._signature))
        fields = [
            (position, _adder(columns, column), get)
            for position, (column, get) in enumerate(self._getters)
        ]
        for rows in pieces:
            for position, add, get in fields:
                add(position, list(map(get, rows)))
        return columns.to_batch()

    def _of_columns(self, body: bytes, head: "re.Match[bytes]") -> Batch | None:
        lists = self._few_columns(body) if len(body) <= self._size else None
        if lists is not None and all(len(cells) == 1 for cells in lists):
            return self._one_row(tuple([cell for (cell,) in lists]))
        columns = ColumnBuilder(self._signature, most_rows(body, self._signature))
        if lists is None:
            self._read_columns(columns, body, head.end())
        else:
            for position, (column, _) in enumerate(self._getters):
                _adder(columns, column)(position, lists[position])
        return columns.to_batch()

    def _one_row(self, cells: tuple[Any, ...]) -> Batch:
        """The batch of one row, of which arrays would take longer. Raises ValueError."""
        if self._converted:
            converted = list(cells)
            for position, convert in self._converted:
                if (cell := cells[position]) is not None:
                    converted[position] = convert(cell)
            cells = tuple(converted)
        return Batch(None, 1, False, cells, self._signature.inputs)

    def _rows(self, body: bytes, head: "re.Match[bytes]") -> Iterator[list[Any]]:
        kind, key = body[head.end() : head.end() + 1], head[1]
        if kind == b"{" and key in {b"instances", b"dataframe_records"}:
            array = _Array(self._records(), _BETWEEN_RECORDS, self._size)
        elif kind == b"[" and key != b"dataframe_records":
            lists = self._lists(self._signature.names)
            array = _Array(lists, _BETWEEN_LISTS, self._size)
        else:
            raise _OtherForm
        return _pieces(body, head.end(), _end(body, _AFTER_ROWS), array)

    def _split_rows(self, body: bytes, head: "re.Match[bytes]") -> Iterator[list[Any]]:
        names = tuple(msgspec.json.decode(head[1], type=list[str]))
        if len(names) > len(self._signature.names) + _OTHERS_AT_MOST:
            raise _OtherForm
        if head[2]:
            msgspec.json.decode(head[2], type=list[float])
        array = _Array(self._lists(names), _BETWEEN_LISTS, self._size)
        return _pieces(body, head.end(), _end(body, _AFTER_ALL), array)

    def _few_columns(self, body: bytes) -> tuple[list[Any], ...]:
        if not body.isascii():
            body.decode()  # msgspec does not validate texts that it skips
        return msgspec.structs.astuple(self._columns()(body))

    def _read_columns(self, columns: ColumnBuilder, body: bytes, at: int) -> None:
        positions = {name.encode(): position for position, name in enumerate(self._signature.names)}
        seen: set[bytes] = set()
        while head := _COLUMN.match(body, at):
            if head[1] in seen:
                raise _OtherForm
            if head[1] in positions:
                seen.add(head[1])
                at = self._read_column(columns, body, head.end(), positions[head[1]])
            else:
                at = self._skip_column(body, head)
            after = _AFTER_COLUMN.match(body, at)
            if after is None:
                break
            at = after.end()
        if len(seen) < len(positions) or not _AFTER_ALL.fullmatch(body, at):
            raise _OtherForm

    def _read_column(self, columns: ColumnBuilder, body: bytes, at: int, position: int) -> int:
        """Read the column's array, whose first element begins at ``at``. Returns its end."""
        column = self._signature.inputs[position]
        between = _BETWEEN_TEXTS if column.type in {"string", "date"} else _BETWEEN_CELLS
        decode = cell_decoder(column.type, nullable=column.nullable)
        add, array = _adder(columns, column), _Array(decode, between, self._size)
        while body[at : at + 1] != b"]":
            cells, at = _piece(body, at, None, array)
            add(position, cells)
        return at

    def _skip_column(self, body: bytes, head: "re.Match[bytes]") -> int:
        """Check the array of a column that the model does not have. Returns its end."""
        msgspec.json.decode(b'"%b"' % head[1], type=str)
        at = head.end()
        between = _BETWEEN_TEXTS if body[at : at + 1] == b'"' else _BETWEEN_CELLS
        array = _Array(skip_cells, between, self._size)
        while body[at : at + 1] != b"]":
            _, at = _piece(body, at, None, array)
        return at


def most_rows(body: bytes, signature: Signature) -> int:
    """The most rows with a cell for each column of ``signature`` that ``body`` can have."""
    return count(body, b",") // len(signature.inputs) + 1


def _pieces(body: bytes, start: int, end: int, array: _Array) -> Iterator[list[Any]]:
    """The elements of the array between ``start`` and ``end``, some at a time."""
    while start < end:
        elements, start = _piece(body, start, end, array)
        yield elements


def _piece(body: bytes, start: int, end: int | None, array: _Array) -> tuple[list[Any], int]:
    """The next elements from ``start`` on, and the position after them.

    ``end``: the end of the array; None: at a bracket still to be found. Raises MsgspecError or
    UnicodeDecodeError where the elements are not valid.
    """
    size, behind = array.size, start
    while True:
        close = body.find(b"]", behind, start + size) if end is None else -1
        cut = array.between.search(body, start + size) if close < 0 else None
        stop, after = cut.span() if cut else (close, close)
        if stop < 0 or (end is not None and stop >= end):
            stop = after = len(body) if end is None else end
        piece = b"[%b]" % body[start:stop]
        try:
            if not piece.isascii():
                piece.decode()  # msgspec does not validate texts that it skips
            return array.decode(piece), after
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if after in {end, len(body)} or size >= LARGEST_PIECE * array.size:
                raise
            size *= 4  # perhaps the cut is within a text
            behind = max(behind, close + 1)


def _end(body: bytes, after: "re.Pattern[bytes]") -> int:
    """The end of the array after which only ``after`` follows in the body."""
    at = body.rfind(b"]")
    if at < 0 or not after.fullmatch(body, at):
        raise _OtherForm
    return at


def _adder(columns: ColumnBuilder, column: Column) -> Callable[[int, list[Any]], None]:
    if column.type == "date":
        return columns.add_dates
    return columns.add_texts if column.type == "string" else columns.add_numbers
