"""Estimators of XGBoost and LightGBM, alone and in pipelines, fitted on a small table."""

import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, SplineTransformer, StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

ROWS = 600
_draws = np.random.default_rng(4)
FRAME = pd.DataFrame(
    {
        "size": _draws.normal(size=ROWS),
        "rooms": _draws.integers(0, 5, ROWS).astype(float),
        "town": _draws.choice(list("uvwxyz"), ROWS),
        "street": _draws.choice([f"street {at}" for at in range(40)], ROWS),
    }
)
FRAME.loc[_draws.random(ROWS) < 0.1, "size"] = np.nan
FRAME.loc[_draws.random(ROWS) < 0.1, "rooms"] = np.nan
FRAME.loc[_draws.random(ROWS) < 0.1, "size"] = 0.0
FRAME.loc[:2, "size"] = [1e-60, -0.0, 1e-40]
"""With missing values, zeros, and numbers that are zero as a float or for LightGBM."""
NUMBERS = FRAME[["size", "rooms"]]
ARRAY = NUMBERS.to_numpy()
CATEGORIES = FRAME.astype({"town": "category", "street": "category"})
PRICE = (
    np.nan_to_num(FRAME["size"])
    + np.nan_to_num(FRAME["rooms"])
    + 2 * (FRAME["town"] < "w")
    + FRAME["street"].str[7:].astype(int) / 10
)
TWO = (np.median(PRICE) < PRICE).to_numpy().astype(int)
FOUR = np.digitize(PRICE, np.quantile(PRICE, [0.25, 0.5, 0.75]))
XGB = {"n_estimators": 12, "n_jobs": 1, "max_depth": 4}
LGB = {"n_estimators": 12, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}


def labels(numbers: Any) -> Any:
    return np.array(["cheap", "dear", "fair", "odd"])[numbers]


def columns(numbers: Any, *, sparse: bool) -> ColumnTransformer:
    """One-hot towns and streets beside ``numbers``, as a sparse matrix or as an array."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    parts = [("numbers", numbers, ["size", "rooms"]), ("texts", encoder, ["town", "street"])]
    return ColumnTransformer(parts, sparse_threshold=1.0 if sparse else 0.0)


def after(numbers: Any, estimator: Any, *, sparse: bool = True) -> Any:
    return make_pipeline(columns(numbers, sparse=sparse), estimator)


HALF = ROWS // 2
HELD_OUT = ARRAY[HALF:], PRICE[HALF:]


def _stopped_early(estimator: Any, **fit: Any) -> Any:
    estimator.fit(ARRAY[:HALF], PRICE[:HALF], **fit)
    return estimator


def _fitted(model: Any, rows: Any, target: Any) -> Callable[[], tuple[Any, Any]]:
    return lambda: (clone(model).fit(rows, target), rows)


SCALED = StandardScaler()
FILLED = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
COMPILED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "xgb": _fitted(XGBClassifier(**XGB), NUMBERS, TWO),
    "xgb of an array": _fitted(XGBRegressor(**XGB), ARRAY, PRICE),
    "xgb sparse": _fitted(after(SCALED, XGBClassifier(**XGB)), FRAME, TWO),
    "xgb sparse passed": _fitted(after("passthrough", XGBRegressor(**XGB)), FRAME, PRICE),
    "xgb sparse filled": _fitted(after(FILLED, XGBClassifier(**XGB)), FRAME, FOUR),
    "xgb dense": _fitted(after(SCALED, XGBClassifier(**XGB), sparse=False), FRAME, FOUR),
    "xgb softmax": _fitted(
        after(SCALED, XGBClassifier(objective="multi:softmax", **XGB)), FRAME, FOUR
    ),
    "xgb hinge": _fitted(after(SCALED, XGBClassifier(objective="binary:hinge", **XGB)), FRAME, TWO),
    "xgb shares": _fitted(
        after(SCALED, XGBRegressor(objective="binary:logistic", **XGB)), FRAME, TWO
    ),
    "xgb counts": _fitted(
        after(SCALED, XGBRegressor(objective="count:poisson", **XGB)), FRAME, PRICE - PRICE.min()
    ),
    "xgb dart": _fitted(
        after(SCALED, XGBRegressor(booster="dart", rate_drop=0.4, base_score=0.37, **XGB)),
        FRAME,
        PRICE,
    ),
    "xgb dart of four": _fitted(
        after(SCALED, XGBClassifier(booster="dart", rate_drop=0.4, **XGB)), FRAME, FOUR
    ),
    "xgb forest": _fitted(after(SCALED, XGBRFClassifier(**XGB)), FRAME, TWO),
    "xgb forest of prices": _fitted(after(SCALED, XGBRFRegressor(**XGB)), FRAME, PRICE),
    "xgb stopped early": lambda: (
        _stopped_early(
            XGBRegressor(
                n_estimators=80, learning_rate=0.9, early_stopping_rounds=3, n_jobs=1, max_depth=6
            ),
            eval_set=[HELD_OUT],
            verbose=False,
        ),
        ARRAY,
    ),
    "xgb searched": _fitted(
        GridSearchCV(after(SCALED, XGBClassifier(**XGB)), {"xgbclassifier__max_depth": [2, 3]},
                     cv=2), FRAME, TWO,
    ),
    "xgb of texts": _fitted(
        make_pipeline(TfidfVectorizer(), XGBClassifier(**XGB)), FRAME["street"].tolist(), TWO
    ),
    "lgb": _fitted(LGBMClassifier(**LGB), NUMBERS, labels(TWO)),
    "lgb of an array": _fitted(LGBMClassifier(**LGB), ARRAY, labels(FOUR)),
    "lgb sparse": _fitted(after(SCALED, LGBMClassifier(**LGB)), FRAME, labels(TWO)),
    "lgb sparse passed": _fitted(after("passthrough", LGBMRegressor(**LGB)), FRAME, PRICE),
    "lgb dense": _fitted(after(FILLED, LGBMClassifier(**LGB), sparse=False), FRAME, labels(FOUR)),
    "lgb zero as missing": _fitted(
        after("passthrough", LGBMRegressor(zero_as_missing=True, **LGB)), FRAME, PRICE
    ),
    "lgb whole numbers": _fitted(
        make_pipeline(
            ColumnTransformer(
                [
                    (
                        "codes",
                        OrdinalEncoder(
                            dtype=np.int32, handle_unknown="use_encoded_value", unknown_value=-1
                        ),
                        ["town", "street"],
                    )
                ]
            ),
            LGBMClassifier(**LGB),
        ),
        FRAME,
        TWO,
    ),
    "lgb one against all": _fitted(
        after(SCALED, LGBMClassifier(objective="multiclassova", **LGB)), FRAME, FOUR
    ),
    "lgb entropy": _fitted(
        after(SCALED, LGBMClassifier(objective="cross_entropy", **LGB)), FRAME, TWO
    ),
    "lgb shares": _fitted(after(SCALED, LGBMRegressor(objective="binary", **LGB)), FRAME, TWO),
    "lgb forest": _fitted(
        after(SCALED, LGBMRegressor(boosting_type="rf", subsample=0.6, subsample_freq=1, **LGB)),
        FRAME,
        PRICE,
    ),
    "lgb stopped early": lambda: (
        _stopped_early(
            LGBMRegressor(**{**LGB, "n_estimators": 90, "learning_rate": 0.9}),
            eval_X=HELD_OUT[0],
            eval_y=HELD_OUT[1],
            callbacks=[early_stopping(3, verbose=False)],
        ),
        ARRAY,
    ),
}  # fmt: skip
"""Served by the kernel."""

UNCOMPILED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "xgb missing": _fitted(XGBClassifier(missing=2, **XGB), ARRAY, TWO),
    "xgb missing sparse": _fitted(after(FILLED, XGBClassifier(missing=1, **XGB)), FRAME, TWO),
    "xgb selected": _fitted(
        make_pipeline(
            columns(FILLED, sparse=True), SelectKBest(f_regression, k=12), XGBRegressor(**XGB)
        ),
        FRAME,
        PRICE,
    ),
    "xgb logarithm": _fitted(
        TransformedTargetRegressor(
            after(SCALED, XGBRegressor(**XGB)), func=np.log1p, inverse_func=np.expm1
        ),
        FRAME,
        PRICE - PRICE.min(),
    ),
    "xgb of two targets": _fitted(
        MultiOutputRegressor(XGBRegressor(**XGB)), ARRAY, np.column_stack([PRICE, -PRICE])
    ),
    "xgb calibrated": _fitted(
        CalibratedClassifierCV(XGBClassifier(**XGB), cv=2), np.nan_to_num(ARRAY), TWO
    ),
    "lgb splines": _fitted(
        make_pipeline(SimpleImputer(), SplineTransformer(), LGBMRegressor(**LGB)), ARRAY, PRICE
    ),
    "lgb logarithm": _fitted(
        TransformedTargetRegressor(LGBMRegressor(**LGB), func=np.log1p, inverse_func=np.expm1),
        ARRAY,
        PRICE - PRICE.min(),
    ),
    "both voting": _fitted(
        VotingClassifier(
            [("x", XGBClassifier(**XGB)), ("l", LGBMClassifier(**LGB)),
             ("f", LogisticRegression())], voting="soft",
        ),
        np.nan_to_num(ARRAY),
        FOUR,
    ),
    "both stacked": _fitted(
        StackingRegressor(
            [("x", XGBRegressor(**XGB)), ("l", LGBMRegressor(**LGB))], LinearRegression(), cv=2
        ),
        ARRAY,
        PRICE,
    ),
}  # fmt: skip
"""Answered by scikit-learn and the kernel in a confined process."""

OF_CATEGORIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "xgb categories": _fitted(XGBClassifier(enable_categorical=True, **XGB), CATEGORIES, TWO),
    "lgb categories": _fitted(LGBMClassifier(**LGB), CATEGORIES, labels(TWO)),
}
"""Fitted on pandas categories, which are sent as texts."""

_ALL = {**COMPILED, **UNCOMPILED, **OF_CATEGORIES}


@cache
def booster(name: str) -> tuple[Any, Any]:
    """The fitted model called ``name``, and the rows that it was fitted on."""
    return _ALL[name]()


# XGBoost cannot free a booster once the interpreter has cleared its modules.
atexit.register(booster.cache_clear)
