"""Trees and forests that are uploaded are walked by our own kernel, to scikit-learn's last bit."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from registry.codecs.batch import build_batch
from registry.codecs.data_frame import to_frame
from registry.engines import forest
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused, PredictionRefused
from registry.intake.compilation import compile_model
from registry.intake.forms import FORM_LIMITS
from registry.intake.samples import sample
from registry.intake.signatures import read_signature
from registry.intake.tree_ensemble_check import MAX_DEPTH
from registry.signature import Column, Output, Signature

pytestmark = pytest.mark.skipif(
    not forest.AVAILABLE, reason="the kernel was not built: there is no C compiler"
)

SHOPS = Signature(
    (Column("area", "number", nullable=True), Column("town", "string"), Column("age", "integer")),
    Output("rent", "number"),
)


def walker(compiled, signature, **instead):
    forms = {**compiled.blobs, **instead}
    return compiled_predictor(forms, forms.__getitem__, signature)


def fitted(estimator, labels=False):
    draws = np.random.default_rng(5)
    columns = {
        "area": draws.uniform(10, 900, 300),
        "town": draws.choice(["Bath", "Leeds", "York"], 300).astype(object),
        "age": draws.integers(0, 90, 300).astype(float),
    }
    columns["area"][::17] = np.nan
    frame = to_frame(columns, SHOPS)
    target = np.nan_to_num(columns["area"]) * 3 + columns["age"] + draws.normal(0, 5, 300)
    if labels:
        target = np.array(["low", "middle", "high"])[np.digitize(target, [800, 1800])]
    prepared = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), ["area", "age"]),
            ("town", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"]),
        ]
    )
    model = make_pipeline(prepared, estimator).fit(frame, target)
    classes = tuple(model.classes_.tolist()) if labels else None
    output = Output("rent", "string" if labels else "number", classes)
    return model, Signature(SHOPS.inputs, output)


@pytest.mark.parametrize(
    ("estimator", "labels"),
    [
        (RandomForestRegressor(20, random_state=0), False),
        (DecisionTreeRegressor(random_state=0), False),
        (RandomForestClassifier(20, random_state=0), True),
        (ExtraTreesClassifier(20, random_state=0), True),
        (DecisionTreeClassifier(random_state=0), True),
    ],
)
def test_walked_forests_predict_scikit_learn_s_values_to_the_last_bit(estimator, labels):
    model, signature = fitted(estimator, labels)
    compiled = compile_model(model, signature, None)
    assert compiled.engine["name"] == "trees"
    assert compiled.engine["max_abs_diff"] == 0
    predictor = walker(compiled, signature)
    own = SklearnPredictor(model, signature)

    batch = sample(model, signature, None, 2000)
    ours = predictor.predict(batch, probabilities=labels)
    theirs = own.predict(batch, probabilities=labels)

    assert ours.values == theirs.values
    if labels:
        assert np.array_equal(ours.probabilities, theirs.probabilities)


def test_a_single_row_predicts_the_same_as_in_a_batch():
    model, signature = fitted(RandomForestRegressor(20, random_state=0))
    compiled = compile_model(model, signature, None)
    predictor = walker(compiled, signature)
    rows = [(120.5, "York", 7), (None, "Nowhere", 80), (33.0, "Bath", 0)]
    many = build_batch(list(zip(*rows, strict=True)), signature, lambda *_: "")

    alone = [
        predictor.predict(
            build_batch([[cell] for cell in row], signature, lambda *_: "", single=True)
        ).values[0]
        for row in rows
    ]

    assert alone == predictor.predict(many).values


def test_numbers_beyond_float32_are_refused_as_in_scikit_learn():
    model, signature = fitted(RandomForestRegressor(5, random_state=0))
    compiled = compile_model(model, signature, None)
    predictor = walker(compiled, signature)
    batch = build_batch([[1e300], ["York"], [3]], signature, lambda *_: "", single=True)

    for one in (predictor, SklearnPredictor(model, signature)):
        with pytest.raises(PredictionRefused):
            one.predict(batch)


def test_a_forest_above_its_limit_is_served_by_onnx_runtime_with_the_reason():
    model, signature = fitted(RandomForestRegressor(5, random_state=0))

    compiled = compile_model(model, signature, None, limits={**FORM_LIMITS, "forest": 1_000})

    assert compiled.engine["name"] == "onnx"
    assert "at most 1000 are allowed" in compiled.engine["reason"]
    assert list(compiled.blobs) == ["onnx"]


@pytest.mark.parametrize("labels", [False, True], ids=["values", "labels"])
def test_a_forest_with_a_too_large_onnx_form_is_walked_without_it(labels):
    kind = RandomForestClassifier if labels else RandomForestRegressor
    model, signature = fitted(kind(5, random_state=0), labels)

    compiled = compile_model(model, signature, None, limits={**FORM_LIMITS, "onnx": 1_000})

    assert compiled.engine["name"] == "trees"
    assert "reason" not in compiled.engine
    assert list(compiled.blobs) == ["columns", "forest"]
    rows = sample(model, signature, None, 50)
    own = SklearnPredictor(model, signature).predict(rows)
    assert walker(compiled, signature).predict(rows).values == own.values


def test_a_large_forest_is_stored_without_an_onnx_form():
    model, signature = fitted(RandomForestRegressor(5, random_state=0))

    both = compile_model(model, signature, None)
    alone = compile_model(model, signature, None, onnx_up_to=1_000)

    assert list(both.blobs) == ["onnx", "columns", "forest"]
    assert list(alone.blobs) == ["columns", "forest"]
    assert alone.engine == both.engine


def test_a_tree_too_deep_for_onnx_runtime_is_walked():
    rows = np.arange(1_200.0).reshape(-1, 1)
    # Of two labels in turn the best split takes one row off an end.
    model = DecisionTreeClassifier().fit(rows, rows.ravel() % 2)
    assert model.get_depth() > MAX_DEPTH

    compiled = compile_model(model, read_signature(model, None), None)

    assert compiled.engine["name"] == "trees"
    assert list(compiled.blobs) == ["columns", "forest"]


def test_a_forest_too_large_for_every_form_is_served_by_scikit_learn():
    model, signature = fitted(RandomForestRegressor(5, random_state=0))

    limits = {**FORM_LIMITS, "forest": 1_000, "onnx": 1_000}
    compiled = compile_model(model, signature, None, limits=limits)

    assert compiled.engine["name"] == "scikit-learn"
    assert "at most 1000 are allowed" in compiled.engine["reason"]
    assert compiled.blobs == {}


def test_models_other_than_forests_are_not_walked():
    model, signature = fitted(LinearRegression())

    compiled = compile_model(model, signature, None)

    assert compiled.engine["name"] == "linear"
    assert set(compiled.blobs) == {"onnx", "columns", "linear"}


def test_preprocessing_that_combines_columns_is_an_onnx_program():
    model, signature = fitted(make_pipeline(Normalizer(), RandomForestRegressor(5, random_state=0)))
    compiled = compile_model(model, signature, None)

    assert compiled.engine["name"] == "trees"
    assert set(compiled.blobs) == {"onnx", "features", "forest"}
    batch = sample(model, signature, None, 5000)
    ours = walker(compiled, signature).predict(batch)
    assert ours.values == SklearnPredictor(model, signature).predict(batch).values


def test_a_refused_row_is_located_in_the_whole_batch():
    model, signature = fitted(RandomForestRegressor(2, random_state=0))
    predictor = walker(compile_model(model, signature, None), signature)
    rows = 100_000
    areas = [1.0] * rows
    areas[-1] = 1e300

    batch = build_batch([areas, ["York"] * rows, [3] * rows], signature, lambda *_: "")

    with pytest.raises(PredictionRefused, match="Row 99999"):
        predictor.predict(batch)


def test_forms_that_do_not_match_are_refused():
    model, signature = fitted(RandomForestRegressor(5, random_state=0))
    compiled = compile_model(model, signature, None)
    other = make_pipeline(DecisionTreeRegressor()).fit(np.eye(3), [1.0, 2.0, 3.0])
    alien = compile_model(other, read_signature(other, None), None)

    with pytest.raises(ArtifactRefused):
        walker(compiled, signature, columns=alien.blobs["columns"])
    with pytest.raises(ArtifactRefused):
        walker(compiled, signature, forest=b"no trees")
