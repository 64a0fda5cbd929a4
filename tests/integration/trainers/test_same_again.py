"""The same recipe, data and seed give the same model: its metrics, predictions and bytes."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io

from hotswap.fitted.deterministic_skops import to_bytes
from registry.formats.reading import read_model
from tests.marks import first_fast
from trainers.model_kinds import LIBRARY_KINDS
from trainers.preparation import Preparation
from trainers.recipe import Recipe
from trainers.search_space import Search
from trainers.training import train

SCRIPT = """
import hashlib, json, os, sys
if "--one-core" in sys.argv:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from trainers.recipe import Recipe
from trainers.training import train
for document in json.loads(sys.argv[1]):
    model = train(Recipe.from_json(document))
    print(json.dumps([hashlib.sha256(model.artifact()).hexdigest(), model.metadata()]))
"""


def in_a_process(documents, hash_seed, *flags):
    """What another process makes of the recipes, each as its digest and metadata."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(documents), *flags],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_another_process_on_one_core_produces_the_same_bytes(shops_csv):
    columns = {"size": Preparation(log=True)}
    common = {"data": str(shops_csv), "target": "sales", "columns": columns}
    recipes = [
        Recipe(kind="forest", params={"n_estimators": 12}, **common),
        Recipe(
            kind="tree",
            search=Search(method="grid", params={"max_depth": (2, 4)}, folds=3),
            **common,
        ),
        Recipe(kind="linear", **common),
        Recipe(data=str(shops_csv), target="thrives", kind="logistic"),
        *(Recipe(kind=kind, params={"subsample": 0.7}, **common) for kind in LIBRARY_KINDS),
    ]
    documents = [recipe.to_json() for recipe in recipes]

    here = [
        [hashlib.sha256(model.artifact()).hexdigest(), model.metadata()]
        for model in map(train, recipes)
    ]

    assert in_a_process(documents, "7", "--one-core") == json.loads(json.dumps(here))


def test_other_data_or_another_seed_gives_other_bytes(shops, shops_csv, tmp_path):
    def digest(data, seed=0):
        recipe = Recipe(data=str(data), target="sales", kind="tree", seed=seed)
        return hashlib.sha256(train(recipe).artifact()).hexdigest()

    shops.loc[20, "sales"] += 1
    shops.to_csv(tmp_path / "other.csv", index=False)

    assert len({digest(shops_csv), digest(shops_csv, 1), digest(tmp_path / "other.csv")}) == 3


def test_an_artifact_is_a_skops_file_that_the_registry_accepts(shops_csv):
    columns = {"size": Preparation(log=True), "staff": Preparation(log=True, scale=True)}
    model = train(Recipe(data=str(shops_csv), target="sales", kind="tree", columns=columns))
    loaded = read_model(io.BytesIO(model.artifact()), "skops")

    answers = loaded.predict(model.held_out)
    assert answers.tolist() == model.pipeline.predict(model.held_out).tolist()


def test_entries_of_an_artifact_have_no_creation_times():
    content = to_bytes({"a": np.arange(3.0), "b": [np.arange(2.0), "file"]})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()

    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == ["1.npy", "2.npy", "schema.json"]
    loaded = skops.io.loads(content, trusted=["numpy.dtype"])
    assert loaded["a"].tolist() == [0, 1, 2]
    assert loaded["b"][1] == "file"


@pytest.mark.parametrize("params", first_fast([{}, {"bootstrap": False}, {"max_features": 0.5}]))
def test_a_forest_grown_with_progress_has_the_same_trees(shops_csv, params):
    recipe = Recipe(
        data=str(shops_csv), target="sales", kind="forest", params={"n_estimators": 75, **params}
    )
    reported = []

    watched = train(recipe, progress=lambda done, total: reported.append((done, total)))

    assert watched.artifact() == train(recipe).artifact()
    assert watched.metadata() == train(recipe).metadata()
    assert reported[0] == (0, 75)
    assert reported[-1] == (75, 75)


@pytest.mark.parametrize("params", [{"oob_score": True}, {"n_estimators": 1}])
def test_a_forest_that_needs_all_of_its_trees_is_grown_at_once(shops_csv, params):
    reported = []
    model = train(
        Recipe(data=str(shops_csv), target="sales", kind="forest", params=params),
        progress=lambda done, total: reported.append(done),
    )

    assert reported == []
    assert model.pipeline[-1].warm_start is False
