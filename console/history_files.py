"""Events as files: CSV and JSON, written while they are read."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from console.formats import spreadsheet_cell
from registry.reading.views import View

COLUMNS = (
    "seq",
    "at",
    "type",
    "model",
    "alias",
    "from_version",
    "to_version",
    "actor",
    "reason",
    "details",
    "hash",
)


class FileFormat(NamedTuple):
    media_type: str
    write: Callable[[Iterator[View]], Iterator[str]]


def as_csv(events: Iterator[View]) -> Iterator[str]:
    """A line for each event. Text that a spreadsheet would take for a formula gets a quote ``'``
    before it."""
    yield _line(COLUMNS)
    for event in events:
        yield _line([_cell(event.get(name)) for name in COLUMNS])


def as_json(events: Iterator[View]) -> Iterator[str]:
    """An array of the events as the API has them."""
    yield "["
    separator = "\n"
    for event in events:
        yield separator + json.dumps(event, ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n"


FORMATS = {
    "csv": FileFormat("text/csv", as_csv),
    "json": FileFormat("application/json", as_json),
}


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return spreadsheet_cell(value) if isinstance(value, str) else value


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
