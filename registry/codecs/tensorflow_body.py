"""Decodes the JSON of TensorFlow Serving's REST API: rows under ``instances`` or ``inputs``.

    {"instances": […]}           records, rows by position, or cells of a model with one column
    {"inputs": {column: […]}}    columns
    {"inputs": […]}              rows by position, or cells of a model with one column

A cell of a record or a column may be in a list of its own, since TensorFlow has columns of the
shape [n, 1]. ``{"b64": "…"}`` is a text in Base64. Other members are ignored,
and ``NaN`` is null.
https://www.tensorflow.org/tfx/serving/api_rest#predict_api
"""

from base64 import b64decode
from typing import Any

from registry.codecs.batch import Batch, refuse
from registry.codecs.json_body import WRAPPERS
from registry.codecs.json_reader import JsonReader
from registry.codecs.row_keys import RowKeys
from registry.errors import Fault
from registry.signature import Signature

_KEYS = RowKeys("instances", "inputs")
_ENCODED = {"b64"}


class TensorflowReader:
    """Reads bodies of ``:predict`` for one signature. Safe to use from several threads."""

    def __init__(self, reader: JsonReader, signature: Signature) -> None:
        self._reader = reader
        self._signature = signature

    def read(self, body: bytes) -> tuple[str, Batch]:
        """The key of the rows, and the rows.

        Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit.
        """
        return _KEYS.read(body, self._reader, self._decode)

    def _decode(self, key: str, value: Any) -> Batch:
        rows = value
        if isinstance(value, list):
            rows = [self._row(item, f"{key}[{row}]") for row, item in enumerate(value)]
        elif isinstance(value, dict):
            rows = {name: _column(cells, f"{key}.{name}") for name, cells in self._known(value)}
        return WRAPPERS[key](key, rows, self._signature)

    def _row(self, item: Any, at: str) -> Any:
        if isinstance(item, list):
            return [_cell(cell, at, index) for index, cell in enumerate(item)]
        names = self._signature.names
        if isinstance(item, dict) and (item.keys() != _ENCODED or "b64" in names):
            return {name: _cell(_alone(cell), at, name) for name, cell in self._known(item)}
        return [_cell(item, at)] if len(names) == 1 else item

    def _known(self, cells: dict[str, Any]) -> list[tuple[str, Any]]:
        return [(name, cells[name]) for name in self._signature.names if name in cells]


def _column(cells: Any, at: str) -> Any:
    if not isinstance(cells, list):
        return cells
    return [_cell(_alone(cell), at, row) for row, cell in enumerate(cells)]


def _alone(cell: Any) -> Any:
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell


def _cell(cell: Any, at: str, place: int | str | None = None) -> Any:
    if not isinstance(cell, dict) or cell.keys() != _ENCODED:
        return cell
    try:
        return b64decode(cell["b64"], validate=True).decode()
    except (TypeError, ValueError) as error:
        inside = "" if place is None else f"[{place}]" if isinstance(place, int) else f".{place}"
        raise refuse([Fault(at + inside, "expected a text in UTF-8, in Base64")]) from error
