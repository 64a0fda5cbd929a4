"""Decodes what clients of MLflow's scoring protocol send: rows under exactly one key.

    {"dataframe_split": {"columns": […], "data": [[…]]}}
    {"dataframe_records": [{…}]}
    {"instances": […]}                   records, or rows by position
    {"inputs": {column: […]}}            columns, one record, records, or rows by position

``params`` may be beside them. Other members are ignored.
"""

import csv
import io
import re

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.json_body import decode_inputs, parse_json
from registry.codecs.json_reader import JsonReader
from registry.codecs.large_bodies import one_large_body_at_a_time
from registry.errors import InputRefused
from registry.signature import Signature

_ABSENT = msgspec.Raw()
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Body(msgspec.Struct, gc=False):
    """Rows that have yet to be decoded, by their key."""

    dataframe_split: msgspec.Raw = _ABSENT
    dataframe_records: msgspec.Raw = _ABSENT
    instances: msgspec.Raw = _ABSENT
    inputs: msgspec.Raw = _ABSENT
    params: dict[str, msgspec.Raw] | None = None


_KEYS = tuple(name for name in _Body.__struct_fields__ if name != "params")
_EXPECTED = ", ".join(repr(key) for key in _KEYS)
_USUAL_START = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"(%b)"' % "|".join(_KEYS).encode())
_decode = msgspec.json.Decoder(_Body).decode


class ScoringReader:
    """Reads JSON bodies of the protocol for one signature, with the reader of other JSON bodies.

    Safe to use from several threads.
    """

    def __init__(self, reader: JsonReader, signature: Signature) -> None:
        self._reader = reader
        self._signature = signature

    def read(self, body: bytes) -> Batch:
        """Raises BodyMalformed where ``body`` is not JSON, InputRefused where it does not fit."""
        # Most bodies have nothing beside the rows, which are then decoded in pieces.
        if _USUAL_START.match(body) and (batch := self._reader.read_rows(body)) is not None:
            return batch
        key, rows = _rows_of(body)
        alone = b'{"%b":%b}' % (key.encode(), rows)
        if key != "inputs":
            return self._reader.read(alone)
        if (batch := self._reader.read_rows(alone)) is not None:
            return batch
        with one_large_body_at_a_time(rows):
            return decode_inputs(parse_json(rows), self._signature)


def _rows_of(body: bytes) -> tuple[str, bytes]:
    """The key of the rows in ``body``, and the rows. Raises BodyMalformed, InputRefused."""
    with one_large_body_at_a_time(body):
        parsed = parse_json(body, _decoded)
    found = {key: rows for key in _KEYS if (rows := bytes(getattr(parsed, key)))}
    if len(found) > 1:
        raise InputRefused(f"Send rows under one key, not under {' and '.join(found)}.")
    if not found:
        raise InputRefused(f"Expected rows under one of {_EXPECTED}.")
    return found.popitem()


def _decoded(body: bytes) -> _Body:
    if not body.isascii():
        body.decode()  # msgspec does not validate texts that it skips
    return _decode(body)


def with_header(body: bytes, signature: Signature) -> bytes:
    """CSV without a header line, whose cells are those of the signature by position, with one."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(signature.names)
    return line.getvalue().encode() + body.removeprefix(_BYTE_ORDER_MARK)
