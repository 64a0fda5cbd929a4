"""Predictions become the tensors that the protocol's examples have."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from registry.codecs.predictions import Predictions
from registry.codecs.tensor_replies import (
    PREDICT,
    PROBABILITIES,
    SCORES,
    TensorReply,
    TensorWriter,
    predictions_alone,
)
from registry.codecs.tensor_request import RequestedOutput
from registry.errors import InputRefused, NoProbabilities, NoScores
from registry.signature import Column, Output, Signature

X = (Column("x", "number"),)
IRIS = Signature(X, Output("target", "string", ("setosa", "versicolor", "virginica")))
PLANTS = Predictions(["setosa", "virginica"], np.array([[0.75, 0.25, 0.0], [0.25, 0.25, 0.5]]))


def write(
    signature: Signature,
    predictions: Predictions,
    *requested: RequestedOutput,
    binary: bool = False,
    offered: tuple[str, ...] = (PREDICT, PROBABILITIES),
    request_id: str | None = None,
) -> TensorReply:
    writer = TensorWriter("iris", 3, signature)
    outputs = writer.outputs(requested, offered) or predictions_alone(binary=binary)
    return writer.write(request_id, outputs, predictions)


def outputs_of(reply: TensorReply) -> Any:
    return json.loads(reply.json)["outputs"]


def test_the_predictions_alone_are_returned_unless_more_is_requested() -> None:
    reply = write(IRIS, PLANTS, request_id='"7"')
    assert reply.binary == []
    assert json.loads(reply.json) == {
        "model_name": "iris",
        "model_version": "3",
        "id": '"7"',
        "outputs": [
            {
                "name": "predict",
                "datatype": "BYTES",
                "shape": [2, 1],
                "data": ["setosa", "virginica"],
                "parameters": {"content_type": "str"},
            }
        ],
    }
    assert "id" not in json.loads(write(IRIS, PLANTS).json)


def test_binary_outputs_follow_the_json_in_the_order_requested() -> None:
    reply = write(
        IRIS,
        PLANTS,
        RequestedOutput(PROBABILITIES, True),
        RequestedOutput("target", True),
        RequestedOutput(PREDICT, False),
    )
    texts = b"\6\0\0\0setosa\x09\0\0\0virginica"
    assert reply.binary == [struct.pack("<6d", 0.75, 0.25, 0.0, 0.25, 0.25, 0.5), texts]
    assert outputs_of(reply)[:2] == [
        {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": [2, 3],
            "parameters": {"binary_data_size": 48},
        },
        {
            "name": "target",
            "datatype": "BYTES",
            "shape": [2, 1],
            "parameters": {"binary_data_size": 23},
        },
    ]
    assert outputs_of(reply)[2]["data"] == ["setosa", "virginica"]


@pytest.mark.parametrize(
    ("output", "values", "datatype", "raw"),
    [
        (Output("y", "number"), [1.5, -2.0], "FP64", struct.pack("<2d", 1.5, -2)),
        (Output("y", "integer", (1, 7)), [7, 1], "INT64", struct.pack("<2q", 7, 1)),
        (Output("y", "number", (0.5, 1.5)), [0.5, 1.5], "FP64", struct.pack("<2d", 0.5, 1.5)),
        (Output("y", "boolean", (False, True)), [True, False], "BOOL", b"\1\0"),
    ],
)
def test_labels_and_numbers_have_the_type_of_the_signature(
    output: Output, values: list[Any], datatype: str, raw: bytes
) -> None:
    signature = Signature(X, output)
    (described,) = outputs_of(write(signature, Predictions(values)))
    assert (described["datatype"], described["data"]) == (datatype, values)
    assert described["parameters"] == {"content_type": "np"}
    assert write(signature, Predictions(values), binary=True).binary == [raw]


def test_several_predictions_of_a_row_are_a_matrix() -> None:
    signature = Signature(X, Output("y", "number", None, 3))
    predictions = Predictions([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (described,) = outputs_of(write(signature, predictions))
    assert described["shape"] == [2, 3]
    assert described["data"] == [1, 2, 3, 4, 5, 6]
    assert write(signature, predictions, binary=True).binary == [struct.pack("<6d", *range(1, 7))]


def test_scores_of_a_detector_are_an_output() -> None:
    signature = Signature(X, Output("y", "integer", (-1, 1)))
    predictions = Predictions([1, -1], scores=np.array([0.5, -0.25]))
    offered = (PREDICT, SCORES)
    (described,) = outputs_of(
        write(signature, predictions, RequestedOutput(SCORES, False), offered=offered)
    )
    assert described["data"] == [0.5, -0.25]


def test_probabilities_as_classes_are_texts_the_most_probable_first() -> None:
    requested = RequestedOutput(PROBABILITIES, False, 2)
    (described,) = outputs_of(write(IRIS, PLANTS, requested))
    assert (described["datatype"], described["shape"]) == ("BYTES", [2, 2])
    assert described["data"] == ["0.75:0:setosa", "0.25:1:versicolor", "0.5:2:virginica",
                                 "0.25:0:setosa"]  # fmt: skip
    (described,) = outputs_of(write(IRIS, PLANTS, RequestedOutput(PROBABILITIES, False, 99)))
    assert described["shape"] == [2, 3]


@pytest.mark.parametrize(
    ("output", "label"),
    [
        (Output("y", "number"), -1.5),
        (Output("y", "string", ("é", "b")), "é"),
        (Output("y", "integer", (1, -2)), -2),
        (Output("y", "boolean", (False, True)), True),
        (Output("y", "number", (0.5, 1.5)), 0.5),
    ],
)
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("request_id", [None, "é"])
def test_one_row_is_written_as_the_first_of_two(
    output: Output, label: Any, request_id: str | None, *, binary: bool
) -> None:
    signature = Signature(X, output)
    one = write(signature, Predictions([label]), binary=binary, request_id=request_id)
    two = write(signature, Predictions([label] * 2), binary=binary, request_id=request_id)
    expected = json.loads(two.json)
    expected["outputs"][0]["shape"] = [1, 1]
    if binary:
        size = len(two.binary[0]) // 2
        expected["outputs"][0]["parameters"]["binary_data_size"] = size
        assert one.binary == [two.binary[0][:size]]
    else:
        expected["outputs"][0]["data"] = [label]
    assert json.loads(one.json) == expected


def test_long_outputs_are_written_whole() -> None:
    values = [float(number) for number in range(5000)]
    (described,) = outputs_of(write(Signature(X, Output("y", "number")), Predictions(values)))
    assert described["data"] == values


@pytest.mark.parametrize(
    ("requested", "error", "said"),
    [
        ([RequestedOutput("x", False)], InputRefused, "outputs['x']: the outputs of the model are"),
        ([RequestedOutput(PROBABILITIES, False)], NoProbabilities, "does not provide"),
        ([RequestedOutput(SCORES, False)], NoScores, "does not provide scores"),
        ([RequestedOutput(PREDICT, False, 1)], InputRefused, "only predict_proba can be returned"),
        ([RequestedOutput(PREDICT, False)] * 2, InputRefused, "the output appears twice"),
    ],
)
def test_unknown_outputs_are_refused(
    requested: list[RequestedOutput], error: type[Exception], said: str
) -> None:
    writer = TensorWriter("iris", 3, IRIS)
    with pytest.raises(error, match=said.replace("[", r"\[")):
        writer.outputs(requested, (PREDICT,))
