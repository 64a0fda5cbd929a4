"""Free text and columns of many categories are learnt from, reported, and compiled."""

import numpy as np
import pandas as pd
import pytest

from registry.engines.loading import compiled_predictor
from registry.engines.predictor import SklearnPredictor
from registry.formats.reading import read_model
from registry.intake.compilation import compile_model
from registry.intake.samples import sample
from trainers.errors import ColumnRefused
from trainers.recipe import Recipe
from trainers.recipe_writing import write_recipe
from trainers.training import train

ROWS = 3_000
WORDS = np.array(
    ["good", "bad", "late", "fast", "broken", "lovely", "refund", "thanks", "never", "again", "ok"]
)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """A code of 1,200 values with an effect each, and a text whose words say the rest."""
    draws = np.random.default_rng(1)
    codes = draws.integers(0, 1_200, ROWS)
    said = [" ".join(draws.choice(WORDS, draws.integers(4, 12))) for _ in range(ROWS)]
    score = 3 * np.array([text.count("good") - text.count("bad") for text in said])
    amount = score + codes % 7 + draws.normal(size=ROWS)
    table = pd.DataFrame(
        {
            "code": [f"c{code}" for code in codes],
            "said": [None if row % 50 == 0 else text for row, text in enumerate(said)],
            "amount": amount,
            "mood": np.where(amount > np.median(amount), "glad", "sad"),
        }
    )
    path = tmp_path_factory.mktemp("texts") / "reviews.csv"
    table.to_csv(path, index=False)
    return path


def trained_on(path, kind, target="amount", **more):
    excluded = ("mood",) if target == "amount" else ("amount",)
    return train(Recipe(data=str(path), target=target, kind=kind, exclude=excluded, **more))


def served(trained):
    """Its compiled predictor, after its artifact went through the allow-list."""
    from io import BytesIO

    model = read_model(BytesIO(trained.artifact()), "skops")
    made = compile_model(model, trained.signature, trained.input_example)
    own = SklearnPredictor(model, trained.signature)
    predictor = compiled_predictor(made.blobs, made.blobs.__getitem__, trained.signature)
    batch = sample(model, trained.signature, None, 50)
    assert predictor.predict(batch).values == own.predict(batch).values
    return made.engine["name"]


@pytest.mark.parametrize(
    ("kind", "target", "engine"),
    [
        ("linear", "amount", "linear"),
        pytest.param("logistic", "mood", "linear", marks=pytest.mark.slow),
        pytest.param("tree", "mood", "trees", marks=pytest.mark.slow),
        pytest.param("boosting", "amount", "trees", marks=pytest.mark.slow),
        ("boosting", "mood", "trees"),
    ],
)
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
def test_text_and_many_categories_are_learnt_from_and_compiled(reviews, kind, target, engine):
    trained = trained_on(reviews, kind, target)

    assert [(c.name, c.type, c.nullable) for c in trained.signature.inputs] == [
        ("code", "string", False),
        ("said", "string", True),
    ]
    most = {"linear": ", at most 240", "boosting": ", at most 1,000"}.get(kind, "")
    assert f"'said' is free text: learnt from its terms (TF-IDF{most})" in trained.notes
    (note,) = [note for note in trained.notes if "'code'" in note]
    assert note.endswith("categories: encoded by the mean of the target")
    metric = "rmse" if target == "amount" else "log_loss"
    assert trained.metrics[metric] < trained.baseline[metric] or kind == "tree"
    assert served(trained) == engine


def test_the_same_seed_gives_the_same_artifact(reviews):
    assert trained_on(reviews, "tree").artifact() == trained_on(reviews, "tree").artifact()


def test_a_linear_model_has_few_terms_for_its_rows(tmp_path):
    draws = np.random.default_rng(3)
    words = np.array([f"word{number}" for number in range(500)])
    table = pd.DataFrame({"said": [" ".join(draws.choice(words, 8)) for _ in range(200)]})
    table["y"] = draws.normal(size=200)
    table.to_csv(tmp_path / "few.csv", index=False)

    trained = train(Recipe(data=str(tmp_path / "few.csv"), target="y", kind="linear"))

    assert len(trained.evaluation["coefficients"]) == 16  # of 160 rows


@pytest.mark.parametrize("encode", ["one_hot", "infrequent", "target"])
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
def test_a_recipe_chooses_the_encoding(tmp_path, encode):
    draws = np.random.default_rng(3)
    table = pd.DataFrame({"shop": [f"shop {number}" for number in draws.integers(0, 130, 900)]})
    table.loc[::40, "shop"] = None
    table["y"] = table["shop"].str.len().fillna(0) + draws.normal(size=900)
    table.to_csv(tmp_path / "shops.csv", index=False)
    recipe = f"""
        data = "{tmp_path}/shops.csv"
        target = "y"
        kind = "linear"
        columns.shop.encode = "{encode}"
    """

    trained = train(Recipe.from_toml(recipe))

    features = len(trained.evaluation["coefficients"])
    assert features == {"one_hot": max(features, 120), "infrequent": 101, "target": 1}[encode]
    assert served(trained) == "linear"


def test_an_identifier_is_refused_with_a_way_to_use_it(tmp_path):
    table = pd.DataFrame({"id": [f"id {row}" for row in range(80)], "y": np.arange(80) / 7})
    table.to_csv(tmp_path / "ids.csv", index=False)

    with pytest.raises(ColumnRefused, match=r"like an identifier.*set type = 'text'"):
        train(Recipe(data=str(tmp_path / "ids.csv"), target="y", kind="tree"))

    recipe = f"data = '{tmp_path}/ids.csv'\ntarget = 'y'\nkind = 'tree'\ncolumns.id.type = 'text'"
    assert "'id' is free text" in " ".join(train(Recipe.from_toml(recipe)).notes)


def test_a_first_recipe_names_text_and_the_encoding(reviews):
    written = write_recipe(str(reviews), "mood", "logistic", "reviews", "reviews.csv")

    assert 'said = { type = "text" }' in written
    assert 'encode = "target"' in written
    Recipe.from_toml(written)
