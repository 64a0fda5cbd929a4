"""Try a version with many rows: pasted from a spreadsheet, with a table of predictions."""

from collections.abc import Sequence
from typing import Any

from flask import Response, request

from api.problems import status_of
from api.services import services
from console.formats import spreadsheet_cell
from console.rendering import page
from console.trying.download import download
from console.trying.fields import example_texts
from console.trying.predicting import predicting
from console.trying.subject import TABS, Tried
from console.trying.tables import (
    Table,
    in_words,
    lines_of,
    other_faults,
    problem_words,
    read_table,
    text_of,
)
from registry.codecs.csv_reply import Rows, write_csv
from registry.codecs.requests import CSV
from registry.errors import BodyMalformed, Refused, RegistryError, TooLarge

MOST_PASTED = 2**20
"""Characters; more rows are sent as a file."""
_MOST_ENCODED = 4 * MOST_PASTED
"""Bytes of the form, in which tabs and the ends of lines take three each."""


def pasting_page(tried: Tried) -> Response:
    """The form, with the example as its first row."""
    texts = example_texts(tried.fields, tried.view["input_example"])
    return _page(tried, text_of([[field.name for field in tried.fields], list(texts.values())]))


def answer_pasted(tried: Tried) -> Response:
    """The rows of the form with their predictions, as a table or as CSV."""
    request.max_content_length = request.max_form_memory_size = _MOST_ENCODED
    text = request.form.get("rows", "")
    loaded = services().watch.resolve(tried.model, str(tried.number))
    table = None
    try:
        if len(text) > MOST_PASTED:
            raise TooLarge("The text", "1 MiB; send the rows as a file")
        table = read_table(text)
        with predicting(loaded, table.content_type, table.body) as predicted:
            predictions = predicted.predictions.values
            if request.form.get("as") == "csv":
                rows = Rows(table.header, table.rows) if table.header else None
                lines = write_csv(
                    predicted.predictions, tried.signature, rows, text=spreadsheet_cell
                )
                return download(tried, "csv", CSV, lines)
    except (BodyMalformed, Refused, TooLarge) as error:
        return _page(tried, text, table, error=error)
    return _page(tried, text, table, predictions)


def _page(
    tried: Tried,
    text: str,
    table: Table | None = None,
    predictions: Sequence[Any] = (),
    error: RegistryError | None = None,
) -> Response:
    table = table or Table([], [], "", b"")
    faults = error.faults if error is not None else ()
    others = other_faults(table, faults)
    return page(
        "try_rows.html",
        200 if error is None else status_of(type(error)),
        tab="rows",
        tabs=TABS,
        tried=tried,
        version=tried.view,
        text=text,
        problem=""
        if error is None
        else problem_words(error, "" if others else ", as marked below"),
        faults=[in_words(fault) for fault in others],
        lines=lines_of(table, predictions, faults) if error or predictions else [],
        header=table.header,
        total=len(predictions) or len(table.rows),
        known={field.name for field in tried.fields},
        is_number=tried.signature.output.classes is None,
    )
