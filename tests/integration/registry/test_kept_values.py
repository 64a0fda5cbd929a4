"""What a model knows of its columns: texts or numbers, objects or doubles, ``None`` or NaN."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from registry.codecs.json_body import decode_json
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused, MetadataRefused
from registry.intake.compilation import compile_model
from registry.intake.signatures import read_signature

ANSWERS = np.array([1.0, 5.0, 2.0] * 20)
ENCODERS = [
    OneHotEncoder(handle_unknown="ignore"),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
]


def table(*values):
    return pd.DataFrame({"c": pd.Series(list(values) * 20, dtype=object)})


def fitted(frame, *steps):
    return make_pipeline(*steps, LinearRegression()).fit(frame, ANSWERS)


def answers(model, body, signature=None):
    """What is answered to ``body`` by scikit-learn, and by the compiled form if there is one."""
    signature = read_signature(model, signature)
    batch = decode_json(body, signature)
    found = [SklearnPredictor(model, signature).predict(batch).values]
    made = compile_model(model, signature, None)
    if made.blobs:
        serving = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
        found.append(serving.predict(batch).values)
    return found


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
@pytest.mark.parametrize("null", [None, np.nan], ids=str)
def test_nulls_become_the_null_that_the_model_was_trained_with(encoder, null):
    frame = table("a", null, "b")
    model = fitted(frame, encoder)

    for found in answers(model, b'{"instances": [{"c": "a"}, {"c": null}, {"c": "b"}]}'):
        assert found == pytest.approx(model.predict(frame[:3]).tolist())


def test_an_encoder_after_a_passthrough_step_is_found():
    frame = table("a", "b", "c")
    model = fitted(frame, "passthrough", OneHotEncoder())

    for found in answers(model, b'{"instances": [{"c": "a"}, {"c": "c"}]}'):
        assert found == pytest.approx(model.predict(frame[:3]).tolist()[::2])


def test_an_encoder_inside_an_ensemble_is_found():
    frame = table("a", "b", "c")
    member = make_pipeline(OneHotEncoder(), LinearRegression())
    model = VotingRegressor([("a", TransformedTargetRegressor(member))]).fit(frame, ANSWERS)

    for found in answers(model, b'{"instances": [{"c": "a"}, {"c": "c"}]}'):
        assert found == model.predict(frame[:3]).tolist()[::2]


def test_a_constant_for_missing_numbers_leaves_them_numbers():
    frame = pd.DataFrame({"c": [1.0, np.nan, 3.0] * 20})
    imputer = SimpleImputer(strategy="constant", fill_value=0)
    model = fitted(frame, imputer, FunctionTransformer(np.arcsinh))

    for found in answers(model, b'{"instances": [{"c": 1}, {"c": null}, {"c": 3}]}'):
        assert found == pytest.approx(model.predict(frame[:3]).tolist())


def test_numbers_beside_a_constant_text_that_replaced_none_stay_numbers():
    frame = pd.DataFrame({"city": ["a", "b", None] * 20, "code": [1, 2, 3] * 20}, dtype=object)
    imputer = SimpleImputer(strategy="constant", fill_value="none", missing_values=None)
    model = fitted(frame, imputer, OneHotEncoder(handle_unknown="ignore"))
    records = frame[:3].to_json(orient="records")

    assert [column.type for column in read_signature(model, None).inputs] == ["string", "number"]
    for found in answers(model, f'{{"instances": {records}}}'.encode()):
        assert found == pytest.approx(model.predict(frame[:3]).tolist())


def test_an_imputer_of_none_fills_a_null():
    frame = table("a", None, "b")
    fill = SimpleImputer(missing_values=None, strategy="constant", fill_value="b")
    model = fitted(frame, fill, OneHotEncoder(handle_unknown="ignore"))

    (found,) = answers(model, b'{"instances": [{"c": null}]}')
    assert found == pytest.approx(model.predict(frame[1:2]).tolist())


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
@pytest.mark.parametrize(
    ("values", "type_", "body"),
    [
        ((True, np.nan, False), "boolean", b'{"inputs": {"c": [true, null, false]}}'),
        ((True, None, False), "boolean", b'{"inputs": {"c": [true, null, false]}}'),
        ((1, 2, 3), "number", b'{"inputs": {"c": [1, 2, 3]}}'),
        ((1, None, 3.5), "number", b'{"inputs": {"c": [1, null, 3.5]}}'),
    ],
    ids=str,
)
def test_numeric_categories_stored_as_objects_are_numbers(encoder, values, type_, body):
    frame = table(*values)
    model = fitted(frame, encoder)

    (column,) = read_signature(model, None).inputs
    assert (column.type, column.nullable) == (
        type_,
        any(pd.isna(value) for value in values),
    )
    for found in answers(model, body):
        assert found == pytest.approx(model.predict(frame[:3]).tolist())


@pytest.mark.parametrize(
    ("values", "said"), [(("10", "20", "30"), "number"), ((10, 20, 30), "string")], ids=str
)
def test_a_declared_type_that_the_model_cannot_know_is_refused(values, said):
    frame = table(*values).infer_objects()
    declared = {
        "inputs": [{"name": "c", "type": said}],
        "output": {"name": "y", "type": "number"},
    }

    with pytest.raises(MetadataRefused) as refused:
        read_signature(fitted(frame, OneHotEncoder(handle_unknown="ignore")), declared)

    assert [fault.at for fault in refused.value.faults] == ["signature.inputs[0].type"]


def test_categories_that_doubles_cannot_distinguish_are_refused():
    frame = pd.DataFrame({"c": np.array([2**53, 2**53 + 1, 2**53 + 2] * 20)})

    with pytest.raises(ArtifactRefused, match="9007199254740993"):
        read_signature(fitted(frame, OneHotEncoder(handle_unknown="ignore")), None)


def test_columns_selected_by_a_slice_of_names_are_read():
    frame = pd.DataFrame(dict.fromkeys("abcd", ANSWERS))
    choice = ColumnTransformer(
        [("some", SimpleImputer(), slice("b", "c"))], remainder="passthrough"
    )
    model = make_pipeline(choice, StandardScaler(), LinearRegression()).fit(frame, ANSWERS)

    nullable = [column.name for column in read_signature(model, None).inputs if column.nullable]
    assert nullable == ["b", "c"]
