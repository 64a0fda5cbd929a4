"""scikit-learn's gradient boosting is compiled for the kernel of boosted trees, bit for bit."""

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from registry.codecs.batch import build_batch
from registry.engines.loading import compiled_predictor
from registry.intake.compilation import compile_model
from registry.intake.signatures import read_signature

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(400, 4))
MISSING = X.copy()
MISSING[DRAWS.random(X.shape) < 0.1] = np.nan
Y = X[:, 0] + X[:, 1] * X[:, 2]
TWO, THREE = np.where(Y > 0, "yes", "no"), np.digitize(Y, [-1, 1])
FITTED = {
    "histograms": HistGradientBoostingRegressor(max_iter=10).fit(MISSING, Y),
    "histograms-poisson": HistGradientBoostingRegressor(loss="poisson", max_iter=10).fit(X, Y**2),
    "histograms-two": HistGradientBoostingClassifier(max_iter=10).fit(MISSING, TWO),
    "histograms-three": HistGradientBoostingClassifier(max_iter=5).fit(MISSING, THREE),
    "gradients": GradientBoostingRegressor(n_estimators=10).fit(X, Y),
    "gradients-zero": GradientBoostingRegressor(n_estimators=10, init="zero").fit(X, Y),
    "gradients-two": GradientBoostingClassifier(n_estimators=10).fit(X, TWO),
    "gradients-three": GradientBoostingClassifier(n_estimators=5).fit(X, THREE),
    "pipeline": make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=10)).fit(
        X, Y
    ),
}


@pytest.mark.parametrize("name", FITTED)
def test_it_is_served_by_the_kernel_to_the_last_bit(name):
    model = FITTED[name]
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)

    assert (made.engine["name"], made.engine["max_abs_diff"]) == ("trees", 0.0)
    predictor = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    batch = build_batch(X.T.tolist(), signature, lambda row, column: "")
    found = predictor.predict(batch, probabilities=predictor.has_probabilities)
    assert found.values == model.predict(X).tolist()
    if predictor.has_probabilities:
        assert found.probabilities.tobytes() == model.predict_proba(X).tobytes()
    alone = build_batch([[cell] for cell in X[7].tolist()], signature, lambda row, column: "")
    assert predictor.predict(alone).values == found.values[7:8]


@pytest.mark.parametrize(
    "model",
    [
        GradientBoostingClassifier(n_estimators=5, loss="exponential").fit(X, TWO),
        GradientBoostingRegressor(n_estimators=5, init=LinearRegression()).fit(X, Y),
    ],
    ids=["exponential", "own-init"],
)
def test_other_forms_keep_their_engine(model):
    made = compile_model(model, read_signature(model, None), None)

    assert "boosting" not in made.blobs
