"""A search fits every candidate on every fold, and the best is what is trained."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold

from tests.marks import first_fast
from trainers.errors import (
    ColumnNotFound,
    ColumnRefused,
    FitRefused,
    RecipeRefused,
    SearchRefused,
    TargetRefused,
)
from trainers.preparing import prepare
from trainers.recipe import Recipe
from trainers.search_space import Range, Search
from trainers.split_rule import SplitRule
from trainers.training import train


def recipe(data, kind="tree", target="sales", **fields):
    return Recipe(data=str(data), kind=kind, target=target, **fields)


def grid(folds=3, metric="", **params):
    return Search(method="grid", params=params, folds=folds, metric=metric)


def test_a_grid_search_finds_the_parameters_that_scikit_learn_s_finds(shops_csv):
    model = train(recipe(shops_csv, search=grid(max_depth=(1, 2, 4), min_samples_leaf=(2, 6))))
    kept = model.evaluation["search"]

    plain = train(recipe(shops_csv))
    ready = prepare(recipe(shops_csv))
    rows = ready.rows.take(ready.split.train)
    own = GridSearchCV(
        plain.pipeline,
        {"model__max_depth": [1, 2, 4], "model__min_samples_leaf": [2, 6]},
        scoring="neg_root_mean_squared_error",
        cv=KFold(3, shuffle=True, random_state=0),
    ).fit(rows.features, rows.target)

    best = {name.removeprefix("model__"): value for name, value in own.best_params_.items()}
    assert kept["best"] == best
    assert kept["tried"][0]["mean"] == pytest.approx(-own.best_score_)
    assert len(kept["tried"]) == kept["candidates"] == 6
    assert {name: model.params[name] for name in best} == best


def test_a_random_search_depends_on_the_seed(shops_csv):
    space = {"max_depth": Range(1, 12), "ccp_alpha": Range(0.001, 10.0, log=True)}
    search = Search(method="random", params=space, draws=5, folds=2)
    first, again = (train(recipe(shops_csv, search=search, seed=2)) for _ in range(2))
    other = train(recipe(shops_csv, search=search, seed=3))

    tried = [candidate["params"] for candidate in first.evaluation["search"]["tried"]]
    assert len(tried) == 5
    assert all(type(params["max_depth"]) is int for params in tried)
    assert all(0.001 <= params["ccp_alpha"] <= 10 for params in tried)
    assert first.metadata() == again.metadata()
    assert other.evaluation["search"] != first.evaluation["search"]


def test_a_short_range_is_drawn_without_repeats(shops_csv):
    search = Search(method="random", params={"max_depth": Range(1, 4)}, draws=4, folds=2)
    tried = train(recipe(shops_csv, search=search)).evaluation["search"]["tried"]

    assert sorted(candidate["params"]["max_depth"] for candidate in tried) == [1, 2, 3, 4]


@pytest.mark.parametrize("metric", first_fast(["log_loss", "accuracy", "roc_auc"]))
def test_the_metric_selects_the_best_candidate(shops_csv, metric):
    model = train(
        recipe(shops_csv, "tree", "thrives", search=grid(metric=metric, max_depth=(1, 3, 8)))
    )
    means = [candidate["mean"] for candidate in model.evaluation["search"]["tried"]]

    assert means == sorted(means, reverse=metric != "log_loss")
    assert model.evaluation["search"]["metric"] == metric


def test_folds_keep_the_groups_of_the_split_together(shops, tmp_path):
    shops["block"] = np.arange(60) // 3
    shops.to_csv(tmp_path / "s.csv", index=False)
    model = train(
        recipe(tmp_path / "s.csv", split=SplitRule("group", "block"), search=grid(max_depth=(1, 3)))
    )

    assert "block" not in model.signature.names
    assert model.evaluation["rows"] % 3 == 0


def test_the_column_of_the_split_is_a_feature_only_if_named(shops_csv):
    rule = SplitRule("group", "staff")
    model = train(recipe(shops_csv, split=rule, features=("staff", "size")))

    assert model.signature.names == ("staff", "size")


def test_progress_is_reported_to_the_end(shops_csv):
    reported = []
    train(
        recipe(shops_csv, search=grid(folds=2, max_depth=(1, 3, 5))),
        progress=lambda done, total: reported.append((done, total)),
    )

    assert reported == [(done, 6) for done in range(1, 7)]


def test_a_metric_of_another_task_is_refused(shops_csv):
    with pytest.raises(RecipeRefused, match="classification has no metric 'rmse'"):
        train(recipe(shops_csv, target="thrives", search=grid(metric="rmse", max_depth=(1, 2))))
    text = f"data = {str(shops_csv)!r}\ntarget = 'sales'\nkind = 'tree'\n"
    gated = Recipe.from_toml(f"{text}gates = ['accuracy > 0.5']")
    with pytest.raises(RecipeRefused, match="line 4: regression has no metric 'accuracy'"):
        train(gated)


def test_folds_without_a_class_are_refused(shops, tmp_path):
    shops["grade"] = ["a"] * 56 + ["b"] * 4
    shops.to_csv(tmp_path / "s.csv", index=False)

    with pytest.raises(TargetRefused, match="a class with 3 rows to train on"):
        train(recipe(tmp_path / "s.csv", target="grade", search=grid(5, max_depth=(1, 2))))


def test_a_metric_undefined_on_every_fold_is_refused(shops, tmp_path):
    shops["grade"] = ["a"] * 54 + ["b"] * 6
    shops["when"] = np.arange(60) % 5 + np.where(shops["grade"] == "b", 0.5, 0)
    shops.loc[shops["grade"] == "b", "when"] = [0.0, 0.1, 0.2, 0.3, 0.4, 9.0]
    shops.to_csv(tmp_path / "s.csv", index=False)
    rule = SplitRule("time", "when")
    search = grid(2, metric="roc_auc", max_depth=(1, 2))

    with pytest.raises(SearchRefused, match="The search by roc_auc found no best"):
        train(recipe(tmp_path / "s.csv", target="grade", split=rule, search=search))


def test_incompatible_parameters_of_a_search_are_refused(shops_csv):
    search = grid(2, solver=("lbfgs", "liblinear"), dual=(True, False))
    with pytest.raises(FitRefused, match="dual"):
        train(recipe(shops_csv, "logistic", "thrives", search=search))


def test_a_missing_column_to_split_by_is_refused(shops_csv):
    text = f"data = {str(shops_csv)!r}\ntarget = 'sales'\nkind = 'tree'\n[split]\nby = 'group'\n"
    divided = Recipe.from_toml(f"{text}column = 'block'")
    with pytest.raises(ColumnNotFound, match=r"line 6: .*no column 'block', named as the col"):
        train(divided)


def test_an_unsuitable_preparation_is_refused_with_its_line(shops_csv):
    text = f"data = {str(shops_csv)!r}\ntarget = 'sales'\nkind = 'tree'\n[columns.city]\nlog = true"
    prepared = Recipe.from_toml(text)
    with pytest.raises(ColumnRefused, match=r"line 4: The column 'city' is text and has no log"):
        train(prepared)
