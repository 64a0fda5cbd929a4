"""Models on dates are compiled, and predict as scikit-learn does for any date."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.codecs.batch import Batch
from registry.codecs.data_frame import to_frame
from registry.codecs.json_reader import JsonReader
from registry.dates import FIRST, LAST, parse_date
from registry.engines.loading import compiled_predictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.predictor import SklearnPredictor
from registry.errors import ArtifactRefused, MetadataRefused
from registry.formats.reading import read_model
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from registry.intake.samples import known_row, sample
from registry.intake.signatures import read_signature
from registry.preprocessing import DateEncoder
from registry.signature import Column, Output, Signature
from tests.marks import first_fast

_DRAWS = np.random.default_rng(3)
ROWS = 400
MOMENTS = np.datetime64("2023-01-01T00:00", "us") + _DRAWS.integers(0, 10**14, ROWS)
FRAME = pd.DataFrame(
    {
        "sold": MOMENTS.astype("datetime64[s]").astype("datetime64[us]"),
        "born": MOMENTS.astype("datetime64[D]").astype("datetime64[us]"),
        "city": pd.Series(_DRAWS.choice(["Ghent", "Leeds"], ROWS), dtype=object),
        "size": _DRAWS.normal(size=ROWS),
    }
)
FRAME.loc[_DRAWS.random(ROWS) < 0.1, "born"] = pd.NaT
AMOUNT = FRAME["sold"].dt.month + FRAME["sold"].dt.hour / 7 + FRAME["size"]
MANY = np.where(np.greater(AMOUNT, AMOUNT.median()), "many", "few")
INPUTS = (
    Column("sold", "date"),
    Column("born", "date", nullable=True),
    Column("city", "string"),
    Column("size", "number"),
)
HOSTILE = [
    *("0001-01-01", "0004-02-29", "1582-10-04", "1900-02-28T23:59:59.999999", "1900-03-01"),
    *("1969-12-31T23:59:59.999999", "1970-01-01T00:00:00.000001", "2000-02-29T12:00:00Z"),
    *("2024-02-29T23:59:59+14:00", "2024-12-31T23:30:00-05:00", "2038-01-19T03:14:08"),
    *("2242-03-16T12:56:32.000001", "9999-12-31T23:59:59.999999", "2026-10-25T02:30:00+01:00"),
]


def fitted(estimator, target, *, cyclic):
    dates = DateEncoder(cyclic=cyclic)
    missing = DateEncoder(cyclic=cyclic, fill="median")
    columns = ColumnTransformer(
        [
            ("dates", make_pipeline(dates, StandardScaler()) if cyclic else dates, ["sold"]),
            ("missing", make_pipeline(missing, StandardScaler()) if cyclic else missing, ["born"]),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
            ("as_is", "passthrough", ["size"]),
        ]
    )
    return make_pipeline(columns, estimator).fit(FRAME, target)


MODELS = {
    "linear": lambda: fitted(LinearRegression(), AMOUNT, cyclic=True),
    "logistic": lambda: fitted(LogisticRegression(), MANY, cyclic=True),
    "trees of a regression": lambda: fitted(
        RandomForestRegressor(10, random_state=0), AMOUNT, cyclic=False
    ),
    "trees of a classification": lambda: fitted(
        RandomForestClassifier(10, random_state=0), MANY, cyclic=False
    ),
}


def hostile_batch():
    """Every hostile date, at each of many random hours of all years."""
    draws = np.random.default_rng(5)
    moments = np.rint(draws.uniform(FIRST, LAST, 2_000))
    moments[: len(HOSTILE)] = [parse_date(text) for text in HOSTILE]
    born = draws.permutation(moments)
    born[::7] = np.nan
    city = np.array(["Ghent", "Leeds", "Łódź"], dtype=object)[draws.integers(0, 3, 2_000)]
    columns = {"sold": moments, "born": born, "city": city, "size": draws.normal(size=2_000)}
    return Batch(columns, 2_000)


@pytest.mark.parametrize("name", first_fast(MODELS, 2))
def test_a_model_on_dates_is_compiled_and_predicts_the_same_bits(name):
    model = MODELS[name]()
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)

    assert made.engine["name"] == ("trees" if "trees" in name else "linear"), made.engine
    own = SklearnPredictor(model, signature)
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    onnx = OnnxPredictor(made.blobs["onnx"], signature)
    ask = own.has_probabilities
    for batch in (sample(model, signature, None, 2_000), hostile_batch()):
        expected = own.predict(batch, probabilities=ask)
        found = served.predict(batch, probabilities=ask)
        assert found.values == expected.values
        if ask:
            assert np.array_equal(found.probabilities, expected.probabilities)
        other = onnx.predict(batch, probabilities=ask)
        if ask:
            assert np.abs(other.probabilities - expected.probabilities).max() < 1e-6
        else:
            assert other.values == pytest.approx(expected.values, rel=1e-6)


def test_one_row_of_text_is_predicted_as_the_dataframe_of_the_training():
    model = MODELS["linear"]()
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    row = b'{"sold": "2024-02-29T10:00:00+02:00", "born": null, "city": "Ghent", "size": 1}'

    predicted = served.predict(JsonReader(signature).read(row)).values

    frame = pd.DataFrame(
        {
            "sold": pd.to_datetime(["2024-02-29T08:00:00"]),
            "born": pd.to_datetime([None]),
            "city": pd.Series(["Ghent"], dtype=object),
            "size": [1.0],
        }
    )
    assert predicted == model.predict(frame).tolist()


def test_the_signature_of_a_model_on_dates_is_read_from_it():
    signature = read_signature(MODELS["linear"](), None)

    assert signature.inputs == INPUTS


@pytest.mark.parametrize(
    ("type_", "column"), [("number", 0), ("string", 0), ("date", 2), ("integer", 1)]
)
def test_a_declared_type_that_does_not_fit_is_refused(type_, column):
    model = MODELS["linear"]()
    inputs = list(INPUTS)
    inputs[column] = Column(inputs[column].name, type_)
    declared = Signature(tuple(inputs), Output("amount", "number")).to_json()

    with pytest.raises(MetadataRefused) as refused:
        read_signature(model, declared)

    assert refused.value.faults[0].at == f"signature.inputs[{column}].type"


def test_an_upload_is_inspected_with_its_example():
    model = MODELS["linear"]()
    example = {"sold": "2024-02-29", "born": None, "city": "Ghent", "size": 1.0}
    file = BytesIO(skops.io.dumps(model))

    inspected = inspect(file, "skops", {"input_example": example})

    assert inspected.facts["signature"]["inputs"][0] == {
        "name": "sold",
        "type": "date",
        "nullable": False,
    }
    assert inspected.example == example
    bad = {**example, "sold": "soon"}
    with pytest.raises(MetadataRefused, match="does not match the signature"):
        inspect(file, "skops", {"input_example": bad})
    assert known_row(model, inspected.signature)["sold"].startswith("2023-01-0")


def test_a_foreign_model_gets_datetime64_in_a_column_declared_as_dates():
    known = FRAME[["born", "size"]].dropna().iloc[:50]
    columns = ColumnTransformer(
        [
            ("days", OneHotEncoder(handle_unknown="ignore"), ["born"]),
            ("as_is", "passthrough", ["size"]),
        ]
    )
    model = make_pipeline(columns, LinearRegression()).fit(known, known["size"] + 1)
    signature = Signature((Column("born", "date"), Column("size", "number")), Output("y", "number"))
    seconds = known["born"].to_numpy().astype("datetime64[s]").astype(np.float64)
    batch = Batch({"born": seconds, "size": known["size"].to_numpy()}, 50)

    assert SklearnPredictor(model, signature).predict(batch).values == model.predict(known).tolist()
    assert to_frame(batch.columns, signature)["born"].dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("parts_", [["year", "year"]]),
        ("parts_", [["century"]]),
        ("parts_", []),
        ("parts_", [[]]),
        ("data_min_", np.array([1e300])),
        ("fill_", np.array([0.0, 0.0])),
        ("fill_", np.array(["2026"])),
    ],
)
def test_a_manipulated_encoder_is_refused(attribute, value):
    step = DateEncoder().fit(FRAME[["sold"]])
    model = make_pipeline(step, LinearRegression()).fit(FRAME[["sold"]], AMOUNT)
    setattr(step, attribute, value)

    with pytest.raises(ArtifactRefused, match="DateEncoder"):
        read_model(BytesIO(skops.io.dumps(model)), "skops")
