"""Encoders for columns of many categories are compiled: by the target's mean, by their places, and
with a group of infrequent ones. Predictions equal scikit-learn's for known, unknown and missing
categories."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from registry.codecs.batch import Batch
from registry.engines.loading import compiled_predictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.predictor import SklearnPredictor
from registry.intake.compilation import compile_model
from registry.intake.samples import sample
from registry.signature import Column, Output, Signature
from tests.marks import first_fast

_DRAWS = np.random.default_rng(4)
ROWS = 600
PLACES = np.array([f"place {number}" for number in range(150)], dtype=object)
FRAME = pd.DataFrame(
    {
        "place": pd.Series(_DRAWS.choice(PLACES, ROWS), dtype=object),
        "code": _DRAWS.integers(-40, 40, ROWS).astype(float) / 4,
        "gap": pd.Series(_DRAWS.choice(["a", "b", "ü", "", np.nan], ROWS), dtype=object),
    }
)
FRAME.loc[FRAME["gap"] == "nan", "gap"] = np.nan
AMOUNT = FRAME["code"] + FRAME["place"].str.len() + _DRAWS.normal(size=ROWS)
THREE = np.array(["low", "mid", "high"])[np.digitize(AMOUNT, AMOUNT.quantile([0.3, 0.6]))]
TWO = np.where(THREE == "low", "no", "yes")
INPUTS = (
    Column("place", "string"),
    Column("code", "number"),
    Column("gap", "string", nullable=True),
)
HOSTILE = ["", " place 1", "place 1 ", "Place 1", "pläce", "\u0661", "a" * 100_000, "💥", "nan"]


def encoders(make):
    return ColumnTransformer([(name, make(), [name]) for name in FRAME])


def places(**options):
    return lambda: OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, **options
    )


def grouped(**options):
    return lambda: OneHotEncoder(sparse_output=False, **options)


MODELS = {
    "mean of a quantity": (TargetEncoder, LinearRegression(), AMOUNT),
    "share of a class": (TargetEncoder, LogisticRegression(max_iter=500), TWO),
    "shares of classes": (
        lambda: TargetEncoder(smooth=3.0),
        RandomForestClassifier(10, max_depth=6, random_state=0),
        THREE,
    ),
    "places": (places(), LinearRegression(), AMOUNT),
    "places as integers": (
        places(dtype=np.int32),
        RandomForestClassifier(10, max_depth=6, random_state=0),
        THREE,
    ),
    "infrequent, unknown is infrequent": (
        grouped(min_frequency=5, handle_unknown="infrequent_if_exist"),
        LinearRegression(),
        AMOUNT,
    ),
    "infrequent, unknown is ignored": (
        grouped(max_categories=20, handle_unknown="ignore"),
        LogisticRegression(max_iter=500),
        TWO,
    ),
    "infrequent, first dropped": (
        grouped(max_categories=20, handle_unknown="infrequent_if_exist", drop="first"),
        RandomForestClassifier(10, max_depth=6, random_state=0),
        THREE,
    ),
}


@pytest.mark.parametrize("name", first_fast(MODELS, 3))
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
def test_encoders_of_many_categories_predict_the_same_bits(name):
    make, estimator, target = MODELS[name]
    model = make_pipeline(encoders(make), estimator).fit(FRAME, target)
    classes = None if target is AMOUNT else tuple(model.classes_.tolist())
    output = Output("y", "number" if classes is None else "string", classes)
    signature = Signature(INPUTS, output)

    made = compile_model(model, signature, None)

    trees = isinstance(estimator, RandomForestClassifier)
    assert made.engine["name"] == ("trees" if trees else "linear"), made.engine
    own = SklearnPredictor(model, signature)
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    onnx = OnnxPredictor(made.blobs["onnx"], signature)
    batch = with_hostile(sample(model, signature, None, 1_000))
    expected = own.predict(batch, probabilities=own.has_probabilities)
    found = served.predict(batch, probabilities=own.has_probabilities)
    other = onnx.predict(batch, probabilities=own.has_probabilities)
    assert found.values == expected.values
    if own.has_probabilities:
        assert np.array_equal(found.probabilities, expected.probabilities)
        assert np.abs(other.probabilities - expected.probabilities).max() < 1e-6
    else:
        assert other.values == pytest.approx(expected.values, rel=1e-9)


def with_hostile(batch):
    columns = {name: cells.copy() for name, cells in batch.columns.items()}
    for name in ("place", "gap"):
        columns[name][: len(HOSTILE)] = HOSTILE
    return Batch(columns, batch.rows)
