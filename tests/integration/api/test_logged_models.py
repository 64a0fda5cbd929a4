"""What ``hotswap.log`` sends is accepted, and describes a model as our trainers do."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer
from xgboost import XGBClassifier, XGBRegressor

from hotswap.fitted.log import measure, packed, training_rows
from registry.preprocessing import DateEncoder
from tests.attacks.opcodes import written
from tests.integration.api.tables import parquet, set_holdout

_draws = np.random.default_rng(0)
FRAME = pd.DataFrame(_draws.normal(size=(150, 3)), columns=["a", "b", "c"])
TARGET = pd.Series(2 * FRAME["a"] - FRAME["b"], name="y")
OUR_OWN = {
    *(
        "rows",
        "train_rows",
        "notes",
        "warnings",
        "metric_intervals",
        "baseline",
        "columns",
        "profile",
    ),
    *("predicted_vs_true", "residuals", "coefficients"),
}


def test_a_logged_regression_has_every_part_of_an_evaluation(admin, fresh_name):
    train, test = FRAME[:100], FRAME[100:]
    model = LinearRegression().fit(train, TARGET[:100])
    said = measure(model, train, test, TARGET[100:], TARGET[:100])
    answer = admin.upload(fresh_name, *packed(model, said))
    assert answer.status_code == 201, answer.text

    assert answer.json["metrics"] == said["metrics"]
    assert answer.json["signature"]["output"] == {"name": "y", "type": "number"}
    assert [column["nullable"] for column in answer.json["signature"]["inputs"]] == [False] * 3
    evaluation = admin.get(f"/models/{fresh_name}/1/evaluation").json
    assert evaluation.keys() == OUR_OWN
    card = admin.get(f"/models/{fresh_name}/1/card").text
    assert "unknown" not in card


def test_a_logged_forest_on_an_array_with_gaps_predicts_its_own_rows(admin, fresh_name):
    rows = FRAME.to_numpy(copy=True)
    rows[::7, 1] = np.nan
    labels = np.where(TARGET > 0, "up", "down")
    model = RandomForestClassifier(5, random_state=0).fit(rows, labels)
    said = measure(model, rows, rows[:50], labels[:50])
    answer = admin.upload(fresh_name, *packed(model, said))
    assert answer.status_code == 201, answer.text

    assert [column["nullable"] for column in answer.json["signature"]["inputs"]] == [
        False,
        True,
        False,
    ]
    assert said["evaluation"]["notes"] == ["the baseline is computed from the held-out rows"]
    sent = [[None if np.isnan(cell) else cell for cell in row] for row in rows[:20].tolist()]
    served = admin.post(f"/models/{fresh_name}/1/predict", json={"instances": sent})
    assert served.json["predictions"] == model.predict(rows[:20]).tolist()


def test_a_logged_pipeline_with_dates_takes_them_as_text(admin, fresh_name):
    start, days = pd.Timestamp("2026-01-01"), _draws.integers(0, 300, 150)
    days = pd.Series(start + pd.to_timedelta(days, "D"))
    frame = pd.DataFrame({"sold": days.mask(_draws.random(150) < 0.1), "a": FRAME["a"]})
    columns = ColumnTransformer([("sold", DateEncoder(), ["sold"]), ("a", "passthrough", ["a"])])
    model = make_pipeline(columns, RandomForestRegressor(5, random_state=0)).fit(frame, TARGET)
    said = measure(model, frame, frame[:50], TARGET[:50])
    answer = admin.upload(fresh_name, *packed(model, said))
    assert answer.status_code == 201, answer.text

    assert answer.json["signature"]["inputs"] == [
        {"name": "sold", "type": "date", "nullable": True},
        {"name": "a", "type": "number", "nullable": False},
    ]
    assert sum(said["evaluation"]["profile"]["columns"]["sold"]["counts"]) < 150
    sent = [
        {"sold": None if pd.isna(row.sold) else row.sold.date().isoformat(), "a": row.a}
        for row in frame[:20].itertuples()
    ]
    served = admin.post(f"/models/{fresh_name}/1/predict", json={"instances": sent})
    assert served.json["predictions"] == model.predict(frame[:20]).tolist()


@pytest.mark.parametrize("kind", [list, lambda texts: pd.Series(texts, name="review")])
def test_a_logged_model_of_texts_takes_one_column(admin, fresh_name, kind):
    texts = ["good and cheap", "bad and loud", "cheap but bad", "good, quiet"] * 10
    labels = np.array(["up", "down", "down", "up"] * 10)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(kind(texts), labels)
    said = measure(model, kind(texts), kind(texts[:8]), labels[:8])
    answer = admin.upload(fresh_name, *packed(model, said))
    assert answer.status_code == 201, answer.text

    (column,) = answer.json["signature"]["inputs"]
    assert column["type"] == "string"
    served = admin.post(
        f"/models/{fresh_name}/1/predict", json={"instances": [{column["name"]: "good, cheap"}]}
    )
    assert served.json["predictions"] == model.predict(["good, cheap"]).tolist()


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("named", [True, False], ids=["frame", "array"])
def test_a_logged_booster_is_sent_in_the_format_of_its_library(admin, fresh_name, library, named):
    rows = FRAME if named else FRAME.to_numpy()
    labels = (TARGET > 0).astype(int).to_numpy()
    if library == "xgboost":
        model = XGBClassifier(n_estimators=5).fit(rows, labels)
    else:
        labels = np.where(labels, "up", "down")
        model = LGBMClassifier(n_estimators=5, verbose=-1).fit(rows, labels)
    said = measure(model, rows, rows[:50], labels[:50])
    artifact, metadata = packed(model, said)
    assert metadata["format"] == library
    answer = admin.upload(fresh_name, artifact, metadata)
    assert answer.status_code == 201, answer.text

    sent = FRAME[:20].to_numpy().tolist()
    served = admin.post(f"/models/{fresh_name}/1/predict", json={"instances": sent})
    assert served.json["predictions"] == model.predict(rows[:20]).tolist()
    assert answer.json["signature"]["output"]["classes"] == np.unique(labels).tolist()
    assert "importances" in admin.get(f"/models/{fresh_name}/1/evaluation").json


HOUSES = FRAME.assign(town=np.where(FRAME["c"] > 0, "Ghent", "Leeds"))
HOUSES.loc[::9, "a"] = np.nan
HOUSES.loc[::7, "b"] = 0.0  # missing to XGBoost, as one-hot columns make the features sparse


@pytest.mark.parametrize(
    ("library", "splines"),
    [
        ("xgboost", False),
        ("lightgbm", False),
        # It starts a confined process, which takes seconds.
        pytest.param("xgboost", True, marks=pytest.mark.slow, id="confined"),
    ],
)
def test_a_logged_pipeline_that_ends_in_a_booster_predicts_the_same_bits(
    admin, fresh_name, library, splines
):
    kept = SplineTransformer(handle_missing="zeros") if splines else "passthrough"
    parts = [
        ("keep", kept, ["a", "b"]),
        ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
    ]
    columns = ColumnTransformer(parts, sparse_threshold=1.0)
    labels = (TARGET > 0).astype(int).to_numpy()
    last = XGBClassifier(n_estimators=5)
    if library == "lightgbm":
        labels = np.where(labels, "up", "down")
        last = LGBMClassifier(n_estimators=5, verbose=-1)
    model = make_pipeline(columns, last).fit(HOUSES, labels)
    said = measure(model, HOUSES, HOUSES[:50], labels[:50])
    artifact, metadata = packed(model, said)
    assert metadata["format"] == "skops"
    answer = admin.upload(fresh_name, artifact, metadata)
    assert answer.status_code == 201, answer.text

    assert answer.json["engine"]["name"] == ("scikit-learn" if splines else "trees")
    assert answer.json["environment"][library]
    rows = HOUSES[:20].astype(object).where(HOUSES[:20].notna(), None).to_dict("records")
    served = admin.post(
        f"/models/{fresh_name}/1/predict?probabilities=true", json={"instances": rows}
    )
    assert served.json["predictions"] == model.predict(HOUSES[:20]).tolist()
    shares = [list(each.values()) for each in served.json["probabilities"]]
    assert shares == model.predict_proba(HOUSES[:20]).astype(float).tolist()


@pytest.mark.parametrize("format_", ["lightgbm", "skops"])
def test_blanks_in_names_stay_though_lightgbm_replaces_them(admin, fresh_name, format_):
    rows = FRAME.rename(columns=lambda name: f"column {name}")
    model = LGBMRegressor(n_estimators=5, verbose=-1).fit(rows, TARGET)
    said = measure(model, rows, rows[:50], TARGET[:50])
    artifact, metadata = packed(model, said)
    if format_ == "skops":
        artifact = written(model, "skops")
    answer = admin.upload(fresh_name, artifact, metadata | {"format": format_})
    assert answer.status_code == 201, answer.text

    names = [column["name"] for column in answer.json["signature"]["inputs"]]
    assert names == ["column a", "column b", "column c"]
    served = admin.post(
        f"/models/{fresh_name}/1/predict", json={"instances": rows[:20].to_dict("records")}
    )
    assert served.json["predictions"] == model.predict(rows[:20]).tolist()
    other = rows.rename(columns={"column a": "column-a"})
    with pytest.raises(ValueError, match="was fitted on the columns"):
        measure(model, other, other, TARGET)


@pytest.mark.parametrize(
    "params",
    [
        {"missing": 0.0},
        {"booster": "dart", "rate_drop": 0.5},
        {"early_stopping_rounds": 1, "learning_rate": 1.0},
    ],
    ids=["missing", "dart", "stopped early"],
)
def test_a_logged_booster_predicts_as_the_model_that_was_fitted(admin, fresh_name, params):
    rows, target = HOUSES[["a", "b"]], TARGET
    held_out = [(rows[100:], target[100:])] if "early_stopping_rounds" in params else None
    model = XGBRegressor(n_estimators=30, n_jobs=1, **params)
    model.fit(rows[:100], target[:100], eval_set=held_out, verbose=False)
    said = measure(model, rows, rows[:50], target[:50])
    answer = admin.upload(fresh_name, *packed(model, said))
    assert answer.status_code == 201, answer.text

    sent = rows.astype(object).where(rows.notna(), None).to_dict("records")
    served = admin.post(f"/models/{fresh_name}/1/predict", json={"instances": sent})
    assert served.json["predictions"] == model.predict(rows).astype(float).tolist()


@pytest.mark.parametrize("with_target", [True, False])
def test_logged_training_rows_are_recognized_in_a_holdout(admin, fresh_name, with_target):
    frame = FRAME.assign(unused="x", town=np.where(FRAME["c"] > 0, "Ghent", "Leeds"))
    part = [("keep", "passthrough", ["a", "b"]), ("town", OneHotEncoder(), ["town"])]
    model = make_pipeline(ColumnTransformer(part), LinearRegression()).fit(
        frame[:100], TARGET[:100]
    )
    said = measure(model, frame[:100], frame[100:], TARGET[100:])
    rows = training_rows(model, frame[:100], TARGET[:100] if with_target else None)

    answer = admin.upload(fresh_name, *packed(model, said), training_rows=rows)
    assert answer.status_code == 201, answer.text
    held_out = frame[60:].assign(y=TARGET)

    shown = set_holdout(admin, fresh_name, parquet(held_out), "y").json
    assert shown["trained_on"] == [{"version": 1, "rows": 40}]
