"""Decodes what clients of MLflow's scoring protocol send: rows under exactly one key.

    {"dataframe_split": {"columns": […], "data": [[…]]}}
    {"dataframe_records": [{…}]}
    {"instances": […]}                   records, or rows by position
    {"inputs": {column: […]}}            columns, one record, records, or rows by position

``params`` may be beside them. Other members are ignored, and ``NaN`` is null.
"""

import csv
import io
from typing import Any

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.json_body import WRAPPERS, decode_inputs
from registry.codecs.json_reader import JsonReader
from registry.codecs.row_keys import RowKeys
from registry.signature import Signature

_KEYS = RowKeys(
    "dataframe_split", "dataframe_records", "instances", "inputs", params=dict[str, msgspec.Raw]
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ScoringReader:
    """Reads JSON bodies of the protocol for one signature, with the reader of other JSON bodies.

    Safe to use from several threads.
    """

    def __init__(self, reader: JsonReader, signature: Signature) -> None:
        self._reader = reader
        self._signature = signature

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
        return _KEYS.read(body, self._reader, self._decode)[1]

    def _decode(self, key: str, value: Any) -> Batch:
        if key == "inputs":
            return decode_inputs(value, self._signature)
        return WRAPPERS[key](key, value, self._signature)


def with_header(body: bytes, signature: Signature) -> bytes:
    """CSV without a header line, whose cells are those of the signature by position, with one."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(signature.names)
    return line.getvalue().encode() + body.removeprefix(_BYTE_ORDER_MARK)
