"""Models as data scientists bring them: served as they predicted, or refused with a way out."""

import io
import warnings
from collections import Counter
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.codecs.batch import Batch
from registry.engines.loading import compiled_predictor
from registry.engines.model_process import ModelProcess
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from registry.intake.inspector import Inspector
from registry.intake.parity import compare_labels, compare_values
from tests.attacks.opcodes import written
from tests.integration.registry.popular_models import POPULAR, popular

FORMATS = ("skops", "joblib")
REFUSED = {
    "function of one's own": "code that is not part of scikit-learn is never run",
    "GaussianProcessClassifier": "use GaussianProcessRegressor",
    "LocalOutlierFactor": "use IsolationForest or OneClassSVM",
    "NMF": "use TruncatedSVD or PCA",
    "TunedThresholdClassifierCV": "compare the probabilities with the threshold",
}
"""The models that are refused, and the way out that the refusal names."""

SKOPS_CANNOT = frozenset({"RandomizedSearchCV of whole numbers"})
"""skops itself fails to write them."""


def batch_of(rows: Any, signature: Any) -> Batch:
    """``rows`` as a request that names each column."""
    if isinstance(rows, pd.DataFrame):
        columns = [rows[name].to_numpy() for name in signature.names]
    else:
        columns = list(np.reshape(rows, (len(rows), -1)).T)
    cells = [cells if cells.dtype == object else cells.astype(np.float64) for cells in columns]
    return Batch(dict(zip(signature.names, cells, strict=True)), len(rows))


def served(name: str, format_: str) -> tuple[Any, Any]:
    """The predictor that serves the model once it is uploaded, and its inspection."""
    model, _ = popular(name)
    found = inspect(io.BytesIO(written(model, format_)), format_, {})
    made = compile_model(found.model, found.signature, found.example)
    predictor = compiled_predictor(made.blobs, lambda form: made.blobs[form], found.signature)
    return predictor or SklearnPredictor(found.model, found.signature), found


def fault(name: str, format_: str) -> str | None:
    """How the served predictions differ from the model's own; None where they are equal."""
    model, rows = popular(name)
    predictor, found = served(name, format_)
    batch = batch_of(rows, found.signature)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = SklearnPredictor(model, found.signature)
        shares = hasattr(model, "predict_proba") and own.has_probabilities
        expected = np.asarray(model.predict(rows))
        reply = predictor.predict(batch, probabilities=shares)
    same = type(reply)(
        expected.tolist(),
        np.asarray(model.predict_proba(rows)) if shares else None,
    )
    compare = compare_values if found.signature.task == "regression" else compare_labels
    return compare(same, reply).fault


@pytest.mark.parametrize(
    "name",
    [
        *("RFECV in a pipeline", "SelectFromModel", "SelectPercentile"),
        *("SequentialFeatureSelector", "VarianceThreshold"),
    ],
)
def test_a_selection_of_columns_is_compiled(name):
    assert engine_of(name) == "linear"
    assert fault(name, "joblib") is None


@pytest.mark.parametrize(
    "name",
    [
        *("target that is standardised", "target with square of a forest"),
        "target with exp of a boosted pipeline",
    ],
)
def test_a_transformed_target_is_compiled(name):
    assert engine_of(name) == "onnx"
    assert fault(name, "skops") is None


@pytest.mark.parametrize("format_", FORMATS)
def test_neighbors_of_whole_numbers_are_served(format_):
    assert fault("KNN of counts", format_) is None


def engine_of(name: str) -> str:
    model, _ = popular(name)
    found = inspect(io.BytesIO(written(model, "joblib")), "joblib", {})
    made = compile_model(found.model, found.signature, found.example)
    return str(made.engine["name"])


@pytest.mark.slow  # test_fitted_models.py has each kind of model that is accepted
def test_no_popular_model_is_served_wrong_and_each_refusal_has_a_way_out(record_property):
    """test_popular_onnx.py has the same for ONNX."""
    counts, refused = Counter(), set()
    for name in POPULAR:
        for format_ in FORMATS:
            outcome, detail = outcome_of(name, format_)
            counts[format_, outcome] += 1
            if outcome == "wrong":
                pytest.fail(f"{name} as {format_}: {detail}")
            if outcome == "refused":
                refused.add(name)
                assert REFUSED.get(name, "no way out") in detail
                assert "upload the .onnx file" in detail
    for (format_, outcome), count in sorted(counts.items()):
        record_property(f"{format_} {outcome}", count)
    assert refused == set(REFUSED)
    assert len(refused) <= 5
    assert len(POPULAR) >= 60


def outcome_of(name: str, format_: str) -> tuple[str, str]:
    """What became of an upload, in a word, and its detail."""
    if format_ == "skops" and name in SKOPS_CANNOT:
        return "not written", ""
    try:
        found = fault(name, format_)
    except ArtifactRefused as error:
        return "refused", error.detail
    return ("equal", "") if found is None else ("wrong", found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("calibrated by isotonic curves", "forest of several numbers", "IsolationForest"),
        *("HistGradientBoosting by names", "KMeans", "KNN", "Tfidf and columns"),
    ],
)
def test_a_popular_model_is_inspected_and_answered_in_confined_processes(name, spawner, tmp_path):
    model, rows = popular(name)
    path = tmp_path / "artifact"
    path.write_bytes(written(model, "skops"))

    inspection, signature = Inspector(spawner=spawner).inspect(path, "skops", {})
    process = ModelProcess(spawner, lambda: path.open("rb"), "skops", signature)
    with closing(process):
        reply = process.predict(batch_of(rows, signature))

    assert inspection.engine["name"] in {"onnx", "scikit-learn"}
    assert np.array_equal(np.asarray(reply.values), np.asarray(model.predict(rows)))


def test_the_score_of_a_detector_is_predicted_where_the_signature_declares_a_number():
    model, rows = popular("IsolationForest")
    content = io.BytesIO(written(model, "skops"))

    found = inspect(content, "skops", declared_score(4))
    reply = SklearnPredictor(found.model, found.signature).predict(batch_of(rows, found.signature))

    assert found.facts["task"] == "regression"
    assert reply.values == model.decision_function(rows).tolist()


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "name", ["EllipticEnvelope", "IsolationForest", "OneClassSVM", "SGDOneClassSVM"]
)
def test_the_scores_of_a_detector_stand_beside_its_labels(name, format_):
    model, rows = popular(name)
    predictor, found = served(name, format_)

    reply = predictor.scored(batch_of(rows, found.signature))

    assert reply.values == model.predict(rows).tolist()
    assert reply.scores.tobytes() == model.decision_function(rows).tobytes()


def test_only_detectors_of_outliers_have_scores():
    declared = inspect(
        io.BytesIO(written(popular("IsolationForest")[0], "skops")), "skops", declared_score(4)
    )
    assert SklearnPredictor(declared.model, declared.signature).scored is None
    for name in ("KMeans", "KNN"):
        assert served(name, "skops")[0].scored is None


def declared_score(columns: int) -> dict[str, Any]:
    inputs = [{"name": f"x{number}", "type": "number"} for number in range(columns)]
    return {"signature": {"inputs": inputs, "output": {"name": "score", "type": "number"}}}
