"""The JSON of TensorFlow Serving's clients."""

import json
from base64 import b64encode

import pytest

from registry.codecs.json_reader import JsonReader
from registry.codecs.tensorflow_body import TensorflowReader
from registry.errors import BodyMalformed, InputRefused
from registry.signature import Column, Output, Signature

SIGNATURE = Signature((Column("a", "number"), Column("t", "string")), Output("y", "number"))
TEXT = Signature((Column("t", "string"),), Output("y", "number"))
NUMBER = Signature((Column("x", "number"),), Output("y", "number"))
X = {"b64": b64encode("é".encode()).decode()}


def read(body, signature=SIGNATURE):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    key, batch = TensorflowReader(JsonReader(signature), signature).read(body)
    return key, {name: cells.tolist() for name, cells in batch.columns.items()}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, "é"], [2, "y"]]},
        {"instances": [[1, X], [2, "y"]]},
        {"signature_name": "serving_default", "instances": [[1, "é"], [2, "y"]]},
        {"instances": [{"a": 1, "t": X}, {"a": 2, "t": "y"}], "signature_name": "x"},
        {"instances": [{"a": [1], "t": [X]}, {"a": [2], "t": ["y"], "other": {"b64": 3}}]},
        {"inputs": {"a": [1, 2], "t": ["é", "y"]}},
        {"inputs": {"a": [[1], [2]], "t": [[X], ["y"]], "other": [{"b64": 3}]}},
        {"inputs": [[1, "é"], [2, "y"]]},
        {"inputs": [[1, X], [2, "y"]], "signature_name": "serving_default"},
    ],
)
def test_rows_are_read_in_each_form(body):
    key, columns = read(body)
    assert key in body
    assert columns == {"a": [1.0, 2.0], "t": ["é", "y"]}


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_cells_are_rows_of_a_model_with_one_column(key):
    assert read({key: ["y", X]}, TEXT) == (key, {"t": ["y", "é"]})
    assert read({key: [1.0, 2.0, 5.0]}, NUMBER) == (key, {"x": [1.0, 2.0, 5.0]})
    assert read({key: [[1.0], [2.0]]}, NUMBER) == (key, {"x": [1.0, 2.0]})


def test_a_column_named_b64_is_a_column():
    named = Signature((Column("b64", "string"),), Output("y", "number"))
    text = X["b64"]
    assert read({"instances": [{"b64": text}]}, named)[1] == {"b64": [text]}
    assert read({"instances": [{"b64": [text]}]}, named)[1] == {"b64": [text]}


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"instances": [[1, "x"], [1, {"b64": "?"}]]}, "instances[1][1]"),
        ({"instances": [{"a": 1, "t": {"b64": 3}}]}, "instances[0].t"),
        ({"inputs": {"a": [1], "t": [{"b64": "/w=="}]}}, "inputs.t[0]"),
        ({"inputs": {"a": [[1, 2]], "t": ["x"]}}, "inputs.a[0]"),
        ({"inputs": {"a": [X], "t": ["x"]}}, "inputs.a[0]"),
        ({"inputs": {"a": 1, "t": "x"}}, "inputs.a"),
        ({"inputs": {"a": [1]}}, "inputs.t"),
        ({"inputs": [{"a": 1, "t": "x"}]}, "inputs[0]"),
        ({"inputs": 3}, "inputs"),
        ({"instances": 3}, "instances"),
        ({"instances": {"a": [1], "t": ["x"]}}, "instances"),
        ({"instances": [[1]]}, "instances[0]"),
        ({"instances": [1, 2]}, "instances[0]"),
        ({"instances": [{"a": 1}]}, "instances[0].t"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(body, at):
    with pytest.raises(InputRefused) as caught:
        read(body)
    assert [fault.at for fault in caught.value.faults][:1] == [at]


@pytest.mark.parametrize("body", [[], {}, {"instances": [], "inputs": []}, {"instances": []}])
def test_a_body_without_rows_is_refused(body):
    with pytest.raises(InputRefused):
        read(body)


@pytest.mark.parametrize("depth", [300, 900, 5000])
def test_deep_nesting_is_refused(depth):
    with pytest.raises((InputRefused, BodyMalformed)):
        read(b'{"instances":' + b"[" * depth + b"1" + b"]" * depth + b"}")
