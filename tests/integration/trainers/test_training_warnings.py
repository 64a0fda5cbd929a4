"""Each thing that makes metrics worth less than they seem is reported, and sound data are not."""

import numpy as np
import pandas as pd
import pytest

from trainers.errors import WarningsRefused
from trainers.recipe import Recipe
from trainers.training import train


def passengers(rows=600, seed=2):
    draws = np.random.default_rng(seed)
    age, fare = draws.uniform(1, 80, rows), draws.lognormal(3, 0.7, rows)
    lived = draws.random(rows) < 1 / (1 + np.exp((age - 40) / 12))
    return pd.DataFrame(
        {
            "age": age.round(1),
            "fare": fare.round(2),
            "town": draws.choice(["Cherbourg", "Cobh", "Dover"], rows),
            "survived": np.where(lived, "yes", "no"),
            "cost": (30 * age + 5 * fare + draws.normal(0, 60, rows)).round(2),
        }
    )


def warnings(frame, tmp_path, target="survived", kind=None, **fields):
    path = tmp_path / "passengers.csv"
    frame.to_csv(path, index=False)
    exclude = ("cost",) if target == "survived" else ("survived",)
    kind = kind or ("logistic" if target == "survived" else "linear")
    recipe = Recipe(data=str(path), kind=kind, target=target, exclude=exclude, **fields)
    return train(recipe).warnings


def shuffled(frame, column):
    return frame.assign(**{column: np.random.default_rng(0).permutation(frame[column])})


@pytest.mark.parametrize("target", ["survived", "cost"])
@pytest.mark.parametrize("kind", [None, "forest"])
def test_sound_data_have_no_warnings(tmp_path, target, kind):
    params = {"n_estimators": 20} if kind else {}
    assert warnings(passengers(), tmp_path, target, kind, params=params) == ()


@pytest.mark.parametrize(
    ("target", "said"),
    [("survived", "not surely better than guessing"), ("cost", "no better than predicting the me")],
)
def test_a_model_that_is_no_better_than_the_baseline(tmp_path, target, said):
    kind = "tree" if target == "cost" else None
    (warning,) = warnings(shuffled(passengers(), target), tmp_path, target, kind)
    assert said in warning


@pytest.mark.parametrize(
    ("target", "leak"),
    [
        ("survived", lambda frame: frame["survived"].map({"yes": "alive", "no": "dead"})),
        ("survived", lambda frame: (frame["survived"] == "yes").astype(int)),
        ("cost", lambda frame: (frame["cost"] * 0.92).round(2)),
    ],
    ids=["text", "number", "currency"],
)
def test_a_column_that_reveals_the_target(tmp_path, target, leak):
    frame = passengers()
    frame.insert(0, "alive", leak(frame))
    (warning,) = warnings(frame, tmp_path, target)
    assert f"the column 'alive' alone predicts '{target}' nearly as well" in warning


def test_rows_in_both_parts(tmp_path):
    frame = passengers(150)
    (warning,) = warnings(pd.concat([frame] * 4), tmp_path, "cost")
    assert "rows to evaluate on are equal to rows trained on" in warning


def test_constant_columns(tmp_path):
    frame = passengers()
    one = warnings(frame.assign(ship="Titanic"), tmp_path)
    two = warnings(frame.assign(ship="Titanic", year=1912), tmp_path)
    assert one == ("the column 'ship' has the same value in all rows trained on: exclude it",)
    assert "2 columns have the same value in all rows trained on: 'ship', 'year'" in two[0]


def test_classes_with_few_rows(tmp_path):
    frame = passengers()
    frame.loc[:4, "survived"] = "maybe"
    (warning,) = warnings(frame, tmp_path)
    assert "the class maybe (5) has fewer than 10 rows" in warning


def test_extreme_targets_that_dominate_the_error(tmp_path):
    frame = passengers()
    frame.loc[::60, "cost"] = 5e6
    found = warnings(frame, tmp_path, "cost", "tree", params={"max_depth": 3})
    assert any("have an extreme target, such as 5e+06" in warning for warning in found)


def test_a_strict_recipe_is_refused_with_all_warnings(tmp_path):
    frame = passengers().assign(ship="Titanic", year=1912)
    frame.loc[:4, "survived"] = "maybe"
    with pytest.raises(WarningsRefused) as refusal:
        warnings(frame, tmp_path, strict=True)
    assert len(refusal.value.warnings) == 2
    assert warnings(passengers(), tmp_path, strict=True) == ()
