"""Columns that a ColumnTransformer drops are no part of the signature, and may hold anything."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from registry.codecs.json_body import decode_json
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import MetadataRefused
from registry.intake.compilation import compile_model
from registry.intake.signatures import read_signature
from registry.preprocessing import BandEncoder

_draws = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "name": [f"passenger {index}" for index in range(120)],
        "age": _draws.integers(1, 90, 120).astype(float),
        "boarded": pd.Timestamp("2020-01-01"),
        "fare": _draws.uniform(5, 80, 120),
        "class": _draws.choice(["first", "second"], 120),
    }
)
SURVIVED = np.where(FRAME["age"] + FRAME["fare"] > 80, "yes", "no")
PAID = FRAME["fare"].to_numpy() * 2
BANDS = ColumnTransformer(
    [
        ("bands", BandEncoder([0.0, 18.0, 40.0, 100.0], ["child", "adult", "old"]), ["age"]),
        ("fare", SimpleImputer(), ["fare"]),
        ("class", OneHotEncoder(handle_unknown="ignore"), ["class"]),
    ]
)
USED = ("age", "fare", "class")


def predictors(model: Any, declared: Any = None) -> list[Any]:
    """scikit-learn, and the compiled form."""
    signature = read_signature(model, declared)
    made = compile_model(model, signature, None)
    compiled = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    assert compiled is not None, made.engine
    return [SklearnPredictor(model, signature), compiled]


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (RandomForestClassifier(10, random_state=0), SURVIVED),
        (LogisticRegression(), SURVIVED),
        (LinearRegression(), PAID),
    ],
    ids=["forest", "logistic", "linear"],
)
def test_a_pipeline_with_bands_predicts_the_frame_that_it_was_fitted_on(
    estimator: Any, target: Any
) -> None:
    model = make_pipeline(clone(BANDS), estimator).fit(FRAME, target)
    rows = json.loads(FRAME.to_json(orient="records", date_format="iso"))
    for predictor in predictors(model):
        assert predictor.signature.names == USED
        for body in (rows, [{name: row[name] for name in USED} for row in rows]):
            batch = decode_json(json.dumps({"instances": body}).encode(), predictor.signature)
            assert predictor.predict(batch).values == pytest.approx(model.predict(FRAME).tolist())


def test_a_declared_signature_may_list_them_or_not() -> None:
    model = make_pipeline(clone(BANDS), LinearRegression()).fit(FRAME, PAID)
    whole = [{"name": name} for name in FRAME.columns]
    whole[3]["type"] = "integer"
    for inputs in (whole, [each for each in whole if each["name"] in USED]):
        signature = read_signature(model, {"inputs": inputs})
        assert signature.names == USED
        assert [column.type for column in signature.inputs] == ["number", "integer", "string"]
    with pytest.raises(MetadataRefused, match="2 columns are declared, the model takes 3"):
        read_signature(model, {"inputs": whole[:4]})


def test_they_are_found_inside_unions_and_ensembles() -> None:
    ages, fares = (ColumnTransformer([("p", "passthrough", [name])]) for name in ("age", "fare"))
    union = make_pipeline(FeatureUnion([("a", ages), ("f", fares)]), LinearRegression())
    members = [(name, make_pipeline(part, LinearRegression())) for name, part in
               (("a", ages), ("f", fares))]  # fmt: skip
    for model in (union, VotingRegressor(members)):
        signature = read_signature(model.fit(FRAME, PAID), None)
        assert signature.names == ("age", "fare")
        rows = FRAME[["fare", "age"]].to_dict(orient="records")
        batch = decode_json(json.dumps({"instances": rows}).encode(), signature)
        answers = SklearnPredictor(model, signature).predict(batch).values
        assert answers == pytest.approx(model.predict(FRAME).tolist())


def test_rows_by_position_contain_every_column_that_a_model_without_names_was_fitted_on() -> None:
    rows = FRAME[["age", "fare"]].to_numpy()
    model = make_pipeline(ColumnTransformer([("fill", SimpleImputer(), [1])]), LinearRegression())
    signature = read_signature(model.fit(rows, PAID), None)
    assert [(column.name, column.nullable) for column in signature.inputs] == [
        ("x0", True),
        ("x1", True),
    ]
    for predictor in predictors(model):
        batch = decode_json(b'{"X": [[null, 12.5], [3, 10]]}', signature)
        assert predictor.predict(batch).values == pytest.approx([25.0, 20.0])
