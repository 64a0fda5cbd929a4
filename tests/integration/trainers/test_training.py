"""From a file to a model: its metadata, and predictions that match its metrics."""

import json
import math
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import root_mean_squared_error

from hotswap.fitted.surroundings import RECORDED_PACKAGES, git_commit
from registry.codecs.data_frame import to_frame
from registry.reading.profiles import checked_evaluation
from registry.reading.stored_evaluation import read_evaluation
from registry.signature import Column, Signature
from tests.marks import first_fast
from trainers.recipe import Recipe
from trainers.training import train

TRUSTED = ["numpy.dtype", "sklearn.tree._tree.Tree", "registry.preprocessing.BandEncoder"]


def recipe(data, kind="linear", target="sales", **fields):
    return Recipe(data=str(data), kind=kind, target=target, **fields)


def test_the_signature_has_every_feature_with_its_type(shops_csv):
    signature = train(recipe(shops_csv)).signature

    assert signature.inputs == (
        Column("size", "number", nullable=True),
        Column("staff", "integer"),
        Column("opens_late", "boolean"),
        Column("city", "string", nullable=True),
        Column("thrives", "string"),
    )
    assert (signature.output.name, signature.output.type) == ("sales", "number")
    assert Signature.from_json(signature.to_json()) == signature


def test_the_input_example_is_a_complete_row_of_plain_values(shops, shops_csv):
    example = train(recipe(shops_csv, exclude=("thrives",))).input_example

    assert [type(value) for value in example.values()] == [float, int, bool, str]
    row = (shops[list(example)] == pd.Series(example)).all(axis=1)
    assert row.any()


@pytest.mark.parametrize("kind", ["linear", "tree", "forest", "boosting"])
def test_a_quantity_is_predicted_better_than_by_its_mean(shops_csv, kind):
    model = train(recipe(shops_csv, kind, exclude=("thrives",)))

    assert model.task == "regression"
    assert set(model.metrics) == {"rmse", "mae", "mse", "r2", "median_absolute_error"}
    assert model.metrics["rmse"] < 0.7 * model.baseline["rmse"]


@pytest.mark.parametrize("kind", ["logistic", "tree", "forest", "boosting"])
def test_a_class_is_predicted_better_than_by_its_share(shops_csv, kind):
    model = train(recipe(shops_csv, kind, "thrives", exclude=("sales",)))

    assert model.task == "classification"
    assert model.signature.output.classes == ("no", "yes")
    assert model.metrics["accuracy"] > model.baseline["accuracy"]
    assert model.metrics["roc_auc"] > 0.7


def test_integers_and_booleans_keep_their_type_as_classes(shops, tmp_path):
    shops["grade"] = np.arange(60) % 3 + 1
    shops.to_csv(tmp_path / "s.csv", index=False)

    grades = train(recipe(tmp_path / "s.csv", "tree", "grade"))
    flags = train(recipe(tmp_path / "s.csv", "forest", "opens_late"))

    assert grades.signature.output.classes == (1, 2, 3)
    assert flags.signature.output.classes == (False, True)
    assert [type(label) for label in flags.signature.output.classes] == [bool, bool]


@pytest.mark.parametrize(
    ("data", "kind"),
    [("sklearn:breast_cancer", "logistic"), ("sklearn:wine", "forest"), ("sklearn:iris", "tree")],
)
def test_a_bundled_set_of_classes_can_be_trained_on(data, kind):
    model = train(
        Recipe(data=data, kind=kind, params={"n_estimators": 20} if kind == "forest" else {})
    )

    assert model.metrics["accuracy"] > 0.9
    assert model.notes == ()


def test_the_stored_model_is_the_one_that_was_measured(shops, shops_csv):
    model = train(recipe(shops_csv, exclude=("thrives",), test_size=0.5))
    sample = model.evaluation["predicted_vs_true"]

    assert model.evaluation["rows"] == model.evaluation["train_rows"] == 30
    assert root_mean_squared_error(sample["true"], sample["predicted"]) == pytest.approx(
        model.metrics["rmse"]
    )
    columns = {
        column.name: shops[column.name].to_numpy(
            dtype=object if column.type == "string" else np.float64
        )
        for column in model.signature.inputs
    }
    every = model.pipeline.predict(to_frame(columns, model.signature))
    assert set(np.round(sample["predicted"], 6)) <= set(np.round(every, 6))


@pytest.mark.parametrize("kind", first_fast(["tree", "linear", "forest"]))
def test_the_same_recipe_and_data_give_the_same_model(shops_csv, kind):
    first = train(recipe(shops_csv, kind, seed=3))
    second = train(recipe(shops_csv, kind, seed=3))

    assert first.metadata() == second.metadata()
    assert train(recipe(shops_csv, kind, seed=4)).metrics != first.metrics


def test_a_forest_does_not_store_the_number_of_cores(shops_csv):
    model = train(recipe(shops_csv, "forest", params={"n_estimators": 5}))

    assert model.pipeline[-1].n_jobs is None
    assert len(model.pipeline[-1].estimators_) == model.params["n_estimators"] == 5


def test_rows_without_a_target_are_dropped_and_counted(shops, tmp_path):
    shops.loc[:2, "sales"] = np.nan
    shops.to_csv(tmp_path / "s.csv", index=False)

    model = train(recipe(tmp_path / "s.csv"))

    assert model.evaluation["dropped_rows"] == 3
    assert model.evaluation["rows"] + model.evaluation["train_rows"] == 57
    assert model.lineage["data_rows"] == 60
    assert model.notes == ("3 rows without 'sales' left out",)


def test_a_column_with_a_fill_rule_is_nullable(tmp_path, shops_csv):
    text = f"""
        data = {str(shops_csv)!r}
        target = "sales"
        kind = "linear"
        columns.staff.impute = {{ constant = 0 }}
    """
    inputs = {column.name: column for column in train(Recipe.from_toml(text)).signature.inputs}

    assert inputs["staff"].nullable
    assert not inputs["opens_late"].nullable


def test_a_fit_that_did_not_converge_is_noted(shops_csv):
    model = train(
        recipe(shops_csv, "logistic", "thrives", exclude=("sales",), params={"max_iter": 1})
    )

    assert any("failed to converge" in note for note in model.notes)
    assert model.evaluation["notes"] == list(model.notes)


def test_the_stages_are_reported_in_order(shops_csv):
    reported = []
    train(recipe(shops_csv, "forest", params={"n_estimators": 5}), stage=reported.append)

    assert reported == [
        f"reading {shops_csv}",
        "fitting 5 trees on 48 rows",
        "evaluating on 12 rows",
    ]


def test_training_prints_nothing(shops_csv, capfd):
    train(recipe(shops_csv, "forest"))

    assert capfd.readouterr() == ("", "")


def test_metadata_do_not_stay_beside_another_model(shops_csv, tmp_path):
    model = train(recipe(shops_csv, exclude=("thrives",)))
    out = tmp_path / "out"
    model.write(out)
    (out / "model.skops").unlink()
    (out / "model.skops").mkdir()  # the new one cannot take its place

    with pytest.raises(IsADirectoryError):
        model.write(out)
    assert [path.name for path in out.iterdir()] == ["model.skops"]

    (out / "model.skops").rmdir()
    replace(model, training_rows=None).write(out)
    assert sorted(path.name for path in out.iterdir()) == ["metadata.json", "model.skops"]


def test_artifact_and_metadata_are_written_completely(shops_csv, tmp_path):
    model = train(recipe(shops_csv, exclude=("thrives",)))
    model.write(tmp_path / "new" / "out")
    model.write(tmp_path / "new" / "out")

    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        "metadata.json",
        "model.skops",
        "training_rows.bin",
    ]
    metadata = json.loads((tmp_path / "new" / "out" / "metadata.json").read_text())
    assert metadata == json.loads(json.dumps(model.metadata()))
    assert set(metadata) == {
        "format",
        "kind",
        "metrics",
        "params",
        "signature",
        "input_example",
        "tags",
        "description",
        "lineage",
        "environment",
        "evaluation",
    }
    loaded = skops.io.load(tmp_path / "new" / "out" / "model.skops", trusted=TRUSTED)
    row = to_frame(
        {
            name: np.array([value], dtype=object if isinstance(value, str) else np.float64)
            for name, value in metadata["input_example"].items()
        },
        model.signature,
    )
    assert loaded.predict(row).tolist() == model.pipeline.predict(row).tolist()
    assert math.isfinite(loaded.predict(row)[0])


@pytest.mark.parametrize(("kind", "target"), [("linear", "sales"), ("logistic", "thrives")])
def test_the_profile_is_of_the_rows_fitted_on_and_is_accepted_by_the_registry(
    shops_csv, kind, target
):
    model = train(recipe(shops_csv, kind, target))
    evaluation = json.loads(json.dumps(model.evaluation))
    assert checked_evaluation(evaluation, model.signature) == evaluation
    profile = read_evaluation(evaluation).profile

    assert profile.rows == evaluation["train_rows"]
    assert list(profile.columns) == [column.name for column in model.signature.inputs]
    assert profile.columns["size"].missing == evaluation["columns"]["size"]["missing"]
    predicted = profile.output.counts or profile.output.values.values()
    assert sum(predicted) == evaluation["rows"]


def test_lineage_and_environment_describe_the_training(shops_csv):
    given = recipe(shops_csv, seed=9)
    model = train(given)

    assert model.lineage["recipe_sha256"] == given.sha256
    assert len(model.lineage["data_sha256"]) == 64
    assert model.lineage["seed"] == 9
    # Libraries for boosting are added where another test of this process imported one.
    assert set(model.environment) >= {"python", *RECORDED_PACKAGES}


def test_the_commit_of_the_repository_is_recorded_if_there_is_one(tmp_path):
    assert git_commit(tmp_path) is None

    run = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*run, "init", "-q"], check=True)
    assert git_commit(tmp_path) is None

    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    assert len(git_commit(tmp_path)) == 40
