"""Replies as JSON and Arrow."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.arrow_reply import encode_arrow
from registry.codecs.json_reply import JsonWriter
from registry.codecs.predictions import Predictions
from registry.signature import Output, Signature
from tests.factories import MIXED, NUMBERS

LIKELY = np.array([[0.25, 0.75], [1.0, 0.0]])


def test_a_batch_is_answered_with_a_list():
    assert json.loads(JsonWriter("m", 3, NUMBERS).write(Predictions([1.5, 2.0]), single=False)) == {
        "model": "m",
        "version": 3,
        "predictions": [1.5, 2.0],
    }


def test_a_single_row_is_answered_with_one_value():
    reply = json.loads(
        JsonWriter("m", 3, MIXED).write(Predictions([True], LIKELY[:1]), single=True)
    )

    assert reply == {
        "model": "m",
        "version": 3,
        "prediction": True,
        "probabilities": {"false": 0.25, "true": 0.75},
    }


def test_probabilities_are_by_class_for_each_row():
    reply = json.loads(
        JsonWriter("m", 3, MIXED).write(Predictions([True, False], LIKELY), single=False)
    )

    assert reply["probabilities"] == [{"false": 0.25, "true": 0.75}, {"false": 1.0, "true": 0.0}]


def test_scores_stand_beside_the_labels():
    scored = Predictions([1, -1], scores=np.array([0.125, -1 / 3]))
    writer = JsonWriter("m", 3, NUMBERS)

    assert json.loads(writer.write(scored, single=False))["scores"] == [0.125, -1 / 3]
    first = Predictions([1], scores=scored.scores[:1])
    assert json.loads(writer.write(first, single=True))["score"] == 0.125
    with pa.ipc.open_stream(encode_arrow(scored, NUMBERS)) as reader:
        assert reader.read_all()["score"].to_pylist() == [0.125, -1 / 3]


def test_an_arrow_reply_keeps_an_output_that_is_called_score():
    named = Signature(NUMBERS.inputs, Output("score", "integer", (-1, 1)))
    with pa.ipc.open_stream(encode_arrow(Predictions([1], scores=LIKELY[0, :1]), named)) as reader:
        table = reader.read_all()
    assert [
        (name, cells.to_pylist())
        for name, cells in zip(table.column_names, table.columns, strict=True)
    ] == [("score", [1]), ("score", [0.25])]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_predictions_are_encoded_exactly(values):
    body = JsonWriter("m", 1, NUMBERS).write(Predictions(values), single=False)

    assert json.loads(body)["predictions"] == values


@pytest.mark.parametrize("rows", [1, 3, 2048, 2049])
def test_numbers_in_arrow_replies_are_those_that_arrow_writes(rows):
    values = [*np.linspace(-1 / 3, 1e300, rows - 1), np.nan]
    columns = np.linspace(0.0, 1.0, 2 * rows).reshape(rows, 2)
    beside = {"probability_false": columns[:, 0], "probability_true": columns[:, 1]}

    for predictions, more in (
        (Predictions(values), {}),
        (Predictions(values, columns), beside),
        (Predictions(values, scores=columns[:, 1]), {"score": columns[:, 1]}),
    ):
        table = pa.table({MIXED.output.name: np.array(values), **more})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        assert encode_arrow(predictions, MIXED) == sink.getvalue().to_pybytes()


def test_arrow_replies_have_the_output_and_a_column_for_each_class():
    with pa.ipc.open_stream(encode_arrow(Predictions([True, False], LIKELY), MIXED)) as reader:
        table = reader.read_all()

    assert table.to_pydict() == {
        "spends": [True, False],
        "probability_false": [0.25, 1.0],
        "probability_true": [0.75, 0.0],
    }
