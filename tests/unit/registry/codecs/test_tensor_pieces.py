"""Numbers that are decoded in pieces are those that are decoded at once."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.batch import Batch
from registry.codecs.large_bodies import SMALL_BODY
from registry.codecs.tensor_codec import TensorCodec
from registry.codecs.tensor_pieces import NotInPieces, cut_numbers
from registry.errors import BodyMalformed, InputRefused
from registry.signature import Column, Output, Signature

CODEC = TensorCodec(
    "house", 1, Signature((Column("x", "number"), Column("n", "integer")), Output("y", "number"))
)
COUNT = 20_000
FLAT: dict[str, Any] = {
    "name": "X",
    "shape": [COUNT, 2],
    "datatype": "FP64",
    "data": [at / 8 if at % 2 == 0 else at for at in range(2 * COUNT)],
}
NUMBERS = np.array(FLAT["data"]).reshape(-1, 2)
NESTED = {**FLAT, "data": NUMBERS.tolist()}
COLUMNS = [
    {"name": name, "shape": [COUNT], "datatype": "FP64", "data": NUMBERS[:, at].tolist()}
    for at, name in enumerate("xn")
]


def read(*inputs: Any, **style: Any) -> Batch:
    body = json.dumps({"inputs": inputs, "id": "é"}, **style).encode()
    assert len(body) > SMALL_BODY
    return CODEC.read(CODEC.parse(body, None))


def in_pieces(body: Any, size: int = 1) -> Any:
    """What a body decodes to when its numbers are decoded about ``size`` bytes at a time."""
    rest, arrays = cut_numbers(body if isinstance(body, bytes) else json.dumps(body).encode(), size)
    found = json.loads(rest, object_hook=lambda one: {k: shown(v, arrays) for k, v in one.items()})
    return found, len(arrays)


def shown(value: Any, arrays: dict[str, Any]) -> Any:
    return arrays[value].tolist() if isinstance(value, str) and value in arrays else value


@pytest.mark.parametrize("inputs", [[FLAT], [NESTED], COLUMNS, COLUMNS[::-1]])
@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 1}])
def test_large_tensors_of_numbers_are_the_rows_they_say(inputs: Any, style: Any) -> None:
    batch = read(*inputs, **style)
    assert np.array_equal(np.column_stack([batch.columns["x"], batch.columns["n"]]), NUMBERS)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([{**FLAT, "data": [*FLAT["data"][:-1], None]}], "[19999][1]"),
        ([{**FLAT, "data": [*FLAT["data"][:-1], 0.5]}], "[19999][1]"),
        ([{**FLAT, "data": FLAT["data"][:-1]}], "39999 values"),
        ([{**NESTED, "shape": [2 * COUNT, 1]}], "inputs['X']"),
        ([{**NESTED, "data": [*NESTED["data"][:-1], [1.0]]}], "do not fit"),
        ([{**FLAT, "datatype": "BYTES"}], "BYTES"),
        ([{**FLAT, "data": [*FLAT["data"][:-1], True]}], "[19999][1]"),
        ([{**FLAT, "data": [*FLAT["data"][:-1], "1"]}], "[19999][1]"),
        ([{**FLAT, "parameters": {"binary_data_size": 8}}], "either"),
    ],
)
def test_a_refusal_is_that_of_a_small_request(inputs: Any, said: str) -> None:
    with pytest.raises(InputRefused) as caught:
        read(*inputs)
    assert said in f"{caught.value.detail} {caught.value.faults}"


@pytest.mark.parametrize("end", [b",]", b",,1]", b"", b"]]", b" 1]", b",NaN]"])
def test_a_large_body_that_is_not_json_is_refused(end: bytes) -> None:
    numbers = b"1.5," * COUNT
    body = b'{"inputs":[{"name":"X","shape":[%d,2],"datatype":"FP64","data":[' % (COUNT // 2)
    with pytest.raises(BodyMalformed):
        CODEC.parse(body + numbers[:-1] + end + b"}]}", None)


def test_other_arrays_stay_in_the_json() -> None:
    texts = {"name": "s", "data": ["]", '"data":[1]', "[["], "parameters": {"data": [1.0, None]}}
    body = {"inputs": [texts, {"data": [[[1]]]}, {"data": []}, {"data": [True]}, {"data": 7}]}
    found, count = in_pieces(body)
    assert count == 1
    assert str(found).replace("nan", "None") == str(body)


@pytest.mark.parametrize(
    "array", [b"[1,]", b"[1,,2]", b"[1 2]", b"[01]", b"[1,[2]]", b"[[1],[2,3]]", b"[[1],]", b"[1"]
)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_invalid_arrays_are_left_alone(array: bytes, size: int) -> None:
    with pytest.raises(NotInPieces):
        cut_numbers(b'{"data":%b}' % array, size)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@given(
    st.lists(st.lists(numbers, min_size=1, max_size=40), max_size=4),
    st.integers(1, 4),
    st.integers(0, 60),
    st.sampled_from([None, (",", ":"), (" ,\n", "\t: ")]),
)
def test_numbers_are_the_same_in_pieces_of_any_size(
    lists: list[list[float]], width: int, size: int, separators: tuple[str, str] | None
) -> None:
    inputs = [{"data": one} for one in lists]
    inputs += [{"data": [one[:1] * width] * len(one)} for one in lists]
    body = {"inputs": inputs, "outputs": []}
    assert in_pieces(json.dumps(body, separators=separators).encode(), size) == (body, len(inputs))
