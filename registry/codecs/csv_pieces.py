"""Decodes CSV bodies into columns, some lines at a time.

A body is cut after a line end. If Python's strict mode can read the lines before the cut, the cut
is not within quotes, and a row begins after it; otherwise they are read together with later lines.

This accepts only valid bodies. `registry.codecs.text_body` decodes others again and names the
fault.
"""

import csv
import io
from collections.abc import Sequence
from math import inf

from registry.codecs.batch import Batch
from registry.codecs.byte_counts import count
from registry.codecs.column_builder import LARGEST_PIECE, PIECE_BYTES, ColumnBuilder
from registry.signature import Column, Signature

BOOLEANS = {"true": True, "false": False, "1": True, "0": False}

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OF_NUMBERS = b"0123456789+-.eE \t\n\r\f\v"
"""Of texts with these characters only, Python's ``float`` accepts exactly the numbers allowed
here."""


class _Invalid(ValueError):
    """The body is not accepted here."""


def read_pieces(body: bytes, signature: Signature, size: int = PIECE_BYTES) -> Batch | None:
    """The rows in ``body``, read about ``size`` bytes at a time. None where it is not valid."""
    columns = ColumnBuilder(signature, most_rows(body, signature), null="")
    header: list[str] = []
    positions: list[int] = []
    at = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    try:
        while at < len(body):
            rows, at = _piece(body, at, size)
            if rows and not header:
                header = rows.pop(0)
                positions = header_positions(header, signature)
            if rows:
                cells = list(zip(*rows, strict=True))
                if len(cells) != len(header):
                    return None
                for index, column in enumerate(signature.inputs):
                    _add(columns, index, column, cells[positions[index]])
    except ValueError:
        return None
    return columns.to_batch()


def most_rows(body: bytes, signature: Signature) -> int:
    """The most rows with a cell for each column of ``signature`` that ``body`` can have, if all of
    its lines end alike."""
    lines = max(count(body, b"\n"), count(body, b"\r")) + 1
    return min(lines, len(body) // len(signature.inputs) + 1)


def _piece(body: bytes, start: int, size: int) -> tuple[list[list[str]], int]:
    """The next rows from ``start`` on, and the position after them. Raises ValueError."""
    largest = LARGEST_PIECE * size
    while True:
        stop = body.find(b"\n", start + size) + 1 or len(body)
        lines = io.StringIO(body[start:stop].decode(), newline="")
        try:
            return [row for row in csv.reader(lines, strict=True) if row], stop
        except csv.Error as error:
            if stop == len(body) or size >= largest:
                raise _Invalid from error
            size *= 4  # perhaps the cut is within quotes


def header_positions(header: list[str], signature: Signature) -> list[int]:
    """The position of each column of the signature. Raises ValueError."""
    if len(set(header)) < len(header):
        raise _Invalid
    found = {name: position for position, name in enumerate(header)}
    if not found.keys() >= set(signature.names):
        raise _Invalid
    return [found[name] for name in signature.names]


def _add(columns: ColumnBuilder, index: int, column: Column, cells: Sequence[str]) -> None:
    """Raises ValueError."""
    has_nulls = "" in cells
    if has_nulls and not column.nullable:
        raise _Invalid
    if column.type == "string":
        columns.add_texts(index, cells)
    elif column.type == "date":
        columns.add_dates(index, cells)
    elif column.type == "boolean":
        columns.add_numbers(index, [_boolean(cell) for cell in cells])
    elif "".join(cells).encode().translate(None, _OF_NUMBERS):
        raise _Invalid
    else:
        numbers = list(map(float, filter(None, cells) if has_nulls else cells))
        if inf in numbers or -inf in numbers:
            raise _Invalid
        if has_nulls:
            there = iter(numbers)
            columns.add_numbers(index, [next(there) if cell else None for cell in cells])
        else:
            columns.add_numbers(index, numbers)


def _boolean(cell: str) -> float | None:
    """Raises ValueError."""
    if not cell:
        return None
    found = BOOLEANS.get(cell.strip().lower())
    if found is None:
        raise _Invalid
    return found
