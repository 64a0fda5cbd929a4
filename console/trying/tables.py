"""Many rows at once: pasted from a spreadsheet or written as JSON, with their predictions."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from console.formats import plural
from registry.codecs.batch import MAX_FAULTS
from registry.codecs.json_body import WRAPPERS
from registry.codecs.requests import CSV, JSON
from registry.codecs.text_body import cell_text
from registry.errors import BodyMalformed, Fault, RegistryError

MOST_SHOWN = 100
_DELIMITERS = ("\t", ";", ",")
_PLACE = re.compile(r"(?:rows|instances)\[(\d{1,9})\](?:\.(.*))?", re.DOTALL)
_RECORDS = "instances"


class Table(NamedTuple):
    """Rows as text, and as a body that the service decodes; no ``header``: no cells are known."""

    header: list[str]
    rows: list[list[str]]
    content_type: str
    body: bytes


class Cell(NamedTuple):
    text: str
    fault: str


class Line(NamedTuple):
    """A row that is shown; ``number`` is counted from 1, ``fault`` is of the row as a whole."""

    number: int
    cells: list[Cell]
    prediction: Any
    fault: str


def read_table(text: str) -> Table:
    """The table in ``text``: JSON, or a header and rows with tabs, semicolons or commas between.

    Raises BodyMalformed.
    """
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(text)
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = next((one for one in _DELIMITERS if one in first), ",")
    try:
        lines = [
            line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if line
        ]
    except csv.Error as error:
        raise BodyMalformed(f"The rows cannot be read as a table: {error}.") from error
    if len(lines) < 2:
        raise BodyMalformed("Expected a line with the names of the columns, and rows below it.")
    body = io.StringIO()
    csv.writer(body).writerows(lines)
    return Table(lines[0], lines[1:], CSV, body.getvalue().encode())


def text_of(rows: Iterable[Sequence[str]]) -> str:
    """The rows as a spreadsheet copies them: with tabs between."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue()


def lines_of(
    table: Table, predictions: Sequence[Any] = (), faults: Iterable[Fault] = ()
) -> list[Line]:
    """The first rows with their predictions, or with the faults at their cells."""
    of_cells: dict[tuple[int, str], str] = {}
    for fault in faults:
        if place := _PLACE.fullmatch(fault.at):
            of_cells[int(place[1]), place[2] or ""] = fault.message
    shown = set(range(MOST_SHOWN)) | {row for row, _ in of_cells}
    total = max(len(table.rows), len(predictions))
    return [
        Line(
            row + 1,
            _cells(table, row, of_cells),
            predictions[row] if predictions else None,
            of_cells.get((row, ""), ""),
        )
        for row in sorted(shown)
        if row < total
    ]


def other_faults(table: Table, faults: Iterable[Fault]) -> list[Fault]:
    """The faults that have no cell in the table."""
    return [
        fault
        for fault in faults
        if (place := _PLACE.fullmatch(fault.at)) is None
        or (place[2] is not None and place[2] not in table.header)
        or int(place[1]) >= len(table.rows)
    ]


def in_words(fault: Fault) -> Fault:
    """The fault with its row counted from 1, as spreadsheets do."""
    if (place := _PLACE.fullmatch(fault.at)) is None:
        return fault
    row = f"row {int(place[1]) + 1}"
    return Fault(f"{row}, {place[2]}" if place[2] else row, fault.message)


def problem_words(error: RegistryError, where: str) -> str:
    """The error in words; ``where`` its faults in rows are shown, which are not repeated."""
    number = len(error.faults)
    if not number or not all(_PLACE.fullmatch(fault.at) for fault in error.faults):
        return error.detail
    first = "The first " if number == MAX_FAULTS else ""
    return f"{first}{plural(number, 'value')} cannot be used{where}."


def _read_json(text: str) -> Table:
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BodyMalformed(f"The rows are not JSON: {error}.") from error
    if isinstance(value, dict):
        wrapped = any(isinstance(value.get(key), list | dict) for key in WRAPPERS)
        value = value.get(_RECORDS, value) if wrapped else [value]
    if not isinstance(value, list):
        return Table([], [], JSON, text.encode())
    body = msgspec.json.encode({_RECORDS: value})
    if not all(isinstance(record, Mapping) for record in value):
        return Table([], [], JSON, body)
    header = list(dict.fromkeys(chain.from_iterable(value)))
    rows = [[cell_text(record.get(name)) for name in header] for record in value]
    return Table(header, rows, JSON, body)


def _cells(table: Table, row: int, faults: Mapping[tuple[int, str], str]) -> list[Cell]:
    if row >= len(table.rows):
        return []
    return [
        Cell(text, _fault(faults.get((row, name), ""), text))
        for name, text in zip(table.header, table.rows[row], strict=False)
    ]


def _fault(message: str, text: str) -> str:
    """The message at a cell; an empty one is null in a body, but not for who sees the cell."""
    return "a value is required" if message and not text else message
