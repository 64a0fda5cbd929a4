"""Decodes bodies whose cells are text: CSV with a header, and HTML forms of one record.

An empty cell is null. A number is written as by JSON or CSV tools; ``NaN`` and ``Infinity`` are not
numbers. A boolean is true, false, 1 or 0; a date is ISO 8601 text.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from registry.codecs.batch import Batch, Place, build_batch, missing_columns, refuse
from registry.codecs.compiled_rows import CompiledCsv
from registry.codecs.csv_pieces import BOOLEANS, read_pieces
from registry.codecs.large_bodies import one_large_body_at_a_time
from registry.errors import BodyMalformed, Fault, InputRefused, shown
from registry.signature import Signature

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MAX_FORM_FIELDS = 20_000


class CsvReader:
    """Reads CSV bodies of one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._read_compiled = CompiledCsv(signature).read

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not CSV in UTF-8, InputRefused where it does not
        fit.

        Empty lines are skipped; faults count rows from 0, without the header.
        """
        batch = self._read_compiled(body)
        if batch is None:
            batch = read_pieces(body, self._signature)
        if batch is not None:
            return batch
        with one_large_body_at_a_time(body):
            return _decode_csv_at_once(body, self._signature)


def _decode_csv_at_once(body: bytes, signature: Signature) -> Batch:
    rows = _rows(body)
    if not rows:
        raise BodyMalformed("The body is empty: expected CSV with a header line.")
    positions = _positions(rows.pop(0), signature.names)
    return _of_rows(rows, positions, signature, 0)


def csv_columns(file: BinaryIO) -> tuple[list[str], int]:
    """The header of the CSV ``file`` and the number of rows.

    Raises BodyMalformed where it is not CSV in UTF-8, InputRefused where a row has more or fewer
    cells than the header.
    """
    rows = csv_rows(file)
    header = next(rows, None)
    if header is None:
        raise BodyMalformed("The table is empty: expected CSV with a header line.")
    count = 0
    for row in rows:
        _check_length(row, len(header), count)
        count += 1
    return header, count


def csv_batches(file: BinaryIO, signature: Signature, rows: int) -> Iterator[Batch]:
    """Read the columns of ``signature`` from the CSV ``file``, ``rows`` rows at a time.

    Raises as ``CsvReader.read`` does.
    """
    read = csv_rows(file)
    positions = _positions(next(read, []), signature.names)
    first = 0
    while part := list(islice(read, rows)):
        yield _of_rows(part, positions, signature, first)
        first += len(part)


def _positions(header: list[str], names: Sequence[str]) -> dict[str, int]:
    """The position of each column.

    Raises InputRefused where a name appears twice, or one of ``names`` is missing.
    """
    positions: dict[str, int] = {}
    for position, name in enumerate(header):
        if positions.setdefault(name, position) != position:
            raise InputRefused(
                f"The header names {shown(name)} twice.",
                [Fault("header", f"{shown(name)} appears twice")],
            )
    missing = [name for name in names if name not in positions]
    if missing:
        raise missing_columns(missing, lambda name: f"header.{name}")
    return positions


def _of_rows(
    rows: Sequence[Sequence[str]], positions: dict[str, int], signature: Signature, first: int
) -> Batch:
    """``first``: the index of the first of ``rows`` in the whole table."""
    for index, row in enumerate(rows, start=first):
        _check_length(row, len(positions), index)
    cells = [list(map(itemgetter(positions[name]), rows)) for name in signature.names]
    return _build(
        cells, signature, lambda row, column: f"rows[{first + row}].{column.name}", single=False
    )


def _check_length(row: Sequence[str], length: int, index: int) -> None:
    if len(row) != length:
        raise refuse(
            [Fault(f"rows[{index}]", f"expected {length} values as in the header, not {len(row)}")]
        )


def decode_form(body: bytes, signature: Signature) -> Batch:
    """Raises BodyMalformed where ``body`` is not a form, InputRefused where it does not fit."""
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise BodyMalformed(
            "The body is not an HTML form. For JSON, send 'Content-Type: application/json'."
        ) from error
    record: dict[str, str] = {}
    for name, text in fields:
        if name in record and name in signature.names:
            raise refuse([Fault(name, "the field appears twice")])
        record[name] = text
    missing = [name for name in signature.names if name not in record]
    if missing:
        raise missing_columns(missing)
    cells = [[record[name]] for name in signature.names]
    return _build(cells, signature, lambda _, column: column.name, single=True)


def cell_text(value: Any) -> str:
    """A cell of a JSON body as text, which is read back as the same value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _rows(body: bytes) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BodyMalformed(f"The body is not UTF-8: byte {error.start}.") from error
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise BodyMalformed(f"The body is not CSV: {error}.") from error


def csv_rows(file: BinaryIO) -> Iterator[list[str]]:
    """The header and the rows of the CSV ``file``, without empty lines. Raises BodyMalformed."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        yield from filter(None, csv.reader(text, strict=True))
    except UnicodeDecodeError as error:
        raise BodyMalformed("The table is not UTF-8.") from error
    except csv.Error as error:
        raise BodyMalformed(f"The table is not CSV: {error}.") from error
    finally:
        # The caller may have closed the file before this generator ends.
        with suppress(ValueError):
            text.detach()


def _build(
    cells: Sequence[Sequence[str]], signature: Signature, place: Place, *, single: bool
) -> Batch:
    values = [
        [None if text == "" else _READERS[column.type](text) for text in texts]
        for column, texts in zip(signature.inputs, cells, strict=True)
    ]
    return build_batch(values, signature, place, single=single)


def _number(text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text) else text


def _boolean(text: str) -> Any:
    return BOOLEANS.get(text.strip().lower(), text)


_READERS: dict[str, Callable[[str], Any]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "string": str,
    "date": str,
}
