"""The kernel of rows accepts the usual bodies, with the same batches as the decoders in pieces, and
leaves all others to them."""

import csv
import io
import json

import pytest
from hypothesis import given

from registry.codecs import compiled_rows
from registry.codecs.compiled_rows import CompiledCsv, CompiledJson
from registry.codecs.csv_pieces import read_pieces
from registry.codecs.json_body import decode_json
from registry.codecs.json_pieces import JsonPieces
from registry.codecs.json_reader import JsonReader
from registry.codecs.text_body import CsvReader
from registry.errors import RegistryError
from registry.signature import Column, Signature
from tests.unit.registry.codecs.generated_bodies import OUTPUT, csv_bodies, json_bodies

pytestmark = pytest.mark.skipif(not compiled_rows.AVAILABLE, reason="there is no C compiler")

EACH = Signature(
    (
        Column("age", "number", nullable=True),
        Column("visits", "integer", nullable=True),
        Column("member", "boolean", nullable=True),
        Column("city", "string", nullable=True),
        Column("since", "date", nullable=True),
    ),
    OUTPUT,
)
NAMES = list(EACH.names)


def exact(batch):
    """A batch as values that are equal where every bit is."""
    arrays = batch.columns
    return batch.rows, batch.single, repr(batch.cells), [
        (name, array.dtype, repr(array.tolist()) if array.dtype == object else array.tobytes())
        for name, array in arrays.items()
    ]  # fmt: skip


def outcome(read, body):
    try:
        return exact(read(body))
    except RegistryError as error:
        return type(error), error.detail, error.faults


def read_json(body, signature=EACH):
    return CompiledJson(signature).read(body)


def in_python(signature):
    """What reads a JSON body where there is no kernel."""
    pieces = JsonPieces(signature)

    def read(body):
        batch = pieces.read(body)
        return decode_json(body, signature) if batch is None else batch

    return read


def csv_in_python(signature):
    """What reads a CSV body where there is no kernel."""

    class Uncompiled(CsvReader):
        def __init__(self, signature):
            super().__init__(signature)
            self._read_compiled = lambda _: None

    return Uncompiled(signature).read


@given(json_bodies())
def test_json_is_read_by_the_kernel_as_in_pieces(case):
    signature, body, is_usual = case
    batch = read_json(body, signature)
    assert batch is not None or not is_usual
    if batch is not None:
        pieces = JsonPieces(signature).read(body)
        assert pieces is not None
        assert exact(batch) == exact(pieces)


@given(csv_bodies())
def test_csv_is_read_by_the_kernel_as_in_pieces(case):
    signature, body, is_usual = case
    batch = CompiledCsv(signature).read(body)
    pieces = read_pieces(body, signature)
    if batch is not None:
        assert pieces is not None
        assert exact(batch) == exact(pieces)
    else:
        assert not is_usual or pieces is None


_ROWS = [
    [1.5, 3, True, "Ghent", "2026-01-31"],
    [None, None, None, None, None],
    [-0.25, 1e3, False, "é", "2026-01-31T12:00:00Z"],
]
_RECORDS = [dict(zip(NAMES, row, strict=True)) for row in _ROWS]
_OUT = io.StringIO(newline="")
csv.writer(_OUT, lineterminator="\n").writerows([[*NAMES, "id"], *([*r, "a b"] for r in _ROWS)])
BODIES = {
    "records": json.dumps(
        {"instances": [{"id": [1, {"a": "\n"}], **one} for one in _RECORDS]}, ensure_ascii=False
    ).encode(),
    "lists": json.dumps({"X": _ROWS}, separators=(",", ":")).encode(),
    "columns": json.dumps(
        {"inputs": {"id": [True], **{name: [one[name] for one in _RECORDS] for name in NAMES}}}
    ).encode(),
    "one record": json.dumps({"dataframe_records": _RECORDS[:1]}).encode(),
    "one column": json.dumps(
        {"inputs": {name: [cell] for name, cell in _RECORDS[2].items()}}
    ).encode(),
    "csv": _OUT.getvalue().encode(),
}
_PUT = [
    *(bytes([byte]) for byte in b'"\\,:{}[]0-.e tn\n\r\x00\xff\xc3'),
    b"\xed\xa0\x80",
    b"\\u00e9",
]


def damaged(body):
    for at in range(len(body)):
        yield body[:at]
        yield body[:at] + body[at + 1 :]
        yield body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :]
        for put in _PUT:
            yield body[:at] + put + body[at:]
            yield body[:at] + put + body[at + 1 :]


@pytest.mark.parametrize("form", BODIES)
def test_a_damaged_body_has_the_same_outcome_with_and_without_the_kernel(form):
    if form == "csv":
        read, other = CompiledCsv(EACH).read, csv_in_python(EACH)
    else:
        read, other = CompiledJson(EACH).read, in_python(EACH)
    assert read(BODIES[form]) is not None
    accepted = 0
    for body in damaged(BODIES[form]):
        batch = read(body)
        if batch is not None:
            accepted += 1
            assert exact(batch) == outcome(other, body), body
    assert accepted > 100


@pytest.mark.parametrize("form", BODIES)
def test_a_body_that_is_damaged_at_its_end_is_refused_as_without_the_kernel(form):
    body = BODIES[form][:-3].ljust(2_000, b" ") + b"\xff"
    if form == "csv":
        assert outcome(CsvReader(EACH).read, body) == outcome(csv_in_python(EACH), body)
    else:
        assert outcome(JsonReader(EACH).read, body) == outcome(in_python(EACH), body)
