"""Models on free text are compiled: their terms are weighed without scikit-learn, to its bits."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.codecs.batch import Batch
from registry.codecs.json_reader import JsonReader
from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.engines.read_program import read_program
from registry.errors import ArtifactRefused
from registry.formats.reading import read_model
from registry.intake.compilation import compile_model
from registry.intake.samples import sample
from registry.intake.signatures import read_signature
from registry.signature import Column, Output, Signature
from registry.text_encoder import TextEncoder
from tests.marks import first_fast

_DRAWS = np.random.default_rng(6)
ROWS = 300
_WORDS = np.array(
    ["good", "bad", "late", "fast", "broken", "lovely", "refund", "thanks", "never", "again"]
)
SAID = [" ".join(_DRAWS.choice(_WORDS, _DRAWS.integers(1, 12))) for _ in range(ROWS)]
FRAME = pd.DataFrame(
    {
        "stars": _DRAWS.integers(1, 6, ROWS).astype(float),
        "shop": pd.Series(_DRAWS.choice(["Ghent", "Leeds"], ROWS), dtype=object),
        "said": pd.Series(SAID, dtype=object),
        "title": pd.Series([text[:20] for text in SAID], dtype=object),
    }
)
FRAME.loc[::17, "said"] = np.nan
SCORE = FRAME["stars"] + 2 * FRAME["said"].str.count("good").fillna(0) + _DRAWS.normal(size=ROWS)
THREE = np.array(["sad", "fine", "glad"])[np.digitize(SCORE, SCORE.quantile([0.3, 0.7]))]
TWO = np.where(THREE == "sad", "no", "yes")
INPUTS = (
    Column("stars", "number"),
    Column("shop", "string"),
    Column("said", "string", nullable=True),
    Column("title", "string", nullable=True),
)
HOSTILE = [
    *(
        "",
        " ",
        "good",
        "GOOD good Good",
        "good\u0000good",
        "Straße İstanbul",
        "日本語 good",
        "💥 bad",
    ),
    *(
        "good" * 10_000,
        "good " * 20_000,
        "\ud800 bad",
        "a b c d e",
        "good,bad;late",
        "refund\u2003x",
    ),
]


def fitted(estimator, target, *, alone=False):
    frame = FRAME[["said", "title"]] if alone else FRAME
    parts = [
        ("scale", StandardScaler(), ["stars"]),
        ("shop", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["shop"]),
    ]
    texts = ("texts", TextEncoder(), ["said", "title"])
    columns = ColumnTransformer([texts] if alone else [*parts, texts], sparse_threshold=1.0)
    return make_pipeline(columns, estimator).fit(frame, target)


MODELS = {
    "regression": lambda: fitted(Ridge(), SCORE),
    "two classes": lambda: fitted(LogisticRegression(), TWO),
    "three classes": lambda: fitted(LogisticRegression(), THREE),
    "texts alone": lambda: fitted(LogisticRegression(), TWO, alone=True),
    "forest": lambda: fitted(RandomForestClassifier(10, random_state=0), THREE),
}


def with_hostile(batch):
    columns = {name: cells.copy() for name, cells in batch.columns.items()}
    columns["said"][: len(HOSTILE)] = HOSTILE
    columns["title"][5 : 5 + len(HOSTILE)] = HOSTILE
    columns["title"][40:50] = np.nan
    return Batch(columns, batch.rows)


@pytest.mark.parametrize("name", first_fast(MODELS, 2))
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
def test_a_model_on_texts_is_compiled_and_predicts_the_same_bits(name):
    model = MODELS[name]()
    # scikit-learn's trees refuse NaN in sparse rows, though not in others.
    inputs = INPUTS[2:] if name == "texts alone" else INPUTS
    signature = Signature(inputs, read_signature(model, None).output)

    made = compile_model(model, signature, None)

    assert made.engine["name"] == ("trees" if name == "forest" else "linear"), made.engine
    own = SklearnPredictor(model, signature)
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    ask = own.has_probabilities
    batch = with_hostile(sample(model, signature, None, 400))
    expected, found = (one.predict(batch, probabilities=ask) for one in (own, served))
    assert found.values == expected.values
    if ask:
        assert np.array_equal(found.probabilities, expected.probabilities)
    for row in range(60):
        one = Batch({key: cells[row : row + 1] for key, cells in batch.columns.items()}, 1)
        assert served.predict(one).values == expected.values[row : row + 1]


@pytest.mark.parametrize("options", [{}, {"max_features": 7, "stop_words": ["good"]}])
def test_a_tfidf_vectorizer_by_default_is_compiled_too(options):
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["stars"]), ("title", TfidfVectorizer(**options), "title")],
        sparse_threshold=1.0,
    )
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME[["stars", "title"]], TWO)
    inputs = (Column("stars", "number"), Column("title", "string"))
    signature = Signature(inputs, read_signature(model, None).output)

    made = compile_model(model, signature, None)

    assert made.engine["name"] == "linear", made.engine
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    batch = sample(model, signature, None, 200)
    batch.columns["title"][: len(HOSTILE)] = HOSTILE
    own = SklearnPredictor(model, signature).predict(batch, probabilities=True)
    assert np.array_equal(
        served.predict(batch, probabilities=True).probabilities, own.probabilities
    )


def test_a_tfidf_vectorizer_of_other_terms_is_left_to_scikit_learn():
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    model.fit(FRAME["title"], TWO)
    signature = Signature((Column("title", "string"),), read_signature(model, None).output)

    made = compile_model(model, signature, None)

    assert made.engine["name"] == "scikit-learn"
    assert "another ngram_range than by default" in made.engine["reason"]


def test_one_row_of_json_is_predicted():
    model = MODELS["two classes"]()
    signature = read_signature(model, None)
    made = compile_model(model, signature, None)
    served = compiled_predictor(made.blobs, made.blobs.__getitem__, signature)
    row = b'{"stars": 1, "shop": "Ghent", "said": "never again", "title": null}'

    predicted = served.predict(JsonReader(signature).read(row), probabilities=True)

    frame = pd.DataFrame({"stars": [1.0], "shop": ["Ghent"], "said": ["never again"]})
    frame["title"] = pd.Series([np.nan], dtype=object)
    assert predicted.values == model.predict(frame).tolist()
    assert np.array_equal(predicted.probabilities, model.predict_proba(frame))


def test_texts_before_other_columns_are_left_to_scikit_learn():
    columns = ColumnTransformer(
        [("texts", TextEncoder(), ["said"]), ("as_is", "passthrough", ["stars"])],
        sparse_threshold=1.0,
    )
    model = make_pipeline(columns, Ridge()).fit(FRAME[["said", "stars"]], SCORE)

    made = compile_model(model, read_signature(model, None), None)

    assert made.engine["name"] == "scikit-learn"


def test_a_compiled_form_of_other_columns_is_refused():
    model = MODELS["texts alone"]()
    made = compile_model(model, read_signature(model, None), None)
    numbers = Signature((Column("x", "number"),) * 2, Output("y", "number"))

    with pytest.raises(ArtifactRefused):
        read_program(made.blobs["columns"], numbers)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("terms_", []),
        ("terms_", ["good good", "bad"]),
        ("terms_", ["", ""]),
        ("terms_", [["good"], ["bad"]]),
        ("idf_", [np.ones(3), np.ones(2)]),
        ("idf_", [np.array([np.inf]), np.ones(1)]),
        ("idf_", np.ones((2, 9))),
    ],
)
def test_a_manipulated_encoder_is_refused(attribute, value):
    model = MODELS["texts alone"]()
    setattr(model[0].named_transformers_["texts"], attribute, value)

    with pytest.raises(ArtifactRefused, match="TextEncoder"):
        read_model(BytesIO(skops.io.dumps(model)), "skops")
