"""Small fitted scikit-learn models, each with rows to predict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier


@dataclass(frozen=True)
class Trained:
    """A fitted model and rows for it: a DataFrame, or an array where it was fitted on one."""

    model: Any
    rows: Any


def train_all() -> dict[str, Trained]:
    return {
        "housing": _housing(),
        "iris-names": _iris_by_name(),
        "iris-arrays": _iris_on_arrays(),
        "plane": _plane(),
        **{f"line-{slope}": _line(slope) for slope in (1, 2, 3)},
    }


def _housing() -> Trained:
    """By name, regression: a column of each sort, two of which may be null."""
    draws = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "median_income": draws.uniform(0.5, 12, 80),
            "bedrooms": draws.integers(1, 900, 80).astype(float),
            "ocean_proximity": draws.choice(["INLAND", "NEAR BAY", "ISLAND"], 80),
            "county": draws.choice(["Marin", "Napa"], 80),
        }
    )
    target = 40_000 * frame["median_income"] + 17.3 * frame["bedrooms"] + draws.normal(0, 900, 80)
    frame.loc[[2, 11], "bedrooms"] = np.nan
    frame.loc[5, "county"] = np.nan
    columns = ColumnTransformer(
        [
            ("plain", StandardScaler(), ["median_income"]),
            ("gaps", make_pipeline(SimpleImputer(), StandardScaler()), ["bedrooms"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["ocean_proximity"]),
            (
                "text-gaps",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
                ),
                ["county"],
            ),
        ]
    )
    return Trained(make_pipeline(columns, LinearRegression()).fit(frame, target), frame)


def _iris_by_name() -> Trained:
    """By name, classification with texts as labels."""
    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=["sepal_l", "sepal_w", "petal_l", "petal_w"])
    labels = iris.target_names[iris.target].astype(object)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, labels)
    return Trained(model, frame.iloc[::10].reset_index(drop=True))


def _iris_on_arrays() -> Trained:
    """By position, classification with integers as labels."""
    iris = load_iris()
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.data, iris.target)
    return Trained(model, iris.data[::10])


def _plane() -> Trained:
    """By position, regression on two columns."""
    rows = np.random.default_rng(4).normal(size=(30, 2))
    model = LinearRegression().fit(rows, rows @ np.array([1.1, -2.3]) + 0.7)
    return Trained(model, rows)


def _line(slope: int) -> Trained:
    """Predicts ``slope`` times its one column, so the prediction identifies the version."""
    rows = np.array([[0.0], [1.0], [2.0]])
    return Trained(LinearRegression().fit(rows, slope * rows.ravel()), rows)
