"""Bodies whose cells are text: CSV with a header, and HTML forms of one record.

An empty cell is a null. A number is written as JSON or CSV tools write it; ``NaN``, ``Infinity``
and the like are no numbers here. A boolean is true, false, 1 or 0.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl

from registry.errors import BodyMalformed, Fault, InputRefused, shown
from registry.serving.codecs.batch import Batch, Place, build_batch, missing_columns, refuse
from registry.signature import Signature

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MAX_FORM_FIELDS = 20_000


def decode_csv(body: bytes, signature: Signature) -> Batch:
    """Raises BodyMalformed where ``body`` is not CSV in UTF-8, InputRefused where it does not fit.

    Rows are counted from 0 without the header, empty lines are passed over.
    """
    rows = _rows(body)
    if not rows:
        raise BodyMalformed("The body is empty: CSV with a header line is asked.")
    header = rows.pop(0)
    positions: dict[str, int] = {}
    for position, name in enumerate(header):
        if positions.setdefault(name, position) != position:
            raise InputRefused(
                f"The header names {shown(name)} twice.",
                [Fault("header", f"{shown(name)} is there twice")],
            )
    missing = [name for name in signature.names if name not in positions]
    if missing:
        raise missing_columns(missing, lambda name: f"header.{name}")
    for index, row in enumerate(rows):
        if len(row) != len(header):
            message = f"{len(row)} values, the header names {len(header)}"
            raise refuse([Fault(f"rows[{index}]", message)])
    cells = [list(map(itemgetter(positions[name]), rows)) for name in signature.names]
    return _build(cells, signature, lambda row, column: f"rows[{row}].{column.name}", single=False)


def decode_form(body: bytes, signature: Signature) -> Batch:
    """Raises BodyMalformed where ``body`` is no form, InputRefused where it does not fit."""
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
            "The body is no HTML form. For JSON, send 'Content-Type: application/json'."
        ) from error
    record: dict[str, str] = {}
    for name, text in fields:
        if name in record and name in signature.names:
            raise refuse([Fault(name, "the field is there twice")])
        record[name] = text
    missing = [name for name in signature.names if name not in record]
    if missing:
        raise missing_columns(missing)
    cells = [[record[name]] for name in signature.names]
    return _build(cells, signature, lambda _, column: column.name, single=True)


def _rows(body: bytes) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BodyMalformed(f"The body is not UTF-8: byte {error.start}.") from error
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise BodyMalformed(f"The body is not CSV: {error}.") from error


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
    return _BOOLEANS.get(text.strip().lower(), text)


_READERS: dict[str, Callable[[str], Any]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "string": str,
}
