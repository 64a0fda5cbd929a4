"""Estimators that keep rows of sparse features: served as they predicted, by scikit-learn."""

import io
import warnings
from contextlib import closing

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import KernelPCA
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from registry.codecs.batch import Batch
from registry.engines.model_process import ModelProcess
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from registry.intake.inspector import Inspector
from tests.attacks.opcodes import written
from tests.marks import third_fast

_draws = np.random.default_rng(21)
WORDS = ["good", "bad", "late", "fast", "broken", "fine", "day", "order"]
TEXTS = np.array([" ".join(_draws.choice(WORDS, 4)) for _ in range(60)], dtype=object)
NEW = np.array(
    [" ".join(_draws.choice([*WORDS, "unknown"], 3)) for _ in range(20)] + [""], dtype=object
)
NUMBERS = _draws.normal(size=60)
THREE = np.digitize(NUMBERS, [-0.5, 0.5])

MODELS = {
    "SVC": (SVC(), THREE),
    "SVC of two classes, linear": (SVC(kernel="linear"), THREE > 0),
    "SVC, calibrated": (CalibratedClassifierCV(SVC(), cv=2), THREE),
    "NuSVC": (NuSVC(nu=0.1), THREE),
    "SVR": (SVR(), NUMBERS),
    "NuSVR": (NuSVR(), NUMBERS),
    "OneClassSVM": (OneClassSVM(), None),
    "KNeighborsClassifier": (KNeighborsClassifier(), THREE),
    "KNeighborsClassifier by cosine": (
        KNeighborsClassifier(weights="distance", metric="cosine"),
        THREE,
    ),
    "RadiusNeighborsRegressor": (RadiusNeighborsRegressor(9.0), NUMBERS),
    "Nystroem": (make_pipeline(Nystroem(n_components=8), SGDClassifier()), THREE),
    "KernelPCA": (make_pipeline(KernelPCA(2, kernel="rbf"), Ridge()), NUMBERS),
    "KernelRidge": (KernelRidge(kernel="rbf"), NUMBERS),
    "LabelPropagation": (LabelPropagation(), THREE),
    "LabelSpreading": (LabelSpreading(), THREE),
}


def fitted(estimator, answers, vectorizer=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(vectorizer or TfidfVectorizer(), estimator).fit(TEXTS, answers)


def served(model, format_, rows=NEW):
    """The predictions for ``rows``, and the predictor."""
    found = inspect(io.BytesIO(written(model, format_)), format_, {})
    assert compile_model(found.model, found.signature, found.example).engine["name"] == (
        "scikit-learn"
    )
    predictor = SklearnPredictor(found.model, found.signature)
    batch = Batch({found.signature.names[0]: rows}, len(rows))
    return predictor.predict(batch, probabilities=predictor.has_probabilities), predictor


@pytest.mark.parametrize("format_", ["skops", "joblib"])
@pytest.mark.parametrize("name", third_fast(MODELS))
def test_rows_of_a_vectorizer_are_kept(name, format_):
    model = fitted(*MODELS[name])

    reply, _ = served(model, format_)

    assert reply.values == model.predict(NEW).tolist()
    if reply.probabilities is not None:
        assert np.array_equal(reply.probabilities, model.predict_proba(NEW))


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), HashingVectorizer()], ids=type)
def test_any_vectorizer_may_stand_before_them(vectorizer):
    model = fitted(KNeighborsClassifier(), THREE, vectorizer)

    reply, _ = served(model, "joblib")

    assert reply.values == model.predict(NEW).tolist()


def test_the_scores_of_a_detector_of_texts_stand_beside_its_labels():
    model = fitted(*MODELS["OneClassSVM"])
    _, predictor = served(model, "skops")

    reply = predictor.scored(Batch({predictor.signature.names[0]: NEW}, len(NEW)))

    assert reply.scores.tobytes() == model.decision_function(NEW).tobytes()


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_a_sparse_encoder_may_stand_before_a_machine(format_):
    rows = np.column_stack([_draws.integers(0, 9, 60), _draws.integers(0, 9, 60)]).astype(float)
    encoder = ColumnTransformer([("both", OneHotEncoder(handle_unknown="ignore"), [0, 1])])
    model = make_pipeline(encoder, SVC()).fit(rows, THREE)
    assert model[-1].support_vectors_.format == "csr"

    found = inspect(io.BytesIO(written(model, format_)), format_, {})

    batch = Batch(dict(zip(found.signature.names, rows.T, strict=True)), len(rows))
    reply = SklearnPredictor(found.model, found.signature).predict(batch)
    assert reply.values == model.predict(rows).tolist()


def test_unordered_rows_are_refused_for_metrics_that_depend_on_their_order():
    """scikit-learn itself predicts other values after a batch of empty rows, which orders them."""
    model = fitted(KNeighborsRegressor(metric="manhattan"), NUMBERS)
    before = written(model, "skops")
    first = model.predict(NEW)
    model.predict([""])
    assert not np.array_equal(model.predict(NEW), first)

    with pytest.raises(ArtifactRefused, match=r"not in order.*Call sort_indices\(\)"):
        inspect(io.BytesIO(before), "skops", {})
    model[-1]._fit_X.sort_indices()
    reply, _ = served(model, "skops")

    assert reply.values == model.predict(NEW).tolist()


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_other_sparse_matrices_are_refused_with_a_way_out(format_):
    model = LogisticRegression().fit(csr_matrix(np.eye(60)), THREE).sparsify()

    with pytest.raises(ArtifactRefused, match=r"'coef_'.*call densify\(\) on a linear model"):
        inspect(io.BytesIO(written(model, format_)), format_, {})


@pytest.mark.slow  # the tests above read and predict in the test's own process
@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_sparse_rows_are_read_and_answered_in_confined_processes(format_, spawner, tmp_path):
    model = fitted(*MODELS["SVR"])
    path = tmp_path / "artifact"
    path.write_bytes(written(model, format_))
    inspection, signature = Inspector(spawner=spawner).inspect(path, format_, {})
    process = ModelProcess(spawner, lambda: path.open("rb"), format_, signature)
    with closing(process):
        reply = process.predict(Batch({signature.names[0]: NEW}, len(NEW)))

    assert inspection.engine["name"] == "scikit-learn"
    assert reply.values == model.predict(NEW).tolist()
