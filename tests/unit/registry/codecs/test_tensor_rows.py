"""Tensors become the rows that the same cells in JSON make."""

import json
import struct
from base64 import b64encode
from contextlib import suppress
from itertools import chain
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.batch import Batch
from registry.codecs.json_body import decode_json
from registry.codecs.tensor_codec import TensorCodec
from registry.codecs.tensor_rows import TensorReader
from registry.codecs.tensor_texts import with_length
from registry.codecs.tensor_types import NUMBERS, Tensor
from registry.errors import Fault, InputRefused, RegistryError
from registry.signature import Column, Output, Signature
from tests.factories import MIXED
from tests.factories import NUMBERS as TWO_NUMBERS

FLAGGED = Signature(
    (Column("x", "number"), Column("n", "integer"), Column("b", "boolean")), Output("y", "number")
)
"""All columns that a matrix can have."""
DATED = Signature((Column("day", "date"),), Output("y", "number"))
ONE = Signature((Column("x", "number"),), Output("y", "number"))

ROWS = [
    {"age": 31.5, "visits": 2, "member": True, "city": "é"},
    {"age": None, "visits": -7, "member": False, "city": None},
    {"age": 4.0, "visits": 2**53, "member": True, "city": ""},
]
DATATYPES = {"age": "FP64", "visits": "INT64", "member": "BOOL", "city": "BYTES"}


def cells(batch: Batch) -> dict[str, list[Any]]:
    """Every cell, None for null."""
    columns = {name: array.tolist() for name, array in batch.columns.items()}
    return {
        name: [None if isinstance(cell, float) and isnan(cell) else cell for cell in column]
        for name, column in columns.items()
    }


def tensors_of(rows: list[dict[str, Any]]) -> list[Tensor]:
    return [
        Tensor(name, datatype, [len(rows), 1], [row[name] for row in rows])
        for name, datatype in DATATYPES.items()
    ]


def packed(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(with_length(value.encode()) for value in values)
    kind = np.dtype("?") if datatype == "BOOL" else NUMBERS[datatype]
    return np.array(values, kind).tobytes()


def binary(name: str, datatype: str, values: list[Any], shape: list[int] | None = None) -> Tensor:
    return Tensor(name, datatype, shape or [len(values), 1], raw=packed(datatype, values))


def refusal(signature: Signature, *tensors: Tensor) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        TensorReader(signature).read(tensors)
    return caught.value


@pytest.mark.parametrize("count", [1, 3])
def test_tensors_of_columns_are_the_rows_that_json_has(count: int) -> None:
    rows = ROWS[:count]
    batch = TensorReader(MIXED).read(tensors_of(rows))
    expected = decode_json(json.dumps({"instances": rows}).encode(), MIXED)
    assert cells(batch) == cells(expected)
    assert (batch.rows, batch.single) == (count, False)


@pytest.mark.parametrize("count", [1, 2])
def test_binary_tensors_are_the_rows_that_json_has(count: int) -> None:
    rows = [row | {"age": row["age"] or 3.0, "city": row["city"] or "ü"} for row in ROWS[:count]]
    made = [binary(name, kind, [row[name] for row in rows]) for name, kind in DATATYPES.items()]
    batch = TensorReader(MIXED).read(made[::-1])  # the order means nothing
    assert cells(batch) == cells(decode_json(json.dumps({"instances": rows}).encode(), MIXED))


@pytest.mark.parametrize("datatype", NUMBERS)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("column", ["number", "integer"])
def test_all_types_of_numbers_are_taken(datatype: str, count: int, column: str) -> None:
    signature = Signature((Column("x", column), Column("z", "number")), Output("y", "number"))  # type: ignore[arg-type]
    values = [5, 0, 100][:count]
    batch = TensorReader(signature).read(
        [binary("x", datatype, values), binary("z", "FP32", [0.1] * count, [count])]
    )
    assert cells(batch) == {"x": values, "z": [0.10000000149011612] * count}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("datatype", ["FP32", "INT8"])
def test_a_matrix_has_the_columns_by_position(datatype: str, count: int) -> None:
    values = [5, 3, 1, 2, -4, 0][: 3 * count]
    batch = TensorReader(FLAGGED).read([binary("input-0", datatype, values, [count, 3])])
    expected = {"x": [5, 2][:count], "n": [3, -4][:count], "b": [1, 0][:count]}
    assert cells(batch) == expected
    for data in (values, [values[at : at + 3] for at in range(0, len(values), 3)]):
        nested = Tensor("X", datatype, [count, 3], data)
        assert cells(TensorReader(FLAGGED).read([nested])) == expected


def test_a_matrix_may_have_the_name_of_a_column() -> None:
    batch = TensorReader(TWO_NUMBERS).read([Tensor("width", "FP64", [2, 2], [1, 2, 3, 4])])
    assert cells(batch) == {"length": [1, 3], "width": [2, 4]}


def test_the_matrix_of_one_column_has_any_other_name() -> None:
    for name in ("x", "predict"):
        assert cells(TensorReader(ONE).read([Tensor(name, "FP64", [2, 1], [1, 2])])) == {
            "x": [1, 2]
        }


def test_nan_in_binary_form_is_null() -> None:
    for count in (1, 2):
        made = tensors_of(ROWS[:count])
        made[0] = binary("age", "FP32", [nan] * count)
        assert cells(TensorReader(MIXED).read(made))["age"] == [None] * count


@pytest.mark.parametrize("count", [1, 2])
def test_nan_in_a_binary_matrix_is_null(count: int) -> None:
    tensor = binary("X", "FP64", [nan, nan] * count, [count, 2])
    error = refusal(TWO_NUMBERS, tensor)
    assert error.faults[0] == Fault("inputs['X'][0][0]", "null is not allowed here")
    columns = (Column("b", "boolean", nullable=True), Column("x", "number", nullable=True))
    batch = TensorReader(Signature(columns, Output("y", "number"))).read([tensor])
    assert cells(batch) == {"b": [None] * count, "x": [None] * count}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("type_", ["number", "integer"])
def test_a_nan_that_signals_is_null(type_: Any, count: int) -> None:
    signature = Signature((Column("x", type_, nullable=True),), ONE.output)
    signalling = bytes.fromhex("01 00 00 00 00 00 f0 7f")
    batch = TensorReader(signature).read([Tensor("x", "FP64", [count], raw=signalling * count)])
    assert cells(batch) == {"x": [None] * count}


def test_columns_that_the_model_does_not_have_are_ignored() -> None:
    extra = Tensor("other", "BYTES", [7], ["a"] * 7)
    assert TensorReader(ONE).read([Tensor("x", "FP64", [1], [2]), extra]).rows == 1
    wrong = Tensor("other", "FP64", [7], raw=b"8 bytes.")
    assert refusal(ONE, Tensor("x", "FP64", [1], [2]), wrong).detail == (
        "inputs['other']: 8 bytes were sent, but shape [7] of FP64 takes 56."
    )


def test_dates_are_texts() -> None:
    text = "2026-01-31"
    expected = decode_json(json.dumps({"day": text}).encode(), DATED).columns["day"]
    for tensor in (Tensor("day", "BYTES", [1], [text]), binary("day", "BYTES", [text] * 2)):
        found = TensorReader(DATED).read([tensor]).columns["day"]
        assert set(found) == set(expected)
    assert (
        "inputs['day'][0]: expected a date"
        in refusal(DATED, binary("day", "BYTES", ["soon"])).detail
    )


def test_texts_are_decoded_where_the_tensor_says_so() -> None:
    signature = Signature((Column("s", "string"), Column("x", "number")), Output("y", "number"))
    number = Tensor("x", "FP64", [1], [1.0])
    coded = b64encode("é".encode()).decode()

    def read(kind: Any, text: str) -> Any:
        tensor = Tensor("s", "BYTES", [1], [text], content_type=kind)
        return cells(TensorReader(signature).read([tensor, number]))["s"]

    assert read("base64", coded) == ["é"]
    assert read("str", "abcd") == read(None, "abcd") == read(["x"], "abcd") == ["abcd"]
    assert read("pd_json", '"a"') == ["a"]
    column = Tensor("x", "BYTES", [1], ["1.5"], content_type="pd_json")
    text = Tensor("s", "BYTES", [1], ["a"])
    assert cells(TensorReader(signature).read([text, column]))["x"] == [1.5]
    bad = Tensor("s", "BYTES", [1], ["é"], content_type="base64")
    assert refusal(signature, bad, number).detail == "inputs['s'][0]: 'é' is not base64 of a text."


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([Tensor("age", "FP64", [1], [1])], "Columns of the model are missing: 'visits', 'member'"),
        ([Tensor("X", "FP64", [1, 4], [1] * 4)], "inputs['X']: send a tensor for each column"),
        ([Tensor("X", "FP64", [2, 3], [1] * 6)], "inputs['X'].shape: expected a tensor for each"),
        ([Tensor("X", "FP64", [4], [1] * 4)], "or the shape [n, 4] for all of them, not [4]"),
    ],
)
def test_tensors_that_are_not_the_columns_are_refused(tensors: list[Tensor], said: str) -> None:
    assert said in refusal(MIXED, *tensors).detail


@pytest.mark.parametrize(
    ("changed", "at", "message"),
    [
        (Tensor("age", "FP64", [2], [1, 2]), "inputs['visits'].shape", "1 rows, but 'age' has 2"),
        (Tensor("age", "FP64", [1, 2], [1, 2]), "inputs['age'].shape", "expected the shape [n] or"),
        (Tensor("age", "FP64", [], [1]), "inputs['age'].shape", "expected the shape [n] or [n, 1]"),
        (Tensor("age", "FP64", [1], [1, 2]), "inputs['age'].data", "2 values, but shape [1] has 1"),
        (Tensor("age", "FP64", [1], "a"), "inputs['age'].data", "expected a list"),
        (Tensor("age", "FP64", [1], [[1]]), "inputs['age'][0]", "expected a number, not a list"),
        (Tensor("age", "BF16", [1], [1]), "inputs['age'].datatype", "expected FP64 or another"),
        (Tensor("age", "BOOL", [1], [True]), "inputs['age'].datatype", "expected FP64 or another"),
        (Tensor("city", "FP64", [1], [1]), "inputs['city'].datatype", "expected BYTES for 'city'"),
        (Tensor("member", "INT8", [1], [1]), "inputs['member'].datatype", "expected BOOL"),
        (Tensor("age", "FP64", [1], ["1"]), "inputs['age'][0]", "expected a number, not the text"),
        (Tensor("age", "FP64", [1], [True]), "inputs['age'][0]", "expected a number, not true"),
        (Tensor("age", "FP64", [1], [{}]), "inputs['age'][0]", "expected a number, not an object"),
        (Tensor("age", "FP64", [1], [10**400]), "inputs['age'][0]", "the number is out of range"),
        (Tensor("visits", "FP64", [1], [1.5]), "inputs['visits'][0]", "expected a whole number"),
        (Tensor("visits", "INT64", [1], [None]), "inputs['visits'][0]", "null is not allowed"),
        (Tensor("member", "BOOL", [1], [1]), "inputs['member'][0]", "expected true or false"),
        (Tensor("city", "BYTES", [1], [1]), "inputs['city'][0]", "expected a text, not 1"),
        (binary("visits", "FP64", [nan]), "inputs['visits'][0]", "null is not allowed here"),
        (binary("visits", "FP64", [1.5]), "inputs['visits'][0]", "expected integer, not 1.5"),
        (binary("age", "FP64", [inf]), "inputs['age'][0]", "expected number, not inf"),
        (Tensor("age", "FP32", [1], raw=b"8 bytes."), "inputs['age']", "8 bytes were sent, but"),
        (Tensor("member", "BOOL", [1], raw=b"\2"), "inputs['member'][0]", "expected 0 or 1 as a"),
        (Tensor("city", "BYTES", [1], raw=b"\0\0\0"), "inputs['city']", "3 bytes hold at most 0"),
        (
            Tensor("city", "BYTES", [1], raw=with_length(b"\xff")),
            "inputs['city'][0]",
            "expected a text in UTF-8",
        ),
    ],
)
def test_a_refusal_names_the_place_of_a_fault(changed: Tensor, at: str, message: str) -> None:
    made = [changed if changed.name == one.name else one for one in tensors_of(ROWS[:1])]
    error = refusal(MIXED, *made)
    assert message in error.detail
    assert at in error.detail
    assert error.faults


def test_a_refusal_names_the_cell_of_a_matrix() -> None:
    values = [1.0, 2.0, 1.0, 1.0, 2.5, 2.0]
    error = refusal(FLAGGED, binary("X", "FP64", values, [2, 3]))
    assert [fault.at for fault in error.faults] == ["inputs['X'][1][1]", "inputs['X'][1][2]"]
    assert refusal(FLAGGED, Tensor("X", "FP64", [1, 3], [[1, 2, 2]])).faults[0].at == (
        "inputs['X'][0][2]"
    )


def test_booleans_are_no_numbers_of_a_matrix() -> None:
    assert (
        "expected FP64 or another type of numbers for 'x', not 'BOOL'"
        in refusal(FLAGGED, Tensor("X", "BOOL", [1, 3], [True] * 3)).detail
    )


@pytest.mark.parametrize("shape", [[0], [0, 1]])
def test_no_rows_are_refused(shape: list[int]) -> None:
    for tensor in (Tensor("x", "FP64", shape, []), Tensor("x", "FP64", shape, raw=b"")):
        assert "at least one row" in refusal(ONE, tensor).detail


def test_an_input_may_not_appear_twice() -> None:
    twice = [Tensor("x", "FP64", [1], [1]), Tensor("x", "FP64", [1], [2])]
    assert refusal(ONE, *twice).detail == "inputs['x']: the input appears twice."


def test_an_input_that_appears_twice_among_very_many_is_found_in_one_pass() -> None:
    many = [Tensor(f"c{at}", "FP64", [1], [1]) for at in range(50_000)]  # all pairs: 15 s
    detail = refusal(ONE, *many, Tensor("c49999", "FP64", [1], [1])).detail
    assert detail == "inputs['c49999']: the input appears twice."


def test_sizes_are_checked_before_memory_is_allocated() -> None:
    huge = [2**53, 1]
    for tensor in (
        Tensor("x", "FP64", huge, []),
        Tensor("x", "FP64", huge, raw=b""),
        Tensor("x", "BOOL", huge, raw=b"\1"),
    ):
        refusal(ONE, tensor)
    refusal(MIXED, *tensors_of(ROWS[:1])[:3], Tensor("city", "BYTES", [2**53], raw=b"\0" * 4))


def valid_body() -> tuple[bytes, int]:
    """A request with every data type, in JSON and in binary form."""
    values = {"age": [1.5, 2.5], "visits": [1, 2], "member": [True, False], "city": ["é", "NEAR"]}
    inputs, blobs = [], []
    for name, datatype in DATATYPES.items():
        described: dict[str, Any] = {"name": name, "shape": [2, 1], "datatype": datatype}
        if name == "visits":
            described["data"] = values[name]
        else:
            blobs.append(packed(datatype, values[name]))
            described["parameters"] = {"binary_data_size": len(blobs[-1])}
        inputs.append(described)
    head = json.dumps({"id": "1", "inputs": inputs}).encode()
    return head + b"".join(blobs), len(head)


BODY, HEAD = valid_body()


@given(
    st.lists(
        st.tuples(st.integers(0, len(BODY) - 1), st.binary(max_size=3), st.integers(0, 4)),
        max_size=4,
    ),
    st.sampled_from([HEAD, HEAD, HEAD, HEAD - 1, HEAD + 1, 0, len(BODY), 10**9, None]),
)
def test_changed_bodies_are_read_or_refused(
    changes: list[tuple[int, bytes, int]], size: int | None
) -> None:
    body = BODY
    for at, inserted, removed in changes:
        body = body[:at] + inserted + body[at + removed :]
    codec = TensorCodec("house", 1, MIXED)
    assert codec.cost(body, size) >= len(body)
    with suppress(RegistryError):
        batch = codec.read(codec.parse(body, size))
        assert {len(column) for column in batch.columns.values()} == {batch.rows}


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**53), 2**53),
            st.booleans(),
            st.text(st.characters(exclude_categories=["Cs"])),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_json_and_binary_tensors_are_the_same_rows(rows: list[tuple[Any, ...]]) -> None:
    reader = TensorReader(MIXED)
    columns = [list(column) for column in zip(*rows, strict=True)]
    pairs = list(zip(DATATYPES.items(), columns, strict=True))
    sent = [Tensor(name, kind, [len(rows)], values) for (name, kind), values in pairs]
    raw = [binary(name, kind, values) for (name, kind), values in pairs]
    assert cells(reader.read(sent)) == cells(reader.read(raw))


def test_the_memory_of_a_body_is_that_of_its_rows() -> None:
    codec = TensorCodec("house", 1, TWO_NUMBERS)
    values = struct.pack("<20000d", *chain.from_iterable([[1.0, 2.0]] * 10_000))
    described = {"name": "X", "shape": [10_000, 2], "datatype": "FP64"}
    head = json.dumps({"inputs": [described | {"parameters": {"binary_data_size": 160_000}}]})
    binary_cost = codec.cost(head.encode() + values, len(head))
    as_json = json.dumps({"inputs": [described | {"data": [1.5] * 20_000}]}).encode()
    json_cost = codec.cost(as_json, None)
    assert binary_cost < json_cost < 60 * len(as_json) + 8 * 2**20
