"""Try a version with many rows: pasted from a spreadsheet, with a table of predictions."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask import Response, request

from api.services import services
from console.rendering import page
from console.trying.asking import ask
from console.trying.fields import example_texts
from console.trying.subject import TABS, Tried
from console.trying.tables import (
    Table,
    in_words,
    lines_of,
    other_faults,
    problem_words,
    read_table,
    text_of,
    with_predictions,
)
from registry.errors import BodyMalformed, Refused, RegistryError

MOST_PASTED = 2**20
"""Bytes; more rows are sent as a file."""


def pasting_page(tried: Tried) -> Response:
    """The form, with the example as its first row."""
    texts = example_texts(tried.fields, tried.view["input_example"])
    return _page(tried, text_of([[field.name for field in tried.fields], list(texts.values())]))


def answer_pasted(tried: Tried) -> Response:
    """The rows of the form with their predictions, as a table or as CSV."""
    request.max_form_memory_size = MOST_PASTED
    text = request.form.get("rows", "")
    try:
        table = read_table(text)
    except BodyMalformed as error:
        return _page(tried, text, error=error)
    loaded = services().watch.resolve(tried.model, str(tried.number))
    try:
        asked = ask(loaded, table.content_type, table.body)
    except (BodyMalformed, Refused) as error:
        return _page(tried, text, table, error=error)
    predictions = asked.predictions.values
    if request.form.get("as") == "csv":
        rows = table.rows if table.header else [[] for _ in predictions]
        return csv_response(tried, table.header, rows, predictions)
    return _page(tried, text, table, predictions)


def csv_response(
    tried: Tried,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    predictions: Sequence[Any],
) -> Response:
    """A file to download, written while it is sent."""
    response = Response(with_predictions(header, rows, predictions), content_type="text/csv")
    name = f"{tried.model}-v{tried.number}-predictions.csv"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


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
        200 if error is None else 422,
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
