"""Models that hold others, and take the number and the names of their columns from them."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tests.marks import first_fast

CLASSIFIERS = [("linear", LogisticRegression()), ("bayes", GaussianNB())]
REGRESSORS = [("linear", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
SCALING = Pipeline([("none", "passthrough"), ("scale", StandardScaler())])
SCALED = Pipeline([*SCALING.steps, ("linear", Ridge())])
ENSEMBLES = [
    VotingClassifier(CLASSIFIERS, voting="soft"),
    StackingClassifier(CLASSIFIERS, cv=2),
    VotingRegressor(REGRESSORS),
    StackingRegressor(REGRESSORS, cv=2),
    TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    SCALED,
    VotingRegressor([("scaled", SCALED), *REGRESSORS]),
    StackingRegressor([("scaled", SCALED), *REGRESSORS], cv=2),
    BaggingRegressor(SCALED, n_estimators=2),
    VotingRegressor([("transformed", TransformedTargetRegressor(transformer=SCALING))]),
    GradientBoostingRegressor(init=SCALED, n_estimators=2),
]
DUMPS = {"joblib": joblib.dump, "skops": skops.io.dump}


@pytest.mark.parametrize("format_", first_fast(DUMPS))
@pytest.mark.parametrize("model", first_fast(ENSEMBLES, 4), ids=lambda model: type(model).__name__)
def test_a_model_fitted_on_a_data_frame_predicts_by_column_names(admin, fresh_name, model, format_):
    draws = np.random.default_rng(5)
    frame = pd.DataFrame(draws.normal(size=(60, 2)), columns=["length", "width"])
    target = frame["length"] - 2 * frame["width"]
    model.fit(frame, target if is_regressor(model) else np.where(target > 0, "high", "low"))
    content = io.BytesIO()
    DUMPS[format_](model, content)

    made = admin.upload(fresh_name, content.getvalue(), filename=f"model.{format_}")
    rows = frame[:9]
    answer = admin.post(
        f"/models/{fresh_name}/1/predict", json={"instances": rows.to_dict("records")}
    )

    assert made.status_code == 201, made.text
    assert [each["name"] for each in made.json["signature"]["inputs"]] == ["length", "width"]
    expected = model.predict(rows).tolist()
    if isinstance(model, TransformedTargetRegressor):  # compiled as ONNX, which is not exact
        expected = pytest.approx(expected, rel=1e-12)
    assert answer.json["predictions"] == expected
