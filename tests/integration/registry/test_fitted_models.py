"""Every allowed estimator: accepted as it was fitted, refused where its arrays disagree."""

import io
from functools import cache

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer
from sklearn.svm import SVR

from registry.errors import ArtifactRefused
from registry.formats import structure
from registry.formats.allowed import ESTIMATORS
from registry.formats.joblib_format import read_joblib
from registry.formats.reading import read_model
from registry.formats.shapes import MAX_WIDTH, SHAPES
from registry.formats.structure import check_structure
from registry.intake.inspection import inspect
from tests.attacks.indices import HOSTILE
from tests.attacks.opcodes import written
from tests.integration.registry.fitted import NAMES, X, Y, fitted
from tests.integration.registry.popular_models import POPULAR, popular
from tests.integration.registry.test_popular_models import REFUSED
from tests.marks import third_fast

ACCEPTED = [f"popular {name}" for name in POPULAR if name not in REFUSED]
NOTHING_TO_CHECK = {
    "Binarizer",
    "FeatureUnion",
    "FunctionTransformer",
    "HashingVectorizer",
    "LabelBinarizer",  # held to the classes of the estimator that it belongs to
    "LabelEncoder",
    "Normalizer",
    "Pipeline",
    "SelectFromModel",
    "TransformedTargetRegressor",
}
"""Estimators that store no array, position or count of their own to predict with."""


@cache
def stored(name):
    """The bytes of a fitted model."""
    model = popular(name.partition(" ")[2])[0] if name in ACCEPTED else fitted(name)[0]
    return written(model, "joblib")


def unchecked(name):
    """A fitted model as it is read, before it is checked."""
    return read_joblib(io.BytesIO(stored(name)))


@cache
def parts_by_class():
    """The name of a fitted model that has it, for each class and each of its attributes."""
    found = {}
    for name in (*NAMES, *ACCEPTED):
        for part in structure._parts(unchecked(name)):
            for key in vars(part) if isinstance(part, BaseEstimator) else ():
                if vars(part)[key] is not None:
                    found.setdefault((type(part).__name__, key), name)
    return found


def spoilt(kind, key, change):
    """A fitted model whose first ``kind`` has another ``key``."""
    model = unchecked(parts_by_class()[kind, key])
    for part in structure._parts(model):
        if type(part).__name__ == kind and vars(part).get(key) is not None:
            vars(part)[key] = change(vars(part)[key])
            return model
    raise LookupError(kind, key)


def longer(value):
    """An array that is longer by one in each dimension, or the count with one more."""
    if isinstance(value, int | np.integer):
        return value + 1
    return np.ones([length + 1 for length in np.shape(value)] or [2, 7, 2])


def refusal(model):
    with pytest.raises(ArtifactRefused) as refused:
        check_structure(model)
    return refused.value.detail


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning")
@pytest.mark.parametrize("name", third_fast(NAMES))
def test_fitted_models_are_accepted_and_predict_as_before(name):
    model, rows = fitted(name)
    # Half of them in each format: what is checked is the same, once the file is read.
    format_ = ("joblib", "skops")[NAMES.index(name) % 2]

    again = read_model(io.BytesIO(written(model, format_)), format_)

    assert np.array_equal(again.predict(rows), model.predict(rows))


@pytest.mark.slow  # it fits them all
def test_every_allowed_estimator_is_tested_fitted():
    classes = {kind for kind, _ in parts_by_class()}

    assert {name.rpartition(".")[2] for name in ESTIMATORS} <= classes


def test_every_allowed_estimator_has_checks_or_needs_none():
    checked = {*SHAPES, *structure.CHECKS, *structure.MEMBER_CHECKS}

    classes = {name.rpartition(".")[2] for name in ESTIMATORS}
    assert classes == {kind for kind in checked if not kind.startswith("_")} | NOTHING_TO_CHECK
    assert not checked & NOTHING_TO_CHECK


@pytest.mark.parametrize(
    ("kind", "key"),
    third_fast((kind, key) for kind, shapes in SHAPES.items() for key in shapes),
)
def test_inconsistent_arrays_and_counts_are_refused(kind, key):
    said = refusal(spoilt(kind, key, longer))

    assert kind in said


@pytest.mark.parametrize("kind", third_fast(sorted(SHAPES)))
def test_more_features_than_the_arrays_support_are_refused(kind):
    if (kind, "n_features_in_") in parts_by_class():
        said = refusal(spoilt(kind, "n_features_in_", lambda _: 2**31 - 1))

        assert f"{kind} states that it takes 2147483647 features" in said


@pytest.mark.parametrize("name", third_fast(HOSTILE))
def test_indices_and_counts_out_of_range_are_refused(name):
    with pytest.raises(ArtifactRefused):
        read_model(io.BytesIO(written(HOSTILE[name](), "joblib")), "joblib")


def test_a_refusal_names_the_expected_shape():
    model = GaussianNB().fit(X, Y > 0)
    model.theta_ = model.theta_[:, :3]

    assert refusal(model) == (
        "GaussianNB has a 'theta_' of shape (2, 3), expected (2 classes, 4 features)."
    )


def test_an_init_without_the_method_that_boosting_calls_is_refused():
    model = GradientBoostingClassifier(n_estimators=2).fit(X, Y > 0)
    model.init_ = LinearRegression().fit(X, Y)

    assert refusal(model) == (
        "GradientBoostingClassifier does not have the attributes that scikit-learn stores: "
        "AttributeError: 'LinearRegression' object has no attribute 'predict_proba'"
    )


@pytest.mark.parametrize("names", [["a", "b"], [["a", "b", "c", "d"]], [1, 2, 3, 4]])
def test_feature_names_that_do_not_match_the_columns_are_refused(names):
    model = VotingRegressor([("a", Ridge()), ("b", LinearRegression())]).fit(X, Y)
    model.feature_names_in_ = np.array(names, dtype=object)

    assert refusal(model) == (
        "VotingRegressor has 'feature_names_in_' that are not one for each feature."
    )


STARTS = {
    "OneHotEncoder": make_pipeline(OneHotEncoder(), Ridge()),
    "OrdinalEncoder": make_pipeline(OrdinalEncoder(), Ridge()),
    "one column": make_pipeline(
        ColumnTransformer([("a", OneHotEncoder(), [1])], remainder="passthrough"), Ridge()
    ),
    "in a vote": VotingRegressor([("a", make_pipeline(OneHotEncoder(), Ridge()))]),
    "positive": make_pipeline(PowerTransformer(method="box-cox"), Ridge()),
}


@pytest.mark.parametrize("name", STARTS)
def test_boosting_from_an_estimator_that_refuses_zeros_is_accepted(name):
    rows = np.column_stack([np.tile([1, 2, 3], 20), np.tile([5, 6], 30)])
    model = GradientBoostingRegressor(init=STARTS[name], n_estimators=2).fit(rows, Y)

    again = read_model(io.BytesIO(written(model, "joblib")), "joblib")

    assert np.array_equal(again.predict(rows), model.predict(rows))
    predictor = inspect(io.BytesIO(written(model, "skops")), "skops", {})
    assert predictor.signature.names == ("x0", "x1")


def test_an_init_that_refuses_every_generated_row_is_refused_with_advice():
    start = make_pipeline(FeatureUnion([("a", OneHotEncoder())]), Ridge())
    model = GradientBoostingRegressor(init=start, n_estimators=2).fit(
        np.tile([[2], [3]], (30, 1)), Y
    )

    said = refusal(model)

    assert said.startswith(
        "GradientBoostingRegressor is not supported with an 'init' that refuses a row made to "
        "check it: Found unknown categories"
    )
    assert "handle_unknown='ignore', or use another 'init'" in said


def test_members_are_checked_before_the_ensemble_calls_them():
    said = refusal(HOSTILE["boosting from bagging of a column that it does not have"]())

    assert (
        said
        == "BaggingClassifier has 'estimators_features_' that do not fit its estimators ('init_')."
    )


def test_unfitted_templates_in_a_model_are_accepted():
    model = BaggingRegressor(SVR(), n_estimators=2).fit(X, Y)

    check_structure(model)


def test_class_attributes_cannot_be_replaced():
    model = SVR().fit(X, Y)
    model._impl = "c_svc"

    assert "_impl' is replaced by the file" in refusal(model)


def test_as_many_features_as_a_step_may_take_are_accepted():
    model = LinearRegression().fit(X, Y)
    model.n_features_in_, model.coef_ = MAX_WIDTH, np.zeros(MAX_WIDTH)
    check_structure(model)

    model.n_features_in_, model.coef_ = MAX_WIDTH + 1, np.zeros(MAX_WIDTH + 1)
    assert "1 to 1048576 are allowed" in refusal(model)
