"""Linear models answer with scikit-learn's bits, on whatever processor both compute.

``test_processors`` runs these tests again with other kernels of OpenBLAS and numpy.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_info, threadpool_limits

from registry.codecs.batch import Batch
from registry.engines import chain_program
from registry.engines.linear_file import from_bytes
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.intake.compilation import compile_model
from registry.intake.samples import sample
from registry.intake.signatures import read_signature
from registry.signature import Output, Signature
from tests.integration.registry.shops import FRAME, INPUTS, LABELS, TARGET, preparation
from tests.marks import left_to_slow

pytestmark = pytest.mark.skipif(
    not chain_program.AVAILABLE, reason="built without a C compiler: ONNX Runtime serves"
)

_draws = np.random.default_rng(11)
TABLE = pd.DataFrame(_draws.normal(size=(300, 9)), columns=[f"c{at}" for at in range(9)])
TOWNS = pd.DataFrame(
    {
        "age": _draws.uniform(0, 99, 300),
        "town": pd.Series([f"town {at % 40}" for at in range(300)], dtype=object),
    }
)
Y = TABLE.to_numpy() @ _draws.normal(size=9) + _draws.normal(size=300)
THREE = np.array(["low", "middle", "high"], dtype=object)[np.digitize(Y, [-2, 2])]
TWO = np.where(Y > 0, "yes", "no").astype(object)
ROWS = (1, 2, 3, 17, 1000, 2003)
"""One is added up by other operations than several; 2,003 rows are multiplied in parts."""


def towns(final):
    """So many columns of zeros that scikit-learn keeps the features as a sparse matrix."""
    columns = [
        ("age", StandardScaler(), ["age"]),
        ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
    ]
    return make_pipeline(ColumnTransformer(columns), final)


def counted(final):
    """Features that are whole numbers."""
    encode = OneHotEncoder(dtype=np.int64, sparse_output=False, handle_unknown="ignore")
    return make_pipeline(encode, final)


GROUPS = (TABLE > 0).astype(float)
MODELS = {
    "a frame": (make_pipeline(StandardScaler(), LinearRegression()).fit(TABLE, Y), "F"),
    "an array": (make_pipeline(MinMaxScaler(), Ridge()).fit(TABLE.to_numpy(), Y), "C"),
    "nothing before it": (LinearRegression().fit(TABLE, Y), "F"),
    "columns of every type": (make_pipeline(preparation(), Ridge()).fit(FRAME, TARGET), "C"),
    "sparse": (towns(LinearRegression()).fit(TOWNS, Y), "sparse"),
    "whole numbers": (counted(Ridge()).fit(GROUPS, Y), "C"),
    "two classes": (make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, TWO), "F"),
    "three classes": (make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, THREE), "F"),
    "three classes, an array": (LogisticRegression().fit(TABLE.to_numpy(), THREE), "C"),
    "twelve classes": (
        make_pipeline(preparation(), LogisticRegression(max_iter=3000)).fit(FRAME, LABELS["many"]),
        "C",
    ),
    "sparse, two classes": (towns(LogisticRegression()).fit(TOWNS, TWO), "sparse"),
    "sparse, three classes": (towns(LogisticRegression()).fit(TOWNS, THREE), "sparse"),
    "discriminants, two classes": (LinearDiscriminantAnalysis().fit(TABLE, TWO), "F"),
    "discriminants, three classes": (LinearDiscriminantAnalysis().fit(TABLE, THREE), "F"),
    "ridge classes": (RidgeClassifier().fit(TABLE, THREE), "F"),
    "vector machine": (make_pipeline(StandardScaler(), LinearSVC()).fit(TABLE, TWO), "F"),
}


def signature_of(model):
    """The model's own, but for columns that its encoders would take for texts."""
    names = getattr(model, "feature_names_in_", None)
    own = read_signature(model, None)
    if names is not None and list(names) == [column.name for column in INPUTS]:
        return Signature(INPUTS, Output("answer", own.output.type, own.output.classes))
    return own


QUICK = (
    *("a frame", "columns of every type", "sparse", "three classes", "twelve classes"),
    *("sparse, two classes", "discriminants, three classes", "vector machine"),
)


@pytest.fixture(params=[name if name in QUICK else left_to_slow(name) for name in MODELS])
def served(request):
    """A model: its own predictor and that of its compiled form."""
    model, layout = MODELS[request.param]
    signature = signature_of(model)
    made = compile_model(model, signature, None)
    assert made.engine["name"] == "linear", made.engine
    assert made.engine["max_abs_diff"] == 0
    assert from_bytes(made.blobs["linear"]).features == layout
    return SklearnPredictor(model, signature), compiled_predictor(
        made.blobs, made.blobs.__getitem__, signature
    )


def part(batch, start, end):
    columns = {name: cells[start:end].copy() for name, cells in batch.columns.items()}
    return Batch(columns, end - start)


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_every_batch_has_the_bits_of_scikit_learn_on_one_thread(served):
    own, compiled = served
    rows = sample(own._model, own.signature, None, max(ROWS))

    for count in ROWS:
        batch = part(rows, 0, count)
        with threadpool_limits(1):
            expected = own.predict(batch, probabilities=own.has_probabilities)
        answers = compiled.predict(batch, probabilities=own.has_probabilities)

        assert answers.values == expected.values, count
        if own.has_probabilities:
            assert answers.probabilities.tobytes() == expected.probabilities.tobytes(), count


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_a_single_row_has_the_bits_of_scikit_learn_for_that_row(served):
    own, compiled = served
    rows = sample(own._model, own.signature, None, 15)

    for at in range(rows.rows):
        row = part(rows, at, at + 1)
        assert compiled.predict(row).values == own.predict(row).values


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(
    ("rows", "features", "classes"),
    [
        (3001, 63, 8),
        (4097, 63, 8),
        (4097, 200, 20),
        (2049, 129, 12),
        (20_011, 17, 3),
        (9001, 65, 2),
    ],
)
def test_no_part_of_a_large_batch_is_split_among_threads(rows, features, classes):
    """numpy uses a thread for each core unless told otherwise, whatever server runs the worker."""
    draws = np.random.default_rng(features)
    trained = draws.normal(size=(100, features)) * 10.0 ** draws.integers(-6, 7, features)
    model = LogisticRegression(max_iter=20).fit(trained, np.arange(100) % classes)
    scales = 10.0 ** (np.arange(features) % 5 - 2)
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    batch = Batch(
        {name: draws.normal(size=rows) * scales[at] for at, name in enumerate(signature.names)},
        rows,
    )

    with threadpool_limits(3):
        compiled = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
        threads = {each["num_threads"] for each in threadpool_info() if "numpy" in each["filepath"]}
        answers = compiled.predict(batch, probabilities=True)
    with threadpool_limits(1):
        expected = SklearnPredictor(model, signature).predict(batch, probabilities=True)

    assert answers.values == expected.values
    assert answers.probabilities.tobytes() == expected.probabilities.tobytes()
    assert threads == {1}


def test_labels_decided_by_rounding_equal_scikit_learn_s():
    """Rows on the boundary of two classes, where another order of the sum changes its sign."""
    model = LogisticRegression(max_iter=1000).fit(TABLE.to_numpy(), TWO)
    weights, start = model.coef_[0], model.intercept_[0]
    rows = TABLE.to_numpy().copy()
    rows[:, 0] = -(rows[:, 1:] @ weights[1:] + start) / weights[0]
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    own = SklearnPredictor(model, signature)
    compiled = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    batch = Batch({name: rows[:, at].copy() for at, name in enumerate(signature.names)}, len(rows))
    singly = [part(batch, at, at + 1) for at in range(batch.rows)]
    signs, reversed_signs = (
        [float(sum(terms)) + start > 0 for terms in (rows * weights)[:, ::step]] for step in (1, -1)
    )
    assert signs != reversed_signs

    alone = [own.predict(row).values[0] for row in singly]

    assert compiled.predict(batch).values == own.predict(batch).values
    assert [compiled.predict(row).values[0] for row in singly] == alone


def test_float32_models_are_not_served_by_the_linear_engine():
    encode = OneHotEncoder(dtype=np.float32, handle_unknown="ignore")
    model = make_pipeline(encode, LinearRegression()).fit(GROUPS, Y)

    made = compile_model(model, read_signature(model, None), None)

    assert made.engine["name"] == "onnx"
    assert "float32" in made.engine["reason"]
