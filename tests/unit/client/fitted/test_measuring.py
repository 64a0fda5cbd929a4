"""What ``hotswap.log`` derives from a model and its data, and what it refuses."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from hotswap.fitted.log import measure
from hotswap.fitted.saving import save
from hotswap.labels import label_text

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X[:, 0]
FRAME = pd.DataFrame(X, columns=["a", "b"])
LABELS = np.where(Y > 0, "up", "down")
LINE = LinearRegression().fit(X, Y)
NAMED = LinearRegression().fit(FRAME, Y)
INFINITE = LinearRegression().fit(X, Y)
INFINITE.intercept_ = np.inf
CLASSES = LogisticRegression().fit(X, LABELS)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((LINE, X, X, Y[:3]), "y_test has 3 values for 40 rows"),
        ((LINE, X, X[:1], Y[:1]), "at least two rows"),
        ((LINE, X, X, np.full(40, np.nan)), "y_test has 40 missing values"),
        ((LINE, X, X, np.full(40, np.inf)), "infinite"),
        ((LINE, X, X, LABELS), "not numbers"),
        ((LINE, X, X, Y.astype("datetime64[s]")), r"not numbers, but of the type datetime64\[s\]"),
        ((LINE, X, X, Y + 1j), "not numbers, but of the type complex128"),
        ((LINE, X, np.where(X > 1, np.inf, X), Y), "X_test has infinite values in the column 'x0'"),
        ((INFINITE, X, X, Y), "The model predicts NaN or infinity for "),
        ((LinearRegression, X, X, Y), "Expected a fitted model"),
        (("model.pkl", X, X, Y), "Expected a fitted model of scikit-learn's kind, not 'model.pkl'"),
        ((LINE, X, X, np.column_stack([Y, Y])), "several outputs"),
        ((LINE, X, X[:, :1], Y), "X_train has the columns"),
        ((NAMED, FRAME, FRAME[["b", "a"]], Y), "X_train has the columns"),
        ((NAMED, FRAME[["b", "a"]], FRAME[["b", "a"]], Y), "was fitted on the columns"),
        ((CLASSES, X, X, np.arange(40)), "None of the labels in y_test, such as 0"),
        ((KMeans(2).fit(X), X, X, Y), "KMeans is neither a regressor nor a classifier"),
        ((LINE, X, X, Y, Y[:5]), "y_train has 5 values for 40 rows"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_the_reason(arguments, why):
    with pytest.raises(ValueError, match=why):
        measure(*arguments)


def test_a_model_is_called_with_names_or_without_as_it_was_fitted():
    """scikit-learn warns otherwise, and warnings are errors here."""
    measure(LINE, FRAME, FRAME, Y)
    measure(NAMED, X, X, Y)


def test_the_names_are_found_inside_a_model_that_does_not_know_them():
    text = FRAME.assign(a=LABELS)
    columns = ColumnTransformer([("a", OneHotEncoder(), ["a"])], remainder="passthrough")
    inner = make_pipeline("passthrough", columns, LinearRegression())
    for model in (TransformedTargetRegressor(inner), VotingRegressor([("one", inner)])):
        said = measure(model.fit(text, Y), text, text, Y)
        assert [one["type"] for one in said["signature"]["inputs"]] == ["string", "number"]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(LABELS, dtype=object),
        pd.Series(LABELS, dtype="string"),
        pd.Series(LABELS, dtype="category"),
        pd.Series(Y > 0, dtype="boolean"),
        pd.Series((Y > 0).astype(int), dtype="Int64"),
        (Y > 0).astype(float),
        (Y > 0).tolist(),
    ],
    ids=["object", "string", "category", "boolean", "Int64", "floats", "list"],
)
def test_labels_have_any_type_that_scikit_learn_takes(labels):
    plain = np.array(np.asarray(labels).tolist())
    fitted_on = plain if getattr(labels, "dtype", None) in ("Int64", "boolean") else labels
    model = LogisticRegression().fit(X, fitted_on)
    said = measure(model, X, X, labels)
    assert said["metrics"]["accuracy"] == accuracy_score(plain, model.predict(X))
    assert said["evaluation"]["roc"][0]["class"] == np.unique(plain)[-1]
    counted = said["evaluation"]["profile"]["output"]["values"]
    assert list(counted) == [label_text(label) for label in np.unique(plain).tolist()]
    json.dumps(said, allow_nan=False)


def test_a_label_that_training_did_not_see_has_no_probability():
    labels = LABELS.astype(object)
    labels[0] = "sideways"
    metrics = measure(CLASSES, X, X, labels)["metrics"]
    assert metrics["accuracy"] <= 39 / 40
    assert not {"log_loss", "roc_auc"} & metrics.keys()


def test_a_column_is_nullable_where_it_has_gaps_and_left_to_the_service_where_gaps_are_filled():
    gaps = X.copy()
    gaps[3, 1] = np.nan
    filled = make_pipeline(SimpleImputer(), LinearRegression())
    refused = make_pipeline(StandardScaler(), LinearRegression())
    for model, train, test, expected in (
        (refused, X, X, [False, False]),
        (filled, X, X, [None, None]),
        (filled, gaps, X, [None, True]),
        (filled, X, gaps, [None, True]),
    ):
        inputs = measure(model.fit(train, Y), train, test, Y)["signature"]["inputs"]
        assert [one.get("nullable") for one in inputs] == expected


def test_the_output_has_the_name_of_the_target_and_the_classes_of_the_model():
    named = measure(LINE, X, X, pd.Series(Y, name="price"))["signature"]
    assert named["output"] == {"name": "price", "type": "number"}
    assert measure(CLASSES, X, X, LABELS)["signature"]["output"] == {
        "name": "prediction",
        "type": "string",
        "classes": ["down", "up"],
    }


def test_coefficients_of_pairs_of_classes_are_not_those_of_classes():
    three = np.digitize(Y, [-0.5, 0.5])
    for model, by_class in ((LogisticRegression(), True), (SVC(kernel="linear"), False)):
        found = measure(model.fit(X, three), X, X, three)["evaluation"]["coefficients"]
        assert ("by_class" in found[0]) is by_class


def test_the_same_model_gives_the_same_bytes_and_metadata():
    assert save(LINE) == save(LinearRegression().fit(X, Y))
    assert measure(CLASSES, X, X, LABELS) == measure(CLASSES, X, X, LABELS)


def test_without_skops_a_model_is_saved_by_joblib(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io.exceptions", None)
    assert save(LINE)[0] == "joblib"
