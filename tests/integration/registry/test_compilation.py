"""Models compiled to ONNX predict as scikit-learn does, or are served by it."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from registry.codecs.batch import Batch
from registry.engines.loading import compiled_predictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import PredictionRefused
from registry.intake.compilation import compile_model
from registry.intake.conversion.graph import Graph, input_block, to_bytes
from registry.intake.samples import sample
from registry.intake.signatures import read_signature
from registry.signature import Column
from tests.examples import ALL as EXAMPLES
from tests.integration.registry.shops import (
    EXAMPLE,
    FRAME,
    INPUTS,
    LABELS,
    TARGET,
    preparation,
    signature_of,
)
from tests.marks import each_once, first_fast, third_fast
from trainers.recipe import Recipe
from trainers.training import train

ENGINES = {"onnx", "trees", "linear"}
EXACT = 1e-12
"""For the ONNX form of linear and logistic models, which is double throughout. The engines that
serve them and trees have scikit-learn's bits: docs/decisions/0027-bits-of-linear-models.md."""
SHARES = 1e-7
"""For the probabilities of trees, which ONNX Runtime gives in float32."""


def compiled(model, inputs=INPUTS):
    """Compile it, and compare 2,000 rows that its own check has not seen."""
    signature = signature_of(model, inputs) if inputs else read_signature(model, None)
    made = compile_model(model, signature, None)
    assert made.engine["name"] in ENGINES, made.engine  # each holds the ONNX form too
    assert set(made.engine) == {
        "name",
        "max_abs_diff",
        "max_rel_diff",
        "checked_rows",
        "memory_bytes",
    }
    assert made.engine["checked_rows"] == (512 if signature.task == "regression" else 640)
    ours = SklearnPredictor(model, signature)
    theirs = OnnxPredictor(made.blobs["onnx"], signature)
    batch = sample(model, signature, None, 2000)
    if made.engine["name"] != "onnx":
        serving = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
        own, other = both(ours, serving, batch)
        if signature.task == "regression" or own.probabilities is not None:
            assert distance(own, other) == 0
    return both(ours, theirs, batch)


def both(ours, theirs, batch):
    """The answers of both, each label and each label's type the same."""
    asked = ours.has_probabilities
    assert theirs.has_probabilities == asked
    own = ours.predict(batch, probabilities=asked)
    other = theirs.predict(batch, probabilities=asked)
    if ours.signature.task == "classification":
        assert other.values == own.values
        assert set(map(type, other.values)) == set(map(type, own.values))
    first = {name: column[:1] for name, column in batch.columns.items()}
    one = theirs.predict(Batch(first, 1)).values
    if ours.signature.task == "classification":
        assert one == other.values[:1]
    else:
        assert one == pytest.approx(other.values[:1], rel=EXACT)
    return own, other


def distance(own, other):
    """The largest relative difference of values, or absolute one of probabilities."""
    if own.probabilities is not None:
        return np.abs(own.probabilities - other.probabilities).max()
    values = np.array(own.values)
    return (np.abs(values - other.values) / np.abs(values).max()).max()


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_recipe_of_every_example_compiles(example):
    trained = train(Recipe.from_toml(example.recipe))

    made = compile_model(trained.pipeline, trained.signature, trained.input_example)

    assert made.engine["name"] in ENGINES, made.engine  # each holds the ONNX form too
    exact = EXACT if trained.kind in {"linear", "logistic"} else SHARES
    assert made.engine["max_rel_diff"] <= exact


@pytest.mark.parametrize(
    ("final", "exact"),
    third_fast(
        [
            (LinearRegression(), EXACT),
            (Ridge(), EXACT),
            (DecisionTreeRegressor(random_state=0), 0),
            (RandomForestRegressor(20, random_state=0), 0),
        ]
    ),
    ids=["linear", "ridge", "tree", "forest"],
)
@pytest.mark.parametrize("sparse", first_fast([True, False]))
def test_a_regression_on_columns_of_every_type(final, exact, sparse):
    model = make_pipeline(preparation(sparse=sparse), final).fit(FRAME, TARGET)

    assert distance(*compiled(model)) <= exact


CLASSIFIERS = {
    "logistic": (LogisticRegression(max_iter=2000), EXACT),
    "tree": (DecisionTreeClassifier(min_samples_leaf=4, random_state=0), SHARES),
    "forest": (RandomForestClassifier(20, min_samples_leaf=3, random_state=0), SHARES),
    "extra-trees": (ExtraTreesClassifier(10, random_state=0), SHARES),
    "ridge": (RidgeClassifier(), 0),
    "svc": (LinearSVC(), 0),
}


@pytest.mark.parametrize(("kind", "labels"), each_once(CLASSIFIERS, LABELS))
def test_a_classification_on_columns_of_every_type(kind, labels):
    final, exact = CLASSIFIERS[kind]
    model = make_pipeline(preparation(), final).fit(FRAME, LABELS[labels])

    own, other = compiled(model)
    if own.probabilities is not None:
        assert distance(own, other) <= exact


NUMBERS = FRAME[["seen_at", "member"]].to_numpy()


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(10, random_state=0),
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(50, max_depth=4, random_state=0),
    ],
    ids=["forest", "tree-classes", "forest-classes"],
)
def test_trees_on_bare_timestamps_split_where_scikit_learn_does(model):
    target = TARGET if "Regressor" in type(model).__name__ else LABELS["integers"]

    own, other = compiled(model.fit(NUMBERS, target), None)

    assert distance(own, other) <= SHARES


def test_trees_trained_on_missing_values_predict_the_same():
    frame = FRAME[["age", "visits"]]
    columns = tuple(Column(name, "number", nullable=True) for name in frame)

    for model in (DecisionTreeRegressor(random_state=0), RandomForestRegressor(10, random_state=0)):
        assert distance(*compiled(model.fit(frame, TARGET), columns)) == 0


def test_a_tree_of_one_leaf_compiles():
    regression = DecisionTreeRegressor().fit(NUMBERS, np.full(len(NUMBERS), 2.5))
    own, other = compiled(regression, None)

    assert own.values == other.values == [2.5] * 2000


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(MinMaxScaler(), LinearRegression()),
        make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]), Ridge()),
        make_pipeline(FunctionTransformer(), StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), PoissonRegressor()),
        GradientBoostingRegressor(n_estimators=20, random_state=0),
        GradientBoostingClassifier(n_estimators=10, random_state=0),
        make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)),
        make_pipeline(StandardScaler(), GaussianNB()),
    ],
    ids=["minmax", "union", "identity", "poisson", "boosted", "boosted-classes", "sgd", "bayes"],
)
def test_other_preprocessing_steps_are_converted(model):
    labels = hasattr(model, "predict_proba") or "sgd" in str(model).lower()
    target = LABELS["texts"] if labels else np.abs(TARGET)

    own, other = compiled(model.fit(NUMBERS, target), None)

    assert distance(own, other) <= 1e-6


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_numeric_categories_and_a_dropped_one_compile():
    encode = OneHotEncoder(handle_unknown="ignore", drop="first")
    model = make_pipeline(ColumnTransformer([("one", encode, ["visits", "city"])]), Ridge())

    inputs = tuple(column for column in INPUTS if column.name in {"visits", "city"})
    assert distance(*compiled(model.fit(FRAME[["visits", "city"]], TARGET), inputs)) <= EXACT


def test_nulls_and_unknown_texts_predict_the_same():
    model = make_pipeline(preparation(), LinearRegression()).fit(FRAME, TARGET)
    signature = signature_of(model)
    made = compile_model(model, signature, None)
    ours, theirs = SklearnPredictor(model, signature), OnnxPredictor(made.blobs["onnx"], signature)

    ages = (np.nan, 18.0, -1.0, 0.0, np.nextafter(18, 19), 90.0, 91.0)
    for city in ("Leeds", "Paris", "", "missing", "\ud800", "\0", np.nan, float("nan")):
        for age in ages if city == "Leeds" else ages[:2]:
            row = EXAMPLE | {"age": age, "visits": np.nan, "city": city, "plan": np.nan}
            columns = {
                name: np.array([value], dtype=object if name in {"city", "plan"} else float)
                for name, value in row.items()
            }
            own, other = both(ours, theirs, Batch(columns, 1))
            assert other.values == pytest.approx(own.values, rel=EXACT)


@pytest.mark.parametrize("final", [Ridge(), DecisionTreeRegressor(random_state=0)], ids=str)
def test_a_number_at_a_binarizer_s_threshold_is_not_above_it(final):
    visits = np.arange(20.0).repeat(5).reshape(-1, 1)
    model = make_pipeline(Binarizer(threshold=10.0), final).fit(visits, visits[:, 0] > 10)
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    assert made.engine["name"] in {"linear", "trees"}

    edges = np.array([-1e30, 9.0, np.nextafter(10, 9), 10.0, np.nextafter(10, 11)])
    batch = Batch({"x0": edges}, len(edges))

    own = SklearnPredictor(model, signature).predict(batch).values
    assert len(set(own)) == 2
    for forms in (made.blobs, {"onnx": made.blobs["onnx"]}):
        theirs = compiled_predictor(forms, made.blobs.__getitem__, signature)
        assert theirs.predict(batch).values == pytest.approx(own, rel=EXACT)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_rows_whose_norm_is_zero_or_tiny_are_normalized_as_scikit_learn_does(norm):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    model = make_pipeline(Normalizer(norm), Ridge()).fit(rows, rows[:, 0])
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    assert made.engine["name"] == "onnx"

    tiny = np.array([0.0, 1e-170, 1e-30, 1e-20, 1e-16, 2.2e-15, 2.3e-15, 1e-14, 1e-9, 1.0, 1e160])
    columns = {"x0": tiny, "x1": -tiny / 3, "x2": np.where(tiny < 1e-15, 0.0, tiny / 5)}
    both_answers = both(
        SklearnPredictor(model, signature),
        compiled_predictor(made.blobs, made.blobs.__getitem__, signature),
        Batch(columns, len(tiny)),
    )

    assert distance(*both_answers) <= EXACT


def multiplying(_, signature):
    """A file that takes about half a second for a row: 80 products with one large matrix."""
    graph, given = Graph(), input_block(signature)
    same, last = graph.constant(np.eye(2048)), graph.constant(np.ones((2048, 1)))
    tensor = graph.add("MatMul", graph.tensor(given), graph.constant(np.ones((2, 2048))))
    for _ in range(80):
        tensor = graph.add("MatMul", tensor, same)
    return to_bytes(graph, given, {"value": graph.add("MatMul", tensor, last)})


def test_slow_models_are_served_in_a_separate_process():
    """A worker stops a batch between two rows at the earliest."""
    model = LinearRegression().fit(NUMBERS, TARGET)

    made = compile_model(model, read_signature(model, None), None, multiplying)

    assert made.engine["name"] == "scikit-learn"
    assert made.engine["reason"].endswith("s as ONNX; at most 0.25 s are allowed in a worker.")


def test_probabilities_that_are_not_numbers_are_refused():
    model = GaussianNB().fit(NUMBERS, LABELS["texts"])
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    assert made.engine["name"] == "onnx"
    batch = Batch({"x0": np.array([1.7e9, 1e300]), "x1": np.array([0.0, 1e300])}, 2)

    with pytest.raises(PredictionRefused, match="row 1"):
        OnnxPredictor(made.blobs["onnx"], signature).predict(batch, probabilities=True)
