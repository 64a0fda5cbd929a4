"""``hotswap upload --data`` measures a file as ``hotswap.log`` measures a fitted model."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBRegressor

from hotswap.evaluation.row_hashes import TrainingRows, names_hash
from registry.preprocessing import DateEncoder
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import FakeService, multipart
from tests.integration.registry.onnx_exports import exported

_draws = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "rooms": _draws.integers(1, 6, 60),
        "size": _draws.uniform(20, 150, 60),
        "postcode": _draws.choice(["01234", "10100"], 60),
        "remark": "none",
    }
)
PRICE = 3 * FRAME["size"] + 10 * FRAME["rooms"]
DEAR = np.where(PRICE > 250, "dear", "cheap")
COLUMNS = ColumnTransformer(
    [("size", "passthrough", ["rooms", "size"]), ("code", OneHotEncoder(), ["postcode"])]
)
MODEL = make_pipeline(COLUMNS, LinearRegression()).fit(FRAME, PRICE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FRAME.assign(price=PRICE, dear=DEAR).to_csv("test.csv", index=False)
    skops.io.dump(MODEL, "model.skops")
    return tmp_path


def metadata_of(service: FakeService) -> dict[str, Any]:
    (received,) = service.requests
    sent: dict[str, Any] = json.loads(multipart(received)["metadata"][1])
    return sent


def test_hashes_of_the_training_rows_are_sent(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    data = ("--data", "test.csv", "--target", "price", "--train-data", "test.csv")
    assert hotswap("upload", "flats", "model.skops", *data).exit_code == 0
    sent = multipart(service.requests[0])["training_rows"][1]
    (here / "rows.bin").write_bytes(sent)
    hotswap("upload", "flats", "model.skops", "--training-rows", "rows.bin")

    rows = TrainingRows.from_bytes(sent)
    assert (len(rows.hashes), rows.has_target) == (60, True)
    assert rows.names == names_hash(["rooms", "size", "postcode"])
    assert multipart(service.requests[1])["training_rows"][1] == sent


def test_warnings_are_printed_and_sent(hotswap: Hotswap, service: FakeService, here: Path) -> None:
    data = ("--data", "test.csv", "--target", "price", "--train-data", "test.csv")
    done = hotswap("upload", "flats", "model.skops", *data)

    sent = metadata_of(service)["evaluation"]["warnings"]
    assert "60 of the 60 rows to evaluate on are equal to rows trained on" in " ".join(sent)
    assert done.stderr.splitlines() == [f"Warning: {warning}." for warning in sent]


def test_a_pipeline_is_measured_on_the_columns_that_it_uses(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    done = hotswap("upload", "flats", "model.skops", "--data", "test.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr

    sent = metadata_of(service)
    assert sent["signature"] == {
        "inputs": [
            {"name": "rooms", "type": "integer", "nullable": False},
            {"name": "size", "type": "number", "nullable": False},
            {"name": "postcode", "type": "string", "nullable": False},
        ],
        "output": {"name": "price", "type": "number"},
    }
    error = root_mean_squared_error(PRICE, MODEL.predict(FRAME))
    assert sent["metrics"]["rmse"] == pytest.approx(error, abs=1e-9)
    assert sent["input_example"]["postcode"] in {"01234", "10100"}
    evaluation = sent["evaluation"]
    assert evaluation["profile"]["source"] == "held-out"
    assert evaluation["rows"] == 60
    assert "train_rows" not in evaluation


def test_the_training_data_give_the_profile_and_what_is_given_stands(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    FRAME.assign(price=PRICE)[:40].to_csv("train.csv", index=False)
    Path("metadata.json").write_text('{"metrics": {"own": 1.5}, "description": "by hand"}')
    done = hotswap(
        *("upload", "flats", "model.skops", "--data", "test.csv", "--target", "price"),
        *("--train-data", "train.csv", "--metadata", "metadata.json"),
    )
    assert done.exit_code == 0, done.stderr
    sent = metadata_of(service)
    assert sent["metrics"] == {"own": 1.5}
    assert sent["description"] == "by hand"
    profile = sent["evaluation"]["profile"]
    assert (profile["rows"], profile["source"]) == (40, "training")
    assert sent["evaluation"]["notes"] == []


def test_a_model_without_names_takes_columns_by_position(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    numbers = FRAME[["rooms", "size"]]
    model = LogisticRegression(max_iter=500).fit(numbers.to_numpy(), DEAR)
    joblib.dump(model, "model.joblib")
    numbers.assign(dear=DEAR).to_csv("numbers.csv", index=False)
    done = hotswap("upload", "flats", "model.joblib", "--data", "numbers.csv", "--target", "dear")
    assert done.exit_code == 0, done.stderr
    sent = metadata_of(service)
    assert [column["name"] for column in sent["signature"]["inputs"]] == ["rooms", "size"]
    assert sent["signature"]["output"]["classes"] == ["cheap", "dear"]
    expected = accuracy_score(DEAR, model.predict(numbers.to_numpy()))
    assert sent["metrics"]["accuracy"] == pytest.approx(expected)
    assert {"confusion_matrix", "roc", "coefficients"} <= sent["evaluation"].keys()


def test_dates_are_read_as_dates_where_the_model_takes_them(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    sold = pd.date_range("2026-01-01", periods=60)
    frame = pd.DataFrame({"sold": sold})
    model = make_pipeline(DateEncoder(), LinearRegression()).fit(frame, PRICE)
    skops.io.dump(model, "dates.skops")
    frame.assign(price=PRICE).to_csv("dates.csv", index=False)
    done = hotswap("upload", "flats", "dates.skops", "--data", "dates.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr
    sent = metadata_of(service)
    assert sent["signature"]["inputs"] == [{"name": "sold", "type": "date", "nullable": False}]
    assert sent["input_example"] == {"sold": "2026-01-01"}
    error = root_mean_squared_error(PRICE, model.predict(frame))
    assert sent["metrics"]["rmse"] == pytest.approx(error)


def test_an_onnx_file_is_measured_as_the_service_runs_it(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    three = FRAME[["rooms", "size"]].assign(age=_draws.uniform(0, 9, 60))
    model = LinearRegression().fit(three.to_numpy(), PRICE)
    Path("model.onnx").write_bytes(exported(model).SerializeToString())
    three.assign(price=PRICE).to_csv("three.csv", index=False)
    done = hotswap("upload", "flats", "model.onnx", "--data", "three.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr
    sent = metadata_of(service)
    assert [column["name"] for column in sent["signature"]["inputs"]] == ["rooms", "size", "age"]
    assert sent["metrics"]["rmse"] < 0.01
    assert "residuals" in sent["evaluation"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--data", "test.csv"), "--data and --target require each other"),
        (("--train-data", "test.csv"), "--train-data requires --data"),
        (("--data", "test.csv", "--target", "cost"), "test.csv has no column 'cost'"),
        (
            ("--data", "short.csv", "--target", "price"),
            "short.csv lacks columns of the model: size",
        ),
        (("--data", "other.csv", "--target", "price"), "other.csv lacks columns of the model: "),
        (
            ("--data", "words.csv", "--target", "price"),
            "The model cannot predict words.csv: could not convert string to float: 'large'",
        ),
        (("--data", "test.csv", "--target", "dear"), "target has values that are not numbers"),
    ],
)
def test_data_that_do_not_fit_are_wrong_usage_and_nothing_is_uploaded(
    hotswap: Hotswap, service: FakeService, here: Path, arguments: tuple[str, ...], why: str
) -> None:
    FRAME.drop(columns="size").assign(price=PRICE).to_csv("short.csv", index=False)
    PRICE.to_frame("price").assign(other=1).to_csv("other.csv", index=False)
    FRAME.assign(price=PRICE, size="large").to_csv("words.csv", index=False)
    done = hotswap("upload", "flats", "model.skops", *arguments)
    assert (done.exit_code, service.requests) == (2, [])
    assert why in " ".join(done.stderr.split())


def test_a_file_that_the_service_would_refuse_is_not_read(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    joblib.dump({"a": print}, "model.joblib")
    done = hotswap("upload", "flats", "model.joblib", "--data", "test.csv", "--target", "price")
    assert (done.exit_code, service.requests) == (1, [])
    assert "builtins.print" in done.stderr


def test_a_booster_is_recognised_by_its_bytes_and_measured(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    numbers = FRAME[["rooms", "size"]]
    model = LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1).fit(numbers, PRICE)
    Path("model.txt").write_text(model.booster_.model_to_string())
    done = hotswap("upload", "flats", "model.txt", "--data", "test.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr
    sent = metadata_of(service)
    assert [column["name"] for column in sent["signature"]["inputs"]] == ["rooms", "size"]
    error = root_mean_squared_error(PRICE, model.predict(numbers))
    assert sent["metrics"]["rmse"] == pytest.approx(error)


@pytest.mark.parametrize("format_", ["skops", "joblib"])
def test_a_pipeline_that_ends_in_a_booster_is_measured(
    hotswap: Hotswap, service: FakeService, here: Path, format_: str
) -> None:
    columns = ColumnTransformer(
        [("size", "passthrough", ["rooms", "size"]), ("code", OneHotEncoder(), ["postcode"])],
        sparse_threshold=1.0,
    )
    model = make_pipeline(columns, XGBRegressor(n_estimators=5, n_jobs=1)).fit(FRAME, PRICE)
    (skops.io if format_ == "skops" else joblib).dump(model, f"booster.{format_}")
    file = f"booster.{format_}"
    done = hotswap("upload", "flats", file, "--data", "test.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr

    sent = metadata_of(service)
    error = root_mean_squared_error(PRICE, model.predict(FRAME))
    assert sent["metrics"]["rmse"] == pytest.approx(error, rel=1e-6)
    assert [column["type"] for column in sent["signature"]["inputs"]] == [
        *("integer", "number", "string"),
    ]


def test_a_booster_of_categories_is_measured_by_the_texts_in_the_data(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    rows = FRAME[["size", "postcode"]].astype({"postcode": "category"})
    model = LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1).fit(rows, PRICE)
    skops.io.dump(model, "booster.skops")
    done = hotswap("upload", "flats", "booster.skops", "--data", "test.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr

    error = root_mean_squared_error(PRICE, model.predict(rows))
    assert metadata_of(service)["metrics"]["rmse"] == pytest.approx(error)


def test_decimal_commas_are_read_as_training_reads_them(
    hotswap: Hotswap, service: FakeService, here: Path
) -> None:
    FRAME.assign(price=PRICE).to_csv("test.csv", index=False, sep=";", decimal=",")
    done = hotswap("upload", "flats", "model.skops", "--data", "test.csv", "--target", "price")
    assert done.exit_code == 0, done.stderr

    sent = metadata_of(service)
    assert sent["signature"]["inputs"][1] == {"name": "size", "type": "number", "nullable": False}
    assert sent["metrics"]["rmse"] == pytest.approx(
        root_mean_squared_error(PRICE, MODEL.predict(FRAME)), abs=1e-9
    )
