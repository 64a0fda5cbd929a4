"""Models of XGBoost and LightGBM that are trained on random data, and what they predict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost

ROWS = 2000
ROUNDS = 8


def table(seed: int = 1) -> np.ndarray:
    """Numbers with ties, zeros, missing values, whole numbers and extreme values."""
    draws = np.random.default_rng(seed)
    rows = draws.normal(size=(ROWS, 6))
    rows[draws.random(rows.shape) < 0.1] = np.nan
    rows[:, 3] = draws.integers(0, 9, ROWS)
    rows[:, 4] = np.round(rows[:, 4], 1)
    rows[draws.random(rows.shape) < 0.05] = 0.0
    rows[:8, 0] = [1e38, -1e38, 1e-45, -1e-40, 1e-36, -0.0, 3.4e38, 16777217.0]
    return rows


X = table()
NUMBERS = np.nan_to_num(X[:, 0].clip(-3, 3)) + np.nan_to_num(X[:, 1]) * X[:, 3]
TARGETS = {
    "number": NUMBERS,
    "positive": np.abs(NUMBERS) + 0.1,
    "two": (NUMBERS > 1).astype(int),
    "four": np.digitize(NUMBERS, [-2, 0, 3]),
}


@dataclass(frozen=True)
class Trained:
    """The bytes of a file, and the library's own predictions for the rows that are served."""

    format: str
    content: bytes
    rows: np.ndarray
    expected: np.ndarray
    """rows x outputs, of the dtype that the library returns."""


def of_xgboost(
    target: str, objective: str, file: str = "ubj", rounds: int = ROUNDS, **params: Any
) -> Trained:
    booster = xgboost.train(
        {"objective": objective, "nthread": 1, **params},
        xgboost.DMatrix(X, TARGETS[target]),
        rounds,
    )
    expected = booster.predict(xgboost.DMatrix(X))
    return Trained("xgboost", bytes(booster.save_raw(file)), X, expected.reshape(ROWS, -1))


def of_lightgbm(target: str, objective: str, rounds: int = ROUNDS, **params: Any) -> Trained:
    categorical = params.pop("categorical_feature", "auto")
    fixed = {"num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    data = lightgbm.Dataset(X, TARGETS[target], categorical_feature=categorical)
    booster = lightgbm.train({"objective": objective, **fixed, **params}, data, rounds)
    rows = X.copy()
    rows[:40, 3] = [-0.5, -3, 1e12, 1.7, np.nan] * 8
    expected = booster.predict(rows, num_threads=1)
    content = booster.model_to_string().encode()
    return Trained("lightgbm", content, rows, np.asarray(expected).reshape(ROWS, -1))


def of_survival() -> Trained:
    """Of rows with a range of times, and enough of them to tell how ``exp`` is rounded."""
    rows = np.concatenate([table(0), table(1)])
    data = xgboost.DMatrix(rows)
    times = np.exp(np.nan_to_num(rows[:, 1]) + np.nan_to_num(rows[:, 4]))
    data.set_float_info("label_lower_bound", times)
    data.set_float_info("label_upper_bound", times * 2)
    booster = xgboost.train({"objective": "survival:aft", "nthread": 1}, data, 40)
    expected = booster.predict(xgboost.DMatrix(rows))
    return Trained("xgboost", bytes(booster.save_raw("ubj")), rows, expected.reshape(len(rows), -1))


def frame() -> pd.DataFrame:
    draws = np.random.default_rng(2)
    words = pd.Categorical(draws.choice([f"word {number}" for number in range(40)], ROWS))
    whole = pd.DataFrame({"size": X[:, 0], "word": words, "room": X[:, 3]})
    whole["code"] = pd.Categorical(draws.integers(10, 60, ROWS))
    whole.loc[:50, "word"] = np.nan
    return whole


FRAME = frame()
BY_CATEGORY = (
    np.nan_to_num(FRAME["size"].clip(-3, 3))
    + FRAME["word"].cat.codes % 7
    + FRAME["code"].astype(int) % 5
)


def xgboost_of_frame(**params: Any) -> tuple[bytes, np.ndarray]:
    data = xgboost.DMatrix(FRAME, BY_CATEGORY, enable_categorical=True)
    booster = xgboost.train({"nthread": 1, **params}, data, ROUNDS)
    return bytes(booster.save_raw("json")), booster.predict(data)


def lightgbm_of_frame(**params: Any) -> tuple[bytes, np.ndarray]:
    fixed = {"num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train({**fixed, **params}, lightgbm.Dataset(FRAME, BY_CATEGORY), ROUNDS)
    return booster.model_to_string().encode(), np.asarray(booster.predict(FRAME, num_threads=1))


def xgboost_of_codes(rounds: int = ROUNDS, **params: Any) -> Trained:
    """Categories that are known by their codes alone, as before XGBoost 3.1."""
    rows = np.column_stack([X[:, 0], FRAME["word"].cat.codes.replace(-1, np.nan)])
    kinds = ["float", "c"]
    data = xgboost.DMatrix(rows, BY_CATEGORY, feature_types=kinds, enable_categorical=True)
    booster = xgboost.train({"nthread": 1, **params}, data, rounds)
    asked = rows.copy()
    asked[60:100, 1] = [-1, -0.5, 3.7, 1000] * 10
    expected = booster.predict(xgboost.DMatrix(asked, feature_types=kinds, enable_categorical=True))
    return Trained("xgboost", bytes(booster.save_raw("ubj")), asked, expected.reshape(ROWS, -1))


Case = tuple[Callable[..., Trained], tuple[Any, ...], dict[str, Any]]
CASES: dict[str, Case] = {
    "xgb-squares": (of_xgboost, ("number", "reg:squarederror"), {}),
    "xgb-json": (of_xgboost, ("number", "reg:squarederror", "json"), {}),
    "xgb-deep": (of_xgboost, ("number", "reg:absoluteerror"), {"max_depth": 12}),
    "xgb-pruned": (
        of_xgboost,
        ("number", "reg:pseudohubererror"),
        {"tree_method": "exact", "gamma": 3.0},
    ),
    "xgb-lossguide": (
        of_xgboost,
        ("number", "reg:squarederror"),
        {"grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0},
    ),
    "xgb-poisson": (of_xgboost, ("positive", "count:poisson"), {}),
    "xgb-gamma": (of_xgboost, ("positive", "reg:gamma"), {}),
    "xgb-tweedie": (of_xgboost, ("positive", "reg:tweedie"), {}),
    "xgb-cox": (of_xgboost, ("positive", "survival:cox"), {}),
    "xgb-aft": (of_survival, (), {}),
    "xgb-logistic": (of_xgboost, ("two", "binary:logistic"), {}),
    "xgb-surely-not": (of_xgboost, ("two", "binary:logistic"), {"base_score": 0.0}),
    "xgb-surely": (of_xgboost, ("two", "reg:logistic"), {"base_score": 1.0, "eta": 0.01}),
    "xgb-share": (of_xgboost, ("two", "reg:logistic", "json"), {}),
    "xgb-raw": (of_xgboost, ("two", "binary:logitraw"), {}),
    "xgb-hinge": (of_xgboost, ("two", "binary:hinge"), {}),
    "xgb-softprob": (of_xgboost, ("four", "multi:softprob"), {"num_class": 4}),
    "xgb-rank": (of_xgboost, ("two", "rank:pairwise"), {}),
    "xgb-quantile": (of_xgboost, ("number", "reg:quantileerror"), {"quantile_alpha": 0.3}),
    "xgb-dart": (
        of_xgboost,
        ("two", "binary:logistic"),
        {"booster": "dart", "rate_drop": 0.3, "base_score": 0.3},
    ),
    "xgb-forest": (
        of_xgboost,
        ("four", "multi:softprob"),
        {"num_class": 4, "num_parallel_tree": 3, "subsample": 0.5},
    ),
    "xgb-codes": (xgboost_of_codes, (), {}),
    "xgb-codes-one-hot": (xgboost_of_codes, (), {"max_cat_to_onehot": 100}),
    "lgb-squares": (of_lightgbm, ("number", "regression"), {}),
    "lgb-roots": (of_lightgbm, ("positive", "regression"), {"reg_sqrt": True}),
    "lgb-huber": (of_lightgbm, ("number", "huber"), {}),
    "lgb-quantile": (of_lightgbm, ("number", "quantile"), {"alpha": 0.3}),
    "lgb-poisson": (of_lightgbm, ("positive", "poisson"), {}),
    "lgb-gamma": (of_lightgbm, ("positive", "gamma"), {}),
    "lgb-tweedie": (of_lightgbm, ("positive", "tweedie"), {}),
    "lgb-binary": (of_lightgbm, ("two", "binary"), {"sigmoid": 1.7}),
    "lgb-classes": (of_lightgbm, ("four", "multiclass"), {"num_class": 4}),
    "lgb-one-against-all": (of_lightgbm, ("four", "multiclassova"), {"num_class": 4}),
    "lgb-entropy": (of_lightgbm, ("two", "cross_entropy"), {}),
    "lgb-entropy-lambda": (of_lightgbm, ("two", "cross_entropy_lambda"), {}),
    "lgb-dart": (of_lightgbm, ("number", "regression"), {"boosting": "dart"}),
    "lgb-forest": (
        of_lightgbm,
        ("number", "regression"),
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    ),
    "lgb-zero-missing": (of_lightgbm, ("two", "binary"), {"zero_as_missing": True}),
    "lgb-none-missing": (of_lightgbm, ("number", "regression"), {"use_missing": False}),
    "lgb-categories": (
        of_lightgbm,
        ("four", "multiclass"),
        {"num_class": 4, "categorical_feature": [3, 4], "num_leaves": 60},
    ),
}

# With more trees for a column of keys, the kernel finds their leaves by masks.
MASKED = (
    "xgb-squares",
    "xgb-lossguide",
    "xgb-logistic",
    "xgb-dart",
    "xgb-codes",
    "xgb-codes-one-hot",
    "lgb-squares",
    "lgb-dart",
    "lgb-forest",
    "lgb-zero-missing",
    "lgb-none-missing",
)
for name in MASKED:
    train, positions, params = CASES[name]
    CASES[f"{name}-masked"] = (train, positions, {**params, "rounds": 40})
