"""A compiled classifier gives scikit-learn's labels also to rows far from what it was trained on.

There the scores of several classes can be so large that their probabilities are all 1, or so small
that they are equal. scikit-learn takes the label from the scores.
"""

import numpy as np
import pytest
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from registry.codecs.batch import Batch
from registry.engines.loading import compiled_predictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.onnx_program import CHUNK_ROWS
from registry.engines.predictor import SklearnPredictor
from registry.intake.compilation import compile_model
from registry.intake.conversion.graph import Graph, input_block, to_bytes
from registry.intake.signatures import read_signature
from tests.marks import each_once

_draws = np.random.default_rng(5)
X = _draws.normal(size=(120, 3))
Y = X @ [1.0, -2.0, 0.5]
CLASSES = {2: (Y > 0).astype(int), 4: np.digitize(Y, [-1.5, 0.0, 1.5])}
SCALES = (0.0, 1e-300, 1e-20, 1e-9, 1e-3, 1.0, 30.0, 1e3, 1e6, 1e9, 1e12)
FAR = np.concatenate([_draws.normal(size=(40, 3)) * scale for scale in SCALES])
CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "logistic without intercept": LogisticRegression(fit_intercept=False),
    "ridge": RidgeClassifier(),
    "vector machine": LinearSVC(),
    "descent, hinge": SGDClassifier(random_state=0),
    "descent, logistic": SGDClassifier("log_loss", random_state=0),
    "descent, logistic without intercept": SGDClassifier(
        "log_loss", fit_intercept=False, random_state=0
    ),
    "descent, huber": SGDClassifier("modified_huber", random_state=0),
    "descent, huber without intercept": SGDClassifier(
        "modified_huber", fit_intercept=False, random_state=0
    ),
    "linear discriminants": LinearDiscriminantAnalysis(),
    "quadratic discriminants": QuadraticDiscriminantAnalysis(),
    "normal bayes": GaussianNB(),
    "binary bayes": BernoulliNB(),
    "counting bayes": MultinomialNB(),
    "complement bayes": ComplementNB(),
    "network": MLPClassifier((5,), solver="lbfgs", random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "tree": DecisionTreeClassifier(max_depth=2),
    "forest": RandomForestClassifier(4, max_depth=3, random_state=0),
    "extra trees": ExtraTreesClassifier(7, min_samples_leaf=3, random_state=0),
}
SHARES = 2e-7
"""For probabilities, which ONNX Runtime gives in float32 for trees."""


def as_batch(rows, signature):
    columns = {name: rows[:, at].copy() for at, name in enumerate(signature.names)}
    return Batch(columns, len(rows))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "classes"), each_once(CLASSIFIERS, CLASSES))
def test_labels_far_outside_the_training_range_equal_scikit_learn_s(name, classes):
    counts = name in {"counting bayes", "complement bayes"}
    # More rows than ONNX Runtime gets at once, so that the outputs of its parts are joined.
    rows = np.resize(np.abs(FAR) if counts else FAR, (CHUNK_ROWS + 1, FAR.shape[1]))
    model = CLASSIFIERS[name].fit(np.abs(X) if counts else X, CLASSES[classes])
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    assert made.engine["name"] != "scikit-learn", made.engine
    batch, own = as_batch(rows, signature), SklearnPredictor(model, signature)
    expected = own.predict(batch, probabilities=own.has_probabilities)

    serving = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    for compiled in (serving, OnnxPredictor(made.blobs["onnx"], signature)):
        answers = compiled.predict(batch, probabilities=own.has_probabilities)

        assert answers.values == expected.values
        if own.has_probabilities:
            assert np.abs(answers.probabilities - expected.probabilities).max() <= SHARES


def labelled_by_probabilities(model, signature):
    """A form of a scaled logistic regression that takes the label from rounded probabilities."""
    scale, final = model[0], model[1]
    graph, given = Graph(), input_block(signature)
    weights = graph.constant((final.coef_ * scale.scale_).T)
    start = graph.constant(final.intercept_ + final.coef_ @ scale.min_)
    scores = graph.add("Gemm", graph.tensor(given), weights, start)
    shares = graph.add("Softmax", scores, axis=1)
    rounded = graph.double(graph.add("Cast", graph.add("Sigmoid", scores), to=1))
    label = graph.add("ArgMax", rounded, axis=1, keepdims=0)
    return to_bytes(graph, given, {"label": label, "probabilities": shares})


def test_a_form_whose_labels_differ_far_outside_the_training_range_is_not_used():
    model = make_pipeline(MinMaxScaler(), LogisticRegression()).fit(X, CLASSES[4])

    made = compile_model(model, read_signature(model, None), None, labelled_by_probabilities)

    assert made.engine["name"] == "scikit-learn"
    assert "labels differ from scikit-learn's" in made.engine["reason"]


def test_complement_bayes_with_tied_weights_is_served_by_scikit_learn():
    """In a row of equal numbers all its classes have one score, and rounding decides."""
    model = ComplementNB(norm=True).fit(np.abs(X), CLASSES[4])

    made = compile_model(model, read_signature(model, None), None)

    assert made.engine["name"] == "scikit-learn"
    assert "norm=True" in made.engine["reason"]
