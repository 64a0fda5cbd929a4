"""XGBoost's and LightGBM's estimators in skops and joblib files predict as their libraries do."""

import io
import json
import zipfile
from functools import cache

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import DMatrix, XGBClassifier, XGBRegressor, train

from registry.codecs.batch import build_batch
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused, MetadataRefused
from registry.formats.reading import read_model
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from tests.attacks.opcodes import written
from tests.integration.registry.booster_pipelines import (
    ARRAY,
    COMPILED,
    LGB,
    OF_CATEGORIES,
    PRICE,
    TWO,
    UNCOMPILED,
    XGB,
    booster,
    labels,
)
from tests.marks import third_fast
from tests.missing_library import missing_library

FAST = {
    "xgb sparse": "skops",
    "xgb sparse passed": "joblib",
    "xgb dart": "skops",
    "xgb stopped early": "joblib",
    "lgb": "skops",
    "lgb sparse": "joblib",
    "lgb whole numbers": "skops",
    "lgb stopped early": "joblib",
    "xgb missing": "skops",
    "xgb selected": "joblib",
    "xgb categories": "skops",
    "lgb categories": "joblib",
}


@cache
def content(name, format_):
    return written(booster(name)[0], format_)


def found(data, format_, declared=None):
    """The inspection of ``data``, where neither library is installed."""
    with missing_library("xgboost"), missing_library("lightgbm"):
        return inspect(io.BytesIO(data), format_, declared or {})


def predictors(data, format_):
    """The inspection, the engine, and what predicts: the model as it is read, and its kernel."""
    inspected = found(data, format_)
    made = inspected.compiled or compile_model(
        inspected.model, inspected.signature, inspected.example
    )
    kernel = compiled_predictor(made.blobs, lambda form: made.blobs[form], inspected.signature)
    given = [kernel] if kernel is not None else []
    if inspected.model is not None:
        given.append(SklearnPredictor(inspected.model, inspected.signature))
    return inspected, made, given


def sent(rows, signature):
    """``rows`` as they are sent: nulls for missing values."""
    if isinstance(rows, pd.DataFrame):
        columns = [rows[name].astype(object) for name in signature.names]
    else:
        columns = np.reshape(np.asarray(rows), (len(rows), -1)).T.tolist()
    cells = [[None if cell != cell else cell for cell in column] for column in columns]  # noqa: PLR0124 - NaN
    return build_batch(cells, signature, lambda row, column: "")


def check(name, format_):
    """Compare all bits of predictions and probabilities; returns the engine."""
    model, rows = booster(name)
    inspected, made, given = predictors(content(name, format_), format_)
    expected = np.asarray(model.predict(rows))
    expected = expected.astype(float) if expected.dtype.kind == "f" else expected
    batch = sent(rows, inspected.signature)
    for predictor in given:
        reply = predictor.predict(batch, probabilities=predictor.has_probabilities)
        assert reply.values == expected.tolist()
        if reply.probabilities is not None:
            shares = model.predict_proba(rows).astype(float)
            assert np.array_equal(np.asarray(reply.probabilities, float), shares)
    one = sent(rows[5:6], inspected.signature)
    # Not the row of the whole prediction: a linear model's sums over one row may be made in another
    # order, which depends on the processor.
    alone = np.asarray(model.predict(rows[5:6]))
    alone = alone.astype(float) if alone.dtype.kind == "f" else alone
    assert given[0].predict(one).values == alone.tolist()
    return made.engine


@pytest.mark.parametrize("name", third_fast(FAST))
def test_an_estimator_in_a_file_predicts_as_its_library_to_the_last_bit(name):
    engine = check(name, FAST[name])

    assert engine["name"] == ("scikit-learn" if name in UNCOMPILED else "trees")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("format_", ["skops", "joblib"])
@pytest.mark.parametrize("name", [*COMPILED, *UNCOMPILED, *OF_CATEGORIES])
def test_every_estimator_and_pipeline_predicts_as_its_library_to_the_last_bit(name, format_):
    engine = check(name, format_)

    assert engine["name"] == ("scikit-learn" if name in UNCOMPILED else "trees")


def test_a_zero_that_a_sparse_matrix_does_not_store_is_missing_to_xgboost():
    model, _ = booster("xgb sparse passed")
    features = model[0].transform(booster("xgb sparse passed")[1])
    assert sparse.issparse(features)
    dense = features.toarray()
    dense[dense == 0] = np.nan  # so the table has zeros that matter
    assert np.array_equal(model[1].predict(features), model[1].predict(dense))
    assert not np.array_equal(model[1].predict(features), model[1].predict(features.toarray()))

    check("xgb sparse passed", "skops")


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [XGBRegressor(**XGB), LGBMRegressor(**LGB)], ids=type)
def test_a_pipeline_may_have_more_features_than_a_model_has_columns(estimator):
    rows = pd.DataFrame({"word": [f"word {at % 11_000}" for at in range(22_000)]})
    target = rows["word"].str.len() + (np.arange(22_000) % 11_000 == 7) * 5.0
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, clone(estimator)).fit(rows, target)

    inspected, made, given = predictors(written(model, "joblib"), "joblib")

    assert made.engine["name"] == "trees"
    batch = sent(rows[:50], inspected.signature)
    for predictor in given:
        assert predictor.predict(batch).values == model.predict(rows[:50]).astype(float).tolist()


def test_the_version_says_what_was_trained_and_with_what():
    inspected, made, _ = predictors(content("xgb sparse", "skops"), "skops")

    assert (inspected.facts["kind"], inspected.facts["task"]) == ("boosting", "classification")
    assert inspected.facts["params"]["max_depth"] == 4
    assert inspected.facts["environment"]["xgboost"].startswith("3.")
    assert made.engine["max_abs_diff"] == 0
    columns = inspected.signature.inputs
    assert [column.type for column in columns] == ["number", "number", "string", "string"]
    assert [column.nullable for column in columns] == [True, True, False, False]


def test_labels_of_an_estimator_on_categories_are_its_own():
    data = content("lgb categories", "skops")
    own = found(data, "skops").signature.to_json()
    assert own["output"]["classes"] == ["cheap", "dear"]
    own["output"]["classes"] = ["dear", "cheap"]

    with pytest.raises(MetadataRefused):
        found(data, "skops", {"signature": own})


def refusal(model, format_="joblib"):
    with pytest.raises(ArtifactRefused) as refused:
        read_model(io.BytesIO(written(model, format_)), format_)
    return refused.value.detail


@pytest.mark.parametrize("format_", ["skops", "joblib"])
@pytest.mark.parametrize(
    ("estimator", "target", "said"),
    [
        (XGBRegressor(booster="gblinear", n_estimators=2, n_jobs=1), PRICE, "booster='gbtree'"),
        (XGBClassifier(objective="binary:logitraw", **XGB), TWO, "with its default objective"),
        (LGBMRegressor(linear_tree=True, **LGB), PRICE, "linear_tree=false"),
        (LGBMClassifier(pred_early_stop=True, **LGB), TWO, "train without it"),
        (LGBMRegressor(objective="multiclass", num_class=4, **LGB), TWO, "train the classifier"),
    ],
    ids=["gblinear", "logitraw", "linear_tree", "pred_early_stop", "multiclass"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_supported_is_refused_with_its_place_and_a_way_out(
    estimator, target, said, format_
):
    model = make_pipeline(StandardScaler(), clone(estimator)).fit(np.nan_to_num(ARRAY), target)

    detail = refusal(model, format_)

    assert said in detail
    assert f"step 2 '{type(estimator).__name__.lower()}'" in detail


def test_an_estimator_of_another_kind_is_refused_with_its_own_format_as_the_way_out():
    ranker = LGBMRanker(**LGB).fit(ARRAY, TWO, group=[len(TWO)])
    learner = train({"nthread": 1}, DMatrix(ARRAY, PRICE), 2)

    assert 'save_model("model.txt")' in refusal(make_pipeline(StandardScaler(), ranker))
    assert 'save_model("model.ubj")' in refusal(learner)


def test_pandas_categories_behind_other_steps_are_refused_with_a_way_out():
    model, rows = booster("xgb categories")
    pipeline = make_pipeline(StandardScaler().fit(np.zeros((2, rows.shape[1]))), model)

    with pytest.raises(ArtifactRefused, match="encode them with OrdinalEncoder"):
        found(written(pipeline, "skops"), "skops")


def rewritten(name, edit=None, rebuild=None):
    """A skops file of the model ``name`` whose estimator's attributes ``edit`` has changed, or with
    what ``rebuild`` makes of the bytes of its booster."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content(name, "skops"))) as given,
        zipfile.ZipFile(made, "w") as kept,
    ):
        for entry in given.namelist():
            data = given.read(entry)
            if edit is not None and entry == "schema.json":
                schema = json.loads(data)
                edit(schema["content"]["content"])
                data = json.dumps(schema).encode()
            if rebuild is not None and entry.endswith(".bin"):
                data = rebuild(data)
            kept.writestr(entry, data)
    made.seek(0)
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda old: old[: len(old) // 2],
        lambda _: b"CONFIG-offset:" + bytes(100),
        lambda _: b'{"Model":{}}',
        lambda old: old.replace(b"left_children[$l#L", b"left_children[$d#L", 1),
    ],
    ids=["cut", "of XGBoost 1.0", "empty", "children as floats"],
)
def test_a_malformed_booster_is_refused_and_never_reaches_the_library(change):
    assert read_model(rewritten("xgb", rebuild=bytes), "skops")

    with missing_library("xgboost"), pytest.raises(ArtifactRefused, match=r"XGBoost|UBJSON"):
        read_model(rewritten("xgb", rebuild=change), "skops")


def text(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("lgb", lambda own: own.update(predict=text("x")), "replaced by the file"),
        ("lgb", lambda own: own.update(_Booster=text(7)), "Is it fitted?"),
        ("lgb", lambda own: own.update(_classes=text("cheap")), "classes"),
        ("lgb", lambda own: own.pop("_classes"), "classes"),
        ("xgb", lambda own: own.update(n_classes_=text(3)), "its 3 classes"),
        ("xgb", lambda own: own.update(n_classes_=text("2")), "how many classes"),
        ("xgb", lambda own: own.update(labels_=text("ab")), "labels_ that are not 2 different"),
        ("xgb", lambda own: own.update(missing=text("os.system")), "not a number"),
        (
            "xgb",
            lambda own: own["_Booster"]["content"]["content"]["handle"].update(file="other"),
            "lacks its file",
        ),
    ],
)
def test_attributes_of_other_types_are_refused(name, change, said):
    with pytest.raises(ArtifactRefused, match=said):
        read_model(rewritten(name, change), "skops")


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_a_file_cannot_name_the_class_that_stands_for_an_estimator(format_):
    kind = type(read_model(io.BytesIO(content("lgb", "skops")), "skops"))
    forged = kind()
    forged.classes_ = np.array(["cheap", "dear"])

    with pytest.raises(ArtifactRefused, match=r"boosting\.estimators"):
        read_model(io.BytesIO(written(forged, format_)), format_)


class Callback:
    """Is named in the file of an estimator, and is not on the allow-list."""


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_what_an_estimator_contains_besides_its_trees_is_never_created(format_):
    model = XGBRegressor(**XGB).fit(ARRAY, PRICE)
    model.set_params(callbacks=[Callback()], eval_metric=Callback)

    again = read_model(io.BytesIO(written(model, format_)), format_)

    assert not {"callbacks", "eval_metric"} & vars(again).keys()
    assert np.array_equal(again.predict(ARRAY), model.predict(ARRAY))


def test_labels_are_those_of_the_classifier():
    inspected, _, (kernel, _) = predictors(content("lgb", "joblib"), "joblib")
    model, rows = booster("lgb")

    assert inspected.signature.output.classes == ("cheap", "dear")
    assert set(kernel.predict(sent(rows, inspected.signature)).values) <= set(labels(TWO))
    assert model.classes_.tolist() == ["cheap", "dear"]


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_labels_that_training_adds_to_xgboost_are_its_classes(format_):
    model = XGBClassifier(**XGB).fit(ARRAY, TWO)
    model.labels_ = np.array(["cheap", "dear"])

    read = read_model(io.BytesIO(written(model, format_)), format_)

    assert read.classes_.tolist() == ["cheap", "dear"]
    assert read.predict(ARRAY).tolist() == model.labels_[model.predict(ARRAY)].tolist()
    for wrong in (["cheap"], ["dear", "dear"], [0.5, 1.5], [["cheap", "dear"]]):
        model.labels_ = np.array(wrong)
        assert "labels_ that are not 2 different" in refusal(model, format_)
