"""The fast reader of one row gives the same result as the one that reads every request."""

import json
import struct
from base64 import b64encode
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.batch import Batch
from registry.codecs.tensor_request import TensorRequest, parse_request
from registry.codecs.tensor_row import RowReader
from registry.codecs.tensor_rows import TensorReader
from registry.codecs.tensor_texts import with_length
from registry.errors import RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS

DATED = Signature((Column("day", "date", nullable=True),), Output("y", "number"))
MATRIX = Signature((Column("x", "number", nullable=True), Column("n", "integer")), NUMBERS.output)
READERS = {signature: RowReader(signature) for signature in (MIXED, DATED, MATRIX)}

AGE: dict[str, Any] = {"name": "age", "shape": [1, 1], "datatype": "FP64", "data": [31.5]}
VISITS: dict[str, Any] = {"name": "visits", "shape": [1], "datatype": "INT64", "data": [4]}
MEMBER: dict[str, Any] = {"name": "member", "shape": [1, 1], "datatype": "BOOL", "data": [True]}
CITY: dict[str, Any] = {"name": "city", "shape": [1, 1], "datatype": "BYTES", "data": ["Gent"]}
ROW = [AGE, VISITS, MEMBER, CITY]
X: dict[str, Any] = {"name": "X", "shape": [1, 2], "datatype": "FP64", "data": [31.5, 4]}
DAY: dict[str, Any] = {"name": "day", "shape": [1], "datatype": "BYTES", "data": ["2024-02-29"]}

Sent = tuple[bytes, int | None]


def in_json(*inputs: dict[str, Any], **members: Any) -> Sent:
    return json.dumps({**members, "inputs": inputs}).encode(), None


def in_bytes(*inputs: tuple[dict[str, Any], bytes], **members: Any) -> Sent:
    described = [
        {key: value for key, value in tensor.items() if key != "data"}
        | {"parameters": {"binary_data_size": len(raw)}}
        for tensor, raw in inputs
    ]
    head = json.dumps({**members, "inputs": described}).encode()
    return head + b"".join(raw for _, raw in inputs), len(head)


def packed(age: float = 31.5, visits: int = 4, member: bytes = b"\1", city: str = "Gent") -> Sent:
    values = struct.pack("<d", age), struct.pack("<q", visits), member, with_length(city.encode())
    return in_bytes(*zip(ROW, values, strict=True), parameters={"binary_data_output": True})


USUAL: list[tuple[Signature, Sent]] = [
    (MIXED, in_json(*ROW)),
    (MIXED, in_json(*ROW, id="7", parameters={"binary_data_output": True})),
    (MIXED, in_json(*ROW, outputs=[{"name": "y", "parameters": {"classification": 2}}])),
    (MIXED, in_json({**AGE, "data": [None]}, VISITS, MEMBER, {**CITY, "data": ["Orléans"]})),
    (MIXED, in_json({**AGE, "data": [2**70]}, VISITS, MEMBER, CITY)),
    (MIXED, in_json({**AGE, "datatype": "FP32"}, {**VISITS, "datatype": "UINT8"}, MEMBER, CITY)),
    (MIXED, in_json(AGE, VISITS, MEMBER, {**CITY, "parameters": {"content_type": "str"}})),
    (MIXED, packed()),
    (MIXED, packed(age=nan)),
    (MIXED, packed(age=-0.0, visits=-(2**53), member=b"\0", city="")),
    (MATRIX, in_json(X)),
    (MATRIX, in_json({**X, "data": [[None, 4]]})),
    (MATRIX, in_bytes((X, struct.pack("<dd", 31.5, 4)))),
    (MATRIX, in_bytes((X, struct.pack("<dd", 31.5, 4)), id="7" * 5000)),
    (MATRIX, in_bytes(({**X, "datatype": "INT16"}, struct.pack("<hh", 31, -4)))),
    (DATED, in_json(DAY)),
    (DATED, in_json({**DAY, "data": [None]})),
    (DATED, in_bytes((DAY, with_length(b"2024-02-29T10:00:00Z")))),
]
LEFT: list[tuple[Signature, Sent]] = [
    (MIXED, in_json(*ROW[::-1])),
    (MIXED, in_json(*ROW, {**AGE, "name": "other"})),
    (MIXED, in_json({**AGE, "data": [[31.5]]}, VISITS, MEMBER, CITY)),
    (MIXED, in_json(AGE, {**VISITS, "data": [2**53 + 1]}, MEMBER, CITY)),
    (MIXED, in_json({**AGE, "datatype": "BYTES"}, VISITS, MEMBER, CITY)),
    (MIXED, in_json({**AGE, "shape": [1, 1, 1]}, VISITS, MEMBER, CITY)),
    (MIXED, in_json({**AGE, "shape": [2], "data": [1, 2]}, VISITS, MEMBER, CITY)),
    (MIXED, in_json(AGE, VISITS, {**MEMBER, "data": [1]}, CITY)),
    (MIXED, in_json(AGE, VISITS, MEMBER, {**CITY, "parameters": {"shared_memory_region": "r"}})),
    (
        MIXED,
        in_json(
            *ROW[:3],
            {
                **CITY,
                "data": [b64encode(b"Gent").decode()],
                "parameters": {"content_type": "base64"},
            },
        ),
    ),
    (MIXED, (in_json(*ROW)[0].replace(b"Gent", b"\xff"), None)),
    (MIXED, in_json(*ROW[:3])),
    (MIXED, packed(age=inf)),
    (MIXED, packed(visits=2**60)),
    (MIXED, packed(member=b"\2")),
    (MIXED, packed(member=b"")),
    (MIXED, (packed()[0][:-1], packed()[1])),
    (MIXED, (packed()[0] + b"\0", packed()[1])),
    (MATRIX, in_json({**X, "data": [31.5, None]})),
    (MATRIX, in_json({**X, "datatype": "BOOL"})),
    (MATRIX, in_bytes((X, struct.pack("<dd", 31.5, 4.5)))),
    (MATRIX, in_bytes((X, struct.pack("<d", 31.5)))),
    (DATED, in_json({**DAY, "data": ["yesterday"]})),
]


def plain(request: TensorRequest, batch: Batch) -> Any:
    """Everything of a request, in a form that compares."""
    rows = {
        name: [None if isinstance(cell, float) and isnan(cell) else cell for cell in array.tolist()]
        for name, array in batch.columns.items()
    }
    return rows, batch.rows, batch.single, request.id, request.outputs, request.binary


def outcome(signature: Signature, body: bytes, size: int | None) -> Any:
    """What the reader of all requests makes of it; None: it is refused."""
    try:
        request = parse_request(body, size)
        return plain(request, TensorReader(signature).read(request.inputs))
    except RegistryError:
        return None


@pytest.mark.parametrize(("signature", "sent"), USUAL)
def test_usual_requests_are_read_as_any_other(signature: Signature, sent: Sent) -> None:
    request = READERS[signature].read(*sent)
    assert request is not None
    assert request.batch is not None
    assert plain(request, request.batch) == outcome(signature, *sent)


@pytest.mark.parametrize(("signature", "sent"), LEFT)
def test_other_requests_are_left_to_the_reader_of_all(signature: Signature, sent: Sent) -> None:
    assert READERS[signature].read(*sent) is None


@given(
    st.sampled_from(USUAL),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from(
                [b"", b"0", b"-", b"[", b"]", b"null", b"e9", b'"', b"\xff", b",", b"2"]
            ),
            st.integers(0, 2),
        ),
        max_size=3,
    ),
    st.sampled_from([0, 0, 0, 1, -1]),
)
def test_what_is_read_of_changed_requests_is_what_the_other_reads(
    usual: tuple[Signature, Sent], changes: list[tuple[float, bytes, int]], shift: int
) -> None:
    signature, (body, size) = usual
    for place, inserted, removed in changes:
        at = int(place * len(body))
        body = body[:at] + inserted + body[at + removed :]
    size = None if size is None else size + shift
    request = READERS[signature].read(body, size)
    if request is not None and request.batch is not None:
        assert plain(request, request.batch) == outcome(signature, body, size)
