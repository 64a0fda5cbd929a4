"""``hotswap.log`` against the real server, with models that were not trained by our trainers."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import hotswap
from hotswap import Registry
from registry.preprocessing import BandEncoder
from tests.system.real_server import Server

_draws = np.random.default_rng(0)
ROWS, TEST = 400, 100
SIZES = pd.Series(_draws.uniform(30, 200, ROWS), name="size")
FLATS = pd.DataFrame(
    {
        "street": [f"{index} High Street" for index in range(ROWS)],
        "size": SIZES.mask(_draws.random(ROWS) < 0.1).to_numpy(),
        "rooms": _draws.integers(1, 6, ROWS),
        "lift": _draws.random(ROWS) < 0.5,
        "city": _draws.choice(["Turin", "Milan", "Rome"], ROWS),
        "sold": pd.Timestamp("2026-01-01") + pd.to_timedelta(_draws.integers(0, 99, ROWS), "D"),
    },
    index=pd.Index(range(5, ROWS + 5), name="id"),
)
PRICE = pd.Series(3 * SIZES.to_numpy() + 20 * FLATS["rooms"].to_numpy(), FLATS.index, name="price")
DEAR = (PRICE > 400).to_numpy()
GAPS = FLATS[["size", "rooms"]].to_numpy(dtype=float)
IRIS = load_iris(as_frame=True)
SPECIES = IRIS.target_names[IRIS.target]

pytestmark = pytest.mark.slow  # integration/api/test_logged_models.py has a faster one

Made = tuple[Any, Any, Any]
"""A model that is not fitted, its rows and its answers."""


def mixed() -> Made:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["size", "rooms"]),
            ("city", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("lift", "passthrough", ["lift"]),
        ]
    )
    return make_pipeline(columns, Ridge()), FLATS, PRICE


def bands() -> Made:
    encoder = BandEncoder([0.0, 60.0, 120.0, 250.0], ["small", "medium", "large"])
    columns = ColumnTransformer([("size", encoder, ["size"]), ("rooms", "passthrough", ["rooms"])])
    return make_pipeline(columns, RandomForestClassifier(10, random_state=0)), FLATS, DEAR


MODELS: dict[str, Callable[[], Made]] = {
    "mixed": mixed,
    "bands": bands,
    "array": lambda: (RandomForestRegressor(10, random_state=0), GAPS, PRICE.to_numpy()),
    "labels": lambda: (LogisticRegression(max_iter=500), IRIS.data, SPECIES),
    "margins": lambda: (LinearSVC(), IRIS.data.to_numpy(), SPECIES),
    "boosted": lambda: (HistGradientBoostingClassifier(max_iter=5), FLATS[["size"]], DEAR),
}


def fitted(name: str) -> tuple[Any, Any, Any, Any, Any]:
    """The model, then rows and answers to fit it on and to measure it on."""
    model, rows, answers = MODELS[name]()
    order = np.random.default_rng(1).permutation(len(rows))
    test, train = order[:TEST], order[TEST:]
    take = (
        (lambda data, at: data.iloc[at]) if hasattr(rows, "iloc") else (lambda data, at: data[at])
    )
    target = answers.to_numpy() if hasattr(answers, "to_numpy") else answers
    model.fit(take(rows, train), target[train])
    return model, take(rows, train), target[train], take(rows, test), target[test]


def logged(server: Server, name: str, **more: Any) -> Any:
    model, train, train_target, test, target = fitted(name)
    more = {"y_train": train_target, **more}
    return hotswap.log(
        model, train, test, target, name=f"log-{name}", url=server.url, token=server.token, **more
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_logged_model_predicts_and_is_described_as_one_of_our_own(
    server: Server, name: str
) -> None:
    version = logged(server, name, promote=True)
    model, train, _, test, target = fitted(name)

    with Registry(server.url, server.token) as registry:
        rows = test.drop(columns="sold", errors="ignore") if hasattr(test, "drop") else test
        served = registry.predict(f"log-{name}", rows)
        evaluation = registry.evaluation(f"log-{name}", "production")
        card = registry.card(f"log-{name}", "production")
    own = model.predict(test)
    if version["task"] == "regression":
        assert served["predictions"] == pytest.approx(own.tolist(), rel=1e-9)
        assert version["metrics"]["rmse"] == pytest.approx(root_mean_squared_error(target, own))
        assert {"predicted_vs_true", "residuals"} <= evaluation.keys()
    else:
        assert served["predictions"] == own.tolist()
        assert version["metrics"]["accuracy"] == pytest.approx(accuracy_score(target, own))
        assert "confusion_matrix" in evaluation
        if hasattr(model, "predict_proba"):
            loss = log_loss(target, model.predict_proba(test), labels=model.classes_)
            assert version["metrics"]["log_loss"] == pytest.approx(loss)
            assert {"roc", "precision_recall", "calibration"} <= evaluation.keys()
    assert version["aliases"] == ["production"]
    assert version["artifact"]["format"] == "skops"
    assert version["environment"]["numpy"] == np.__version__
    assert (evaluation["rows"], evaluation["train_rows"]) == (TEST, len(train))
    assert evaluation["metric_intervals"].keys() == version["metrics"].keys()
    assert evaluation["baseline"].keys() == version["metrics"].keys() or name == "margins"
    inputs = [column["name"] for column in version["signature"]["inputs"]]
    assert list(evaluation["profile"]["columns"]) == inputs == list(version["input_example"])
    assert "unknown" not in card.lower()
    assert "has no profile" not in card


def test_types_and_nulls_follow_from_the_data_and_dropped_columns_are_left_out(
    server: Server,
) -> None:
    signature = logged(server, "mixed")["signature"]
    assert [(one["name"], one["type"]) for one in signature["inputs"]] == [
        ("size", "number"),
        ("rooms", "integer"),
        ("lift", "boolean"),
        ("city", "string"),
    ]
    assert [one["nullable"] for one in signature["inputs"]] == [True, True, False, False]
    columns = logged(server, "bands")["signature"]["inputs"]
    assert [(one["name"], one["nullable"]) for one in columns] == [("size", True), ("rooms", False)]


def test_logging_the_same_again_gives_the_same_version(server: Server) -> None:
    first, again = (logged(server, "array") for _ in range(2))
    assert again["version"] == first["version"]
    other = logged(server, "array", y_train=None)
    assert other["version"] == first["version"], "only the baseline differs"
    with Registry(server.url, server.token) as registry:
        model = registry.model("log-array")
    assert model["last_version"] == first["version"]


def test_an_upload_of_a_file_with_data_is_described_as_a_logged_model(
    server: Server, tmp_path: Any
) -> None:
    model, _, _, test, target = fitted("mixed")
    skops.io.dump(model, tmp_path / "model.skops")
    test.assign(price=target).to_csv(tmp_path / "test.csv", index=False)
    command = ["upload", "uploaded-flats", "model.skops", "--data", "test.csv", "--target", "price"]
    done = server.hotswap(*command, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout)

    own = model.predict(test)
    assert version["metrics"]["rmse"] == pytest.approx(root_mean_squared_error(target, own))
    with Registry(server.url, server.token) as registry:
        evaluation = registry.evaluation("uploaded-flats", 1)
        signature = registry.version("uploaded-flats", 1)["signature"]
    assert evaluation["profile"]["source"] == "held-out"
    assert evaluation["rows"] == TEST
    assert {"predicted_vs_true", "residuals", "coefficients"} <= evaluation.keys()
    assert [one["name"] for one in signature["inputs"]] == ["size", "rooms", "lift", "city"]
    assert signature["output"]["name"] == "price"
