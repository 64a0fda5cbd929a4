"""Linear models predict by scikit-learn's own formula, and refuse scores that are not finite."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs.batch import Batch
from registry.engines.chain_program import AVAILABLE
from registry.engines.chains_file import ChainsFile
from registry.engines.chains_file import to_bytes as chains_to_bytes
from registry.engines.linear_file import LinearFile, from_bytes, to_bytes
from registry.engines.linear_predictor import LinearPredictor
from registry.errors import ArtifactRefused, PredictionRefused
from registry.signature import Column, Output, Signature
from tests.rounding import between_sums

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")

INPUTS = (Column("a", "number"), Column("b", "number"))
AREA = Signature(INPUTS, Output("area", "number"))
TWO = Signature(INPUTS, Output("big", "boolean", (False, True)))
THREE = Signature(INPUTS, Output("size", "string", ("small", "middle", "large")))

AS_THEY_ARE = chains_to_bytes(
    ChainsFile(
        texts=[None, None],
        column=np.array([0, 1], np.int32),
        length=np.zeros(2, np.int32),
        kind=np.zeros(0, np.uint8),
        first=np.zeros(0),
        second=np.zeros(0),
    )
)


def predictor(signature, weights, start, *, probabilities=False):
    model = LinearFile(np.array(weights, float), np.array(start, float), probabilities)
    return LinearPredictor(AS_THEY_ARE, to_bytes(model), signature)


def one(a, b):
    return Batch(None, 1, True, (a, b), INPUTS)


def many(*rows):
    a, b = np.array(rows, float).T
    return Batch({"a": a.copy(), "b": b.copy()}, len(rows))


def test_a_regression_is_the_weighted_sum():
    area = predictor(AREA, [[2.0], [3.0]], [1.0])

    assert area.predict(one(1.0, 10.0)).values == [33.0]
    assert area.predict(many((1, 10), (0, 0))).values == [33.0, 1.0]


def test_two_classes_share_one_score():
    big = predictor(TWO, [[1.0], [0.0]], [-5.0], probabilities=True)

    assert big.predict(one(4.0, 0.0)).values == [False]
    assert big.predict(many((4, 0), (5, 0), (6, 0))).values == [False, False, True]
    shares = big.predict(one(5.0, 0.0), probabilities=True).probabilities
    assert shares.tolist() == [[0.5, 0.5]]


def test_the_class_with_the_highest_score_wins_and_ties_go_to_the_first():
    size = predictor(THREE, [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [0, 0, 0], probabilities=True)

    assert size.predict(one(-3.0, 0.0)).values == ["small"]
    assert size.predict(one(0.0, 0.0)).values == ["small"]
    assert size.predict(many((-3, 0), (0, 0), (3, 0))).values == ["small", "small", "large"]
    shares = size.predict(many((0, 0), (800, 0)), probabilities=True).probabilities
    assert shares[0] == pytest.approx([1 / 3] * 3)
    assert shares[1].tolist() == [0.0, 0.0, 1.0]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_row_predicts_the_same_alone_and_in_a_batch(a, b):
    for signature, outputs in ((AREA, 1), (TWO, 1), (THREE, 3)):
        made_weights = np.arange(2.0 * outputs).reshape(2, -1) - 1.5
        made = predictor(signature, made_weights, [0.25] * outputs)
        alone, among = made.predict(one(a, b)).values, made.predict(many((a, b), (1, 1))).values
        if signature is AREA:
            bound = between_sums([[a, b]], made_weights, [0.25])[0, 0]
            assert alone == pytest.approx(among[:1], rel=0, abs=bound)
        elif abs(np.diff(np.append([a, b] @ made_weights + 0.25, 0))).min() > 1e-6:
            assert alone == among[:1]  # not on the boundary of two classes


@pytest.mark.parametrize("signature", [AREA, TWO, THREE], ids=["number", "two", "three"])
def test_an_infinite_score_is_refused(signature):
    outputs = 3 if signature is THREE else 1
    made = predictor(signature, np.full((2, outputs), 1e300), [0.0] * outputs)

    with pytest.raises(PredictionRefused, match="row 0"):
        made.predict(one(1e300, 1.0))
    with pytest.raises(PredictionRefused, match="row 1"):
        made.predict(many((1, 1), (1e300, 1)))


@pytest.mark.parametrize(
    ("signature", "shape", "probabilities"),
    [(AREA, (2, 2), False), (AREA, (3, 1), False), (AREA, (2, 1), True), (TWO, (2, 2), False),
     (THREE, (2, 1), True)],
)  # fmt: skip
def test_weights_for_another_signature_are_refused(signature, shape, probabilities):
    with pytest.raises(ArtifactRefused, match="does not fit"):
        predictor(signature, np.ones(shape), np.ones(shape[1]), probabilities=probabilities)


@given(st.binary(max_size=60))
def test_bytes_that_are_not_a_linear_model_are_refused(data):
    with pytest.raises(ValueError, match=r"linear model|weights|finite"):
        from_bytes(data)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("features", ["C", "F", "sparse"])
def test_the_memory_layout_is_restored(order, features):
    weights = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], order=order)

    read = from_bytes(to_bytes(LinearFile(weights, np.zeros(2), False, features)))

    assert read.features == features
    assert read.weights.tolist() == weights.tolist()
    assert read.weights.flags[f"{order}_CONTIGUOUS"]


def test_a_file_without_layouts_is_served_as_before():
    written = msgspec.msgpack.decode(
        to_bytes(LinearFile(np.array([[2.0], [3.0]]), np.array([1.0]), probabilities=False))
    )
    del written["order"], written["features"]

    served = LinearPredictor(AS_THEY_ARE, msgspec.msgpack.encode(written), AREA)

    assert served.predict(many((1, 10), (0, 0))).values == [33.0, 1.0]


def test_weights_that_are_not_numbers_are_refused():
    endless = to_bytes(LinearFile(np.array([[np.inf]]), np.array([0.0]), probabilities=False))

    with pytest.raises(ValueError, match="not finite"):
        from_bytes(endless)
