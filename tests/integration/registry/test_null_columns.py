"""Where a model accepts a null: its estimators' tags, its imputers and its encoders' categories."""

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor, ExtraTreeClassifier

from registry.codecs.json_body import decode_json
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.formats.null_outcomes import accepts_null
from registry.intake.compilation import compile_model
from registry.intake.signatures import read_signature
from registry.preprocessing import DateEncoder
from tests.integration.registry import fitted
from tests.marks import third_fast

_draws = np.random.default_rng(5)
X = _draws.normal(size=(300, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0]
LABELS = np.where(Y > 0, "high", "low")
GAPS = np.where(_draws.random(X.shape) < 0.2, np.nan, X)
ENCODERS = {"OneHotEncoder ignoring", "OneHotEncoder infrequent"}
"""A category that they were not fitted with gives them no information, and so is refused here."""


def nullable(model: Any) -> list[bool]:
    return [column.nullable for column in read_signature(model, None).inputs]


@pytest.mark.parametrize("name", third_fast(name for name in fitted.NAMES if name not in ENCODERS))
def test_a_null_is_accepted_where_scikit_learn_predicts_one(name: str) -> None:
    """Every estimator on the allow-list, with a null in one column after the other."""
    model, rows = fitted.fitted(name)
    dense = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    predicts = []
    for column in range(dense.shape[1]):
        some = dense[:2].copy()
        some[:, column] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unknown categories
            try:
                model.predict(type(rows)(some) if hasattr(rows, "toarray") else some)
            except ValueError:
                predicts.append(False)
            else:
                predicts.append(True)
    assert accepts_null(model, dense.shape[1]) == predicts


@pytest.mark.parametrize(
    ("model", "target"),
    third_fast(
        [
            (RandomForestRegressor(20, random_state=0), Y),
            (RandomForestClassifier(20, random_state=0), LABELS),
            (ExtraTreesClassifier(20, random_state=0), LABELS),
            (DecisionTreeRegressor(random_state=0), Y),
            (ExtraTreeClassifier(random_state=0), LABELS),
            (make_pipeline(StandardScaler(), RandomForestRegressor(10, random_state=0)), Y),
        ]
    ),
    ids=["forest", "forest of classes", "extra trees", "tree", "extra tree", "scaled forest"],
)
def test_trees_fitted_on_gaps_predict_their_own_rows_to_the_last_bit(
    model: Any, target: Any
) -> None:
    model.fit(GAPS, target)
    signature = read_signature(model, None)
    assert nullable(model) == [True] * 4
    compiled = compile_model(model, signature, None)
    assert compiled.engine["name"] == "trees"
    predictor = compiled_predictor(compiled.blobs, compiled.blobs.__getitem__, signature)
    assert predictor is not None
    rows = [[None if np.isnan(cell) else cell for cell in row] for row in GAPS.tolist()]

    whole = decode_json(encoded(rows), signature)
    assert predictor.predict(whole).values == model.predict(GAPS).tolist()
    for index in range(20):  # a single row has a path of its own
        one = predictor.predict(decode_json(encoded(rows[index : index + 1]), signature))
        assert one.values == model.predict(GAPS[index : index + 1]).tolist()
    if predictor.has_probabilities:
        shares = predictor.predict(whole, probabilities=True).probabilities
        assert np.array_equal(shares, model.predict_proba(GAPS))


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (HistGradientBoostingRegressor(max_iter=5), Y),
        (HistGradientBoostingClassifier(max_iter=5), LABELS),
    ],
    ids=["regression", "classes"],
)
def test_histogram_boosting_fitted_on_gaps_predicts_its_own_rows(model: Any, target: Any) -> None:
    model.fit(GAPS, target)
    signature = read_signature(model, None)
    rows = [[None if np.isnan(cell) else cell for cell in row] for row in GAPS[:9].tolist()]
    answers = SklearnPredictor(model, signature).predict(decode_json(encoded(rows), signature))
    assert answers.values == model.predict(GAPS[:9]).tolist()


def test_an_imputer_and_a_scaler_decide_by_what_comes_after_them() -> None:
    assert nullable(make_pipeline(SimpleImputer(), LinearRegression()).fit(X, Y)) == [True] * 4
    assert nullable(make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)) == [False] * 4
    parts = [("fill", SimpleImputer(), [0]), ("scale", StandardScaler(), [1, 2])]
    kept = ColumnTransformer(parts, remainder="passthrough")
    assert nullable(make_pipeline(kept, LinearRegression()).fit(X, Y)) == [True, *[False] * 3]
    assert nullable(make_pipeline(kept, DecisionTreeRegressor()).fit(X, Y)) == [True] * 4


TOWNS = pd.DataFrame(
    {"town": _draws.choice(list("abcdefghij"), 300), "x": X[:, 0], "y": X[:, 1], "z": X[:, 2]}
)


def encoded_towns(*more: Any, sparse_threshold: float = 1.0) -> Any:
    parts = [
        ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ("numbers", "passthrough", ["x", "y"]),
        ("filled", SimpleImputer(), ["z"]),
    ]
    return make_pipeline(ColumnTransformer(parts, sparse_threshold=sparse_threshold), *more)


FOREST = RandomForestRegressor(3, random_state=0)


@pytest.mark.parametrize(
    ("model", "accepts"),
    [
        (encoded_towns(FOREST), False),
        (encoded_towns(FOREST, sparse_threshold=0.0), True),
        (encoded_towns(RandomForestClassifier(3, random_state=0)), False),
        (encoded_towns(ExtraTreesClassifier(3, random_state=0)), False),
        (encoded_towns(DecisionTreeRegressor()), False),
        (encoded_towns(StandardScaler(with_mean=False), FOREST), False),
        (encoded_towns(VarianceThreshold(), DecisionTreeRegressor()), False),
        (encoded_towns(BaggingRegressor(DecisionTreeRegressor(), n_estimators=2)), False),
        (encoded_towns(VotingRegressor([("one", FOREST)])), False),
        (encoded_towns(TransformedTargetRegressor(FOREST)), False),
        (make_pipeline(FeatureUnion([("in", encoded_towns())]), FOREST), False),
        (make_pipeline(encoded_towns(), make_pipeline("passthrough", FOREST)), False),
        (encoded_towns(IsolationForest(n_estimators=3, random_state=0)), True),
    ],
    ids=lambda value: type(value[-1]).__name__ if hasattr(value, "steps") else str(value),
)
def test_trees_refuse_a_null_in_sparse_features(model: Any, accepts: bool) -> None:
    has_classes = type(model[-1]).__name__.endswith("Classifier")
    model.fit(TOWNS, LABELS if has_classes else Y)
    for column, expected in {"x": accepts, "y": accepts, "z": True}.items():
        row = TOWNS[:2].assign(**{column: np.nan})
        if expected:
            model.predict(row)
        else:
            with pytest.raises(ValueError, match="NaN"):
                model.predict(row)
    assert accepts_null(model, 4) == [False, accepts, accepts, True]


def test_a_forest_behind_sparse_features_is_compiled() -> None:
    model = encoded_towns(FOREST).fit(TOWNS, Y)
    assert compile_model(model, read_signature(model, None), None).engine["name"] == "trees"


def test_an_encoder_accepts_a_null_that_it_was_fitted_with() -> None:
    frame = pd.DataFrame({"a": ["x", "y"] * 9, "b": ["x", np.nan] * 9})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression())
    assert nullable(model.fit(frame, np.arange(18.0))) == [False, True]


def test_what_the_uploader_declares_is_kept_and_what_is_left_out_is_read_from_the_model() -> None:
    model = RandomForestRegressor(2).fit(GAPS, Y)
    columns = [{"name": "a", "nullable": False}, {"name": "b"}, {"name": "c"}, {"name": "d"}]
    signature = read_signature(model, {"inputs": columns})
    assert [column.nullable for column in signature.inputs] == [False, True, True, True]
    assert {column.type for column in signature.inputs} == {"number"}
    assert (signature.output.name, signature.output.type) == ("prediction", "number")


def encoded(rows: list[list[float | None]]) -> bytes:
    return json.dumps({"instances": rows}).encode()


@pytest.mark.parametrize("fill", [None, "median"])
def test_a_date_may_be_missing_where_it_is_filled_or_the_model_accepts_gaps(
    fill: str | None,
) -> None:
    dates = np.arange(300)[:, None].astype("datetime64[D]")
    for final, accepts in ((LinearRegression(), fill is not None), (DecisionTreeRegressor(), True)):
        model = make_pipeline(DateEncoder(fill=fill), final).fit(dates, Y)
        assert accepts_null(model, 1) == [accepts]
        gap = np.array([["NaT"]], "datetime64[D]")
        if accepts:
            assert np.isfinite(model.predict(gap)).all()
        else:
            with pytest.raises(ValueError, match="NaN"):
                model.predict(gap)
