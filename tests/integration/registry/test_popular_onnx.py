"""Models as data scientists bring them, as ONNX: served as scikit-learn predicts.

Every file is inspected and answered in confined processes. skl2onnx computes in float32.
"""

import copy
import warnings
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.svm import LinearSVC

from registry.codecs.predictions import Predictions
from registry.confinement.spawner import Spawner
from registry.engines.model_process import ModelProcess
from registry.engines.onnx_runtime import open_session
from registry.errors import ArtifactRefused
from registry.intake.inspector import Inspector
from tests.integration.registry.popular_models import POPULAR, popular
from tests.integration.registry.test_popular_models import batch_of

TOLERANCE = 2e-5
"""Of a number, relative to the largest; of a probability, absolute."""
CONVERTED_AS = {
    "bins": lambda model: model.set_params(kbinsdiscretizer__encode="onehot-dense"),
    "HalvingGridSearchCV": lambda model: model.best_estimator_,
    "RandomizedSearchCV": lambda model: model.best_estimator_,
    "RandomizedSearchCV of whole numbers": lambda model: model.best_estimator_,
    "searches in a vote": lambda model: model.set_params(flatten_transform=False),
    "Voting": lambda model: model.set_params(flatten_transform=False),
}
"""Changes that skl2onnx needs, and that change no prediction."""
OPTIONS = {"TfidfTransformer": {LinearSVC: {"nocl": False}}}
"""Without an option, skl2onnx fails on a pipeline that ends with LinearSVC."""

HAS_NO_CONVERTER = "Unable to find a shape calculator"
BOOLEANS = "Unable to create node 'TreeEnsemble"
"""It writes booleans among integers, which recent releases of protobuf refuse."""
SEVERAL_INPUTS = "at most 1 input(s) is(are) supported"
NOT_CONVERTED = {
    **dict.fromkeys(
        [
            *("chain of classifiers", "chain of regressors", "EllipticEnvelope", "FactorAnalysis"),
            *("FastICA", "HashingVectorizer", "IsotonicRegression", "IterativeImputer"),
            *("KernelRidge", "LabelPropagation", "LabelSpreading", "NearestCentroid", "NMF"),
            *("Nystroem", "OutputCode", "RBFSampler", "SequentialFeatureSelector"),
            *("SplineTransformer", "SplineTransformer with lines", "target that is standardised"),
            *("target with exp of a boosted pipeline", "target with expm1"),
            "target with square of a forest",
        ],
        HAS_NO_CONVERTER,
    ),
    **dict.fromkeys(
        ["calibrated boosting", "HistGradientBoosting", "HistGradientBoosting by codes"], BOOLEANS
    ),
    **dict.fromkeys(
        ["calibrated pipeline of a frame", "HistGradientBoosting by names"], SEVERAL_INPUTS
    ),
    "calibrated by temperature": "no attribute 'out_of_bounds'",
    "function of numpy": "not supported unless the transform function is None",
    "function of one's own": "not supported unless the transform function is None",
    "GaussianProcessClassifier": "invalid literal for int",
    "IsolationForest": "does not support the case when _max_features",
    "KNN of texts": "Unexpected type <class 'scipy.sparse._csr.csr_matrix'>",
    "TargetEncoder of classes": "only support TargetEncoder for binary classification",
}
"""What skl2onnx cannot convert, with a part of its message."""
DIFFERS = {
    "calibrated by isotonic curves": "its probabilities",
    "KNN by distance": "its numbers",
    "KNN of counts": "its labels",
    "KNNImputer": "its numbers",
    "RFE": "its shape",
    "TunedThresholdClassifierCV": "its labels",
}
"""Files of skl2onnx that predict something else in ONNX Runtime than the model in scikit-learn.

It takes the nearest point of an isotonic curve instead of a value between two points, computes
another distance for p = 3, takes others of several neighbors at the same distance, leaves out an
imputer's indicator columns and a tuned threshold, and converts what RFE selects instead of what it
predicts.
"""


@pytest.mark.slow  # test_onnx_uploads.py has each kind of graph that is accepted
def test_what_skl2onnx_converts_is_accepted_and_predicts_as_the_model(
    spawner, tmp_path, record_property
):
    counts, refused = Counter(), {}
    for name in POPULAR:
        content, cause = converted(name)
        if content is None:
            counts["not converted"] += 1
            assert NOT_CONVERTED.get(name, "converted") in cause, name
            continue
        assert name not in NOT_CONVERTED
        try:
            reply = served(name, content, spawner, tmp_path / "model.onnx")
        except ArtifactRefused as error:
            refused[name] = error.detail
            continue
        found = difference(name, reply)
        assert found == DIFFERS.get(name), name
        if found is not None:
            values, shares = answer_of_onnx_runtime(content, name)
            assert reply.values == values
            assert reply.probabilities is None or reply.probabilities.tolist() == shares
        counts["equal" if found is None else "converted to another model"] += 1
    for outcome, count in sorted(counts.items()):
        record_property(f"onnx {outcome}", count)
    assert refused == {}
    assert counts["equal"] >= 60


def converted(name: str) -> tuple[bytes | None, str]:
    """The file, or why skl2onnx does not make it."""
    model, _ = popular(name)
    if name in CONVERTED_AS:
        model = CONVERTED_AS[name](copy.deepcopy(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = to_onnx(model, float_rows(name)[:1], options=OPTIONS.get(name))
        except Exception as error:  # noqa: BLE001 - skl2onnx has no base class for its errors
            return None, str(error)
    return made.SerializeToString(), ""


def float_rows(name: str) -> Any:
    """The rows that the model was fitted on, with numbers of float32."""
    _, rows = popular(name)
    if isinstance(rows, pd.DataFrame):
        return rows.astype(dict.fromkeys(rows.select_dtypes("number"), np.float32))
    cells = np.reshape(rows, (len(rows), -1))
    return cells if cells.dtype == object else cells.astype(np.float32)


def served(name: str, content: bytes, spawner: Spawner, path: Path) -> Predictions:
    """The predictions for the model's rows, from confined processes."""
    path.write_bytes(content)
    _, signature = Inspector(spawner=spawner).inspect(path, "onnx", {})
    process = ModelProcess(spawner, lambda: path.open("rb"), "onnx", signature)
    with closing(process):
        batch = batch_of(popular(name)[1], signature)
        return process.predict(batch, probabilities=process.has_probabilities)


def difference(name: str, reply: Predictions) -> str | None:
    """How ``reply`` differs from what scikit-learn predicts; None where it does not."""
    model, rows = popular(name)
    expected, values = np.asarray(model.predict(rows)), np.asarray(reply.values)
    if values.shape != expected.shape:
        return "its shape"
    if expected.dtype.kind == "f":
        far = np.abs(values - expected).max() > TOLERANCE * np.abs(expected).max()
        return "its numbers" if far else None
    if (values != expected).any():
        return "its labels"
    if reply.probabilities is None or not hasattr(model, "predict_proba"):
        return None
    distance = np.abs(reply.probabilities - model.predict_proba(rows)).max()
    return "its probabilities" if distance > TOLERANCE else None


def answer_of_onnx_runtime(content: bytes, name: str) -> tuple[list[Any], list[Any]]:
    """Its values and, if there are any, its probabilities."""
    values, *others = open_session(content, keep_memory=False).run(None, {"X": float_rows(name)})
    values = values.ravel() if values.shape[1:] == (1,) else values
    shares = others[0] if others else []
    if isinstance(shares, list):  # of a ZipMap
        shares = np.array([[row[label] for label in sorted(row)] for row in shares])
    return values.tolist(), shares.tolist()
