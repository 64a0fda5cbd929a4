"""Small real models of scikit-learn, in this process."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from registry.codecs.batch import Batch
from registry.codecs.json_body import decode_json
from registry.engines.predictor import SklearnPredictor, example_batch
from registry.errors import InputRefused, PredictionRefused
from registry.signature import Column, Output, Signature
from tests.factories import MIXED, NUMBERS

FRAME = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 50.0],
        "visits": [1.0, 2.0, 3.0, 4.0],
        "member": [0.0, 1.0, 0.0, 1.0],
        "city": ["Ghent", "Turin", "Ghent", np.nan],
    }
)
SPENDS = np.array([False, True, False, True])
BODY = b'{"instances": [{"age": 25, "visits": 1, "member": true, "city": "Leeds"},\
                        {"age": null, "visits": 4, "member": false, "city": null}]}'


def classifier():
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer(
        [("numbers", SimpleImputer(), ["age", "visits", "member"]), ("text", text, ["city"])]
    )
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, SPENDS)


def test_a_pipeline_predicts_by_column_names_as_scikit_learn_does():
    model = classifier()
    batch = decode_json(BODY, MIXED)
    asked = pd.DataFrame(
        {
            "age": [25.0, np.nan],
            "visits": [1.0, 4.0],
            "member": [1.0, 0.0],
            "city": pd.Series(["Leeds", np.nan], dtype=object),
        }
    )

    answers = SklearnPredictor(model, MIXED).predict(batch, probabilities=True)

    assert answers.values == model.predict(asked).tolist()
    assert all(type(value) is bool for value in answers.values)
    assert np.array_equal(answers.probabilities, model.predict_proba(asked))


def test_a_model_without_column_names_predicts_by_position():
    model = LinearRegression().fit(np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]]), [1.0, 2.0, 4.0])
    batch = decode_json(b'{"width": 5, "length": 3}', NUMBERS)

    assert SklearnPredictor(model, NUMBERS).predict(batch).values == pytest.approx([4.0])


def test_probabilities_are_computed_only_on_request():
    answers = SklearnPredictor(classifier(), MIXED).predict(decode_json(BODY, MIXED))

    assert answers.probabilities is None


def test_only_classifiers_with_probabilities_have_them():
    ridge = RidgeClassifier().fit([[0.0, 0.0], [1.0, 1.0]], [False, True])
    line = LinearRegression().fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 1.0])
    two = Signature(NUMBERS.inputs, Output("y", "boolean", (False, True)))

    assert SklearnPredictor(classifier(), MIXED).has_probabilities
    assert not SklearnPredictor(ridge, two).has_probabilities
    assert not SklearnPredictor(line, NUMBERS).has_probabilities


def test_an_error_of_the_model_is_refused_without_its_message():
    line = LinearRegression().fit([[0.0, 0.0]], [0.0])
    holes = Batch({"length": np.array([np.nan]), "width": np.array([1.0])}, 1)

    with pytest.raises(PredictionRefused, match=r"failed on this input: ValueError\.$"):
        SklearnPredictor(line, NUMBERS).predict(holes)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_prediction_that_is_not_a_finite_number_is_refused():
    line = LinearRegression().fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 1.0])
    line.coef_ = np.array([1e300, 0.0])
    batch = decode_json(b'{"X": [[1, 1], [1e300, 1]]}', NUMBERS)

    with pytest.raises(PredictionRefused, match="row 1 is not a finite number"):
        SklearnPredictor(line, NUMBERS).predict(batch)


def test_a_forest_predicts_in_one_thread():
    forest = RandomForestRegressor(3, n_jobs=2).fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 1.0])
    pipeline = make_pipeline(SimpleImputer(), forest)

    SklearnPredictor(pipeline, NUMBERS)

    assert forest.n_jobs is None


def test_a_row_is_made_from_the_signature_where_no_example_is_given():
    batch = example_batch(MIXED, None)

    assert [array.tolist() for array in batch.columns.values()] == [[0.5], [1.0], [1.0], ["a"]]


def test_values_missing_from_the_example_are_null():
    batch = example_batch(MIXED, {"visits": 1, "member": False})

    assert np.isnan(batch.columns["age"][0])
    with pytest.raises(InputRefused, match=r"input_example\.width"):
        example_batch(NUMBERS, {"length": 1.0})


def test_a_column_named_like_a_step_is_allowed():
    signature = Signature((Column("n_jobs", "number"),), Output("y", "number"))
    line = LinearRegression().fit(pd.DataFrame({"n_jobs": [0.0, 1.0]}), [0.0, 1.0])

    answers = SklearnPredictor(line, signature).predict(decode_json(b'{"n_jobs": 2}', signature))

    assert answers.values == pytest.approx([2.0])
