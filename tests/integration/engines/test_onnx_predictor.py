"""Predictions from an ONNX file: small files of our own, written node by node."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.codecs.batch import Batch
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.onnx_program import CHUNK_ROWS, LARGEST_KEY, ROWS, TEXTS_KEY
from registry.errors import ArtifactRefused, PredictionRefused, PredictionTimedOut
from registry.signature import Column, Output, Signature

PRICE = Output("price", "number")
TWO = Signature((Column("a", "number", nullable=True), Column("b", "number")), PRICE)
TEXT = Signature((Column("a", "number"), Column("city", "string", nullable=True)), PRICE)
SPECIES = Signature(TWO.inputs, Output("species", "string", ("cat", "dog", "owl")))


def onnx_file(nodes, outputs, *, width=2, texts=None, constants=(), notes=None):
    """The bytes of a file with these nodes; ``outputs``: the names of outputs and their types."""
    given = helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, [None, width])
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    graph = helper.make_graph(nodes, "tests", [given], made, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    listed = json.dumps(texts or [None] * width).encode().hex()
    helper.set_model_props(model, {TEXTS_KEY: listed, **(notes or {})})
    return model.SerializeToString()


def total(**given):
    """A file that answers the sum of a row's columns."""
    axes = numpy_helper.from_array(np.array([1]), "axes")
    node = helper.make_node("ReduceSum", [ROWS, "axes"], ["value"])
    return onnx_file([node], {"value": TensorProto.DOUBLE}, constants=[axes], **given)


def shares():
    """A file that takes columns for scores, with 0 as the score of the first of three classes."""
    zero = numpy_helper.from_array(np.array([[1.0, 0.0]]), "zero")
    weights = numpy_helper.from_array(np.array([[0.0, 1, 0], [0, 0, 1]]), "weights")
    nodes = [
        helper.make_node("MatMul", [ROWS, "weights"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    heads = {"label": TensorProto.INT64, "probabilities": TensorProto.DOUBLE}
    return onnx_file(nodes, heads, constants=[zero, weights])


def numbers(*rows):
    a, b = np.array(rows, dtype=np.float64).T
    return Batch({"b": b, "a": a}, len(rows))


def texts(*rows):
    city = np.empty(len(rows), dtype=object)
    city[:] = [row[1] for row in rows]
    return Batch({"a": np.array([row[0] for row in rows]), "city": city}, len(rows))


def test_columns_are_matched_by_name_for_one_row_and_for_many():
    predictor = OnnxPredictor(total(), TWO)

    assert predictor.predict(numbers((1, 2.5))).values == [3.5]
    assert predictor.predict(numbers((1, 2.5), (0.1, 0.2))).values == [3.5, 0.1 + 0.2]
    assert not predictor.has_probabilities


def test_a_model_of_one_column_predicts():
    predictor = OnnxPredictor(total(width=1), Signature(TWO.inputs[:1], PRICE))

    assert predictor.predict(Batch({"a": np.array([2.0])}, 1)).values == [2.0]
    assert predictor.predict(Batch({"a": np.array([2.0, 3.0])}, 2)).values == [2.0, 3.0]


def test_known_texts_become_codes_and_unknown_ones_minus_one():
    predictor = OnnxPredictor(total(texts=[None, ["Ghent", "Leeds"]]), TEXT)
    rows = [(10.0, "Ghent"), (10.0, "Leeds"), (10.0, "\ud800"), (10.0, "")]

    assert predictor.predict(texts(*rows)).values == [10.0, 11.0, 9.0, 9.0]
    assert [predictor.predict(texts(row)).values[0] for row in rows] == [10.0, 11.0, 9.0, 9.0]


@pytest.mark.parametrize("null", [np.nan, float("nan"), np.float64("nan")])
def test_a_null_differs_from_an_unknown_text(null):
    predictor = OnnxPredictor(total(texts=[None, ["Ghent"]]), TEXT)

    for batch in (texts((1.0, null)), texts((1.0, "Ghent"), (1.0, null))):
        with pytest.raises(PredictionRefused, match=f"row {batch.rows - 1} is not a finite"):
            predictor.predict(batch)


def test_labels_are_those_of_the_signature():
    predictor = OnnxPredictor(shares(), SPECIES)
    batch = numbers((-1, -2), (3, 1), (0, 0.5))

    answers = predictor.predict(batch, probabilities=True)

    assert answers.values == ["cat", "dog", "owl"]
    assert answers.probabilities.shape == (3, 3)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1)
    assert predictor.predict(batch).probabilities is None


def test_probabilities_of_one_row_are_not_overwritten_later():
    predictor = OnnxPredictor(shares(), SPECIES)

    first = predictor.predict(numbers((5, 0)), probabilities=True).probabilities
    kept = first.copy()
    second = predictor.predict(numbers((0, 5)), probabilities=True).probabilities

    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_a_batch_larger_than_a_part_keeps_its_order():
    predictor = OnnxPredictor(total(), TWO)
    rows = 2 * CHUNK_ROWS + 7
    batch = Batch({"a": np.arange(rows) * 1.0, "b": np.zeros(rows)}, rows)

    assert predictor.predict(batch).values == list(range(rows))


def laborious():
    """A file that multiplies each row by a matrix of ones and zeros a hundred times."""
    width = 512
    wide = np.zeros((2, width))
    wide[:, 0] = 1
    constants = [
        numpy_helper.from_array(wide, "wide"),
        numpy_helper.from_array(np.eye(width), "same"),
        numpy_helper.from_array(np.array([1]), "axes"),
    ]
    nodes = [helper.make_node("MatMul", [ROWS, "wide"], ["h0"])]
    nodes += [helper.make_node("MatMul", [f"h{at}", "same"], [f"h{at + 1}"]) for at in range(100)]
    nodes.append(helper.make_node("ReduceSum", ["h100", "axes"], ["value"]))
    return onnx_file(nodes, {"value": TensorProto.DOUBLE}, constants=constants)


def test_a_batch_above_its_time_limit_is_stopped_between_two_parts():
    predictor = OnnxPredictor(laborious(), TWO, seconds=0.1)
    # Unstopped it takes ten seconds, by the time of one row and the most that a batch saves.
    rows = int(100 / predictor.row_seconds)
    batch = Batch({"a": np.ones(rows), "b": np.zeros(rows)}, rows)

    began = time.monotonic()
    with pytest.raises(PredictionTimedOut, match=rf"more than 0.1 s .*\({rows}\) and was stopped"):
        predictor.predict(batch)

    assert time.monotonic() - began < 5
    assert predictor.predict(numbers((1, 2.5), (2, 3))).values == [3.5, 5.0]


def test_threads_get_their_own_results():
    predictor = OnnxPredictor(total(), TWO)

    def ask(number):
        return predictor.predict(numbers((number, 0.25))).values[0] == number + 0.25

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(4000)))


def test_numbers_that_scikit_learn_would_refuse_are_refused():
    predictor = OnnxPredictor(total(notes={LARGEST_KEY: "100.0"}), TWO)

    for batch in (numbers((np.nan, -100)), numbers((1, 1), (1, 100))):
        with pytest.raises(PredictionRefused, match="size"):
            predictor.predict(batch)
    assert predictor.predict(numbers((99.5, 0))).values == [99.5]


def test_external_data_is_refused():
    tensor = numpy_helper.from_array(np.zeros((1, 2)), "outside")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    node = helper.make_node("Add", [ROWS, "outside"], ["value"])
    file = onnx_file([node], {"value": TensorProto.DOUBLE}, constants=[tensor])

    with pytest.raises(ArtifactRefused, match="another file"):
        OnnxPredictor(file, TWO)


def without_notes():
    node = helper.make_node("Neg", [ROWS], ["value"])
    return onnx_file([node], {"value": TensorProto.DOUBLE}, notes={TEXTS_KEY: "zz"})


@pytest.mark.parametrize(
    ("file", "signature"),
    [
        (b"", TWO),
        (b"no protobuf", TWO),
        (total()[:-30], TWO),
        (total(width=3), TWO),
        (total(), SPECIES),
        (shares(), TWO),
        (without_notes(), TWO),
    ],
    ids=["empty", "garbage", "cut", "width", "no-label", "no-value", "no-notes"],
)
def test_a_file_for_another_signature_is_refused(file, signature):
    with pytest.raises(ArtifactRefused, match="ONNX file"):
        OnnxPredictor(file, signature)
