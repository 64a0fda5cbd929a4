"""The examples in examples/: their pages, their tables, and their models in plain scikit-learn.

The models are written as in a tutorial, without anything of ours, to compare predictions with.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

EXAMPLES = Path(__file__).parents[1] / "examples"
CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=1000),
    "tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    "forest": RandomForestClassifier(min_samples_leaf=2, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
}
BANDS = {"edges": [0, 12, 18, 60, 100], "labels": ["child", "teenager", "adult", "senior"]}


@dataclass(frozen=True)
class Example:
    """A folder of ``examples/``: the model that its recipe names, and the column it predicts."""

    folder: str
    model: str
    target: str
    table: str = ""
    """The name of its file; empty: the irises of scikit-learn."""

    def __str__(self) -> str:
        return self.folder

    @property
    def recipe(self) -> Path:
        return EXAMPLES / self.folder / "recipe.toml"

    @property
    def page(self) -> str:
        return (EXAMPLES / self.folder / "README.md").read_text()

    def bodies(self) -> list[bytes]:
        """The JSON bodies that the page sends."""
        return [body.encode() for body in re.findall(r"-d '(\{.*\})'", self.page)]

    def rows(self) -> pd.DataFrame:
        """The columns that the model takes, of all rows of its table."""
        return self._frame().drop(columns=[self.target, "passenger_id"], errors="ignore")

    def split(self) -> list[Any]:
        """The rows to train on and the others, then their targets, in scikit-learn's order."""
        target = self._frame()[self.target]
        classes = None if pd.api.types.is_numeric_dtype(target) else target
        return train_test_split(
            self.rows(), target, test_size=0.2, random_state=0, stratify=classes
        )

    def records(self) -> list[dict[str, Any]]:
        """All rows as records for a request; a missing value is null."""
        return self.rows().astype(object).where(self.rows().notna(), None).to_dict("records")

    def _frame(self) -> pd.DataFrame:
        if self.table:
            return pd.read_csv(EXAMPLES / self.folder / self.table)
        irises = load_iris(as_frame=True)
        return irises.data.assign(target=irises.target_names[irises.target])


HOUSES = Example("house-prices", "house-prices", "median_house_value", "houses.csv")
PASSENGERS = Example("passengers", "passengers", "survived", "passengers.csv")
IRISES = Example("iris", "iris-tree", "target")
SALES = Example("monthly-sales", "monthly-sales", "sales_third_month", "sales.csv")
PROXIED = Example("behind-a-proxy", "iris-logistic", "target")
ALL = (HOUSES, PASSENGERS, IRISES, SALES, PROXIED)


def plain_model(example: Example, kind: str = "logistic") -> Pipeline:
    """The example's model in plain scikit-learn, fitted on its training rows.

    ``kind`` is that of the passengers.
    """
    train, _, target, _ = example.split()
    return _unfitted(example, kind).fit(train, target)


def _unfitted(example: Example, kind: str) -> Pipeline:
    if example is HOUSES:
        return make_pipeline(_prepared_houses(), LinearRegression())
    if example is PASSENGERS:
        return make_pipeline(_prepared_passengers(scaled=kind == "logistic"), CLASSIFIERS[kind])
    if example is SALES:
        return make_pipeline(_prepared_sales(), LinearRegression())
    if example is IRISES:
        return make_pipeline(
            DecisionTreeClassifier(max_depth=3, min_samples_leaf=5, random_state=0)
        )
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _prepared_houses() -> ColumnTransformer:
    coast = ["ocean_proximity"]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer(
        [("coast", OneHotEncoder(sparse_output=False), coast)], remainder=numbers
    )


def _prepared_passengers(*, scaled: bool) -> ColumnTransformer:
    numbers = StandardScaler() if scaled else "passthrough"
    return ColumnTransformer(
        [
            ("texts", OneHotEncoder(sparse_output=False), ["class", "sex"]),
            ("bands", FunctionTransformer(_bands), ["age"]),
            ("numbers", numbers, ["relatives", "fare"]),
        ]
    )


def _bands(ages: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(pd.cut(ages["age"], BANDS["edges"], labels=BANDS["labels"]), dtype=float)


def _prepared_sales() -> Pipeline:
    sales = ["sales_first_month", "sales_second_month"]
    filled = ColumnTransformer(
        [
            ("zero", SimpleImputer(strategy="constant", fill_value=0), ["rate"]),
            ("mean", SimpleImputer(strategy="mean"), sales),
        ]
    )
    return make_pipeline(filled, StandardScaler())


def replies_in(text: str) -> Iterator[dict[str, Any]]:
    """The replies to predictions that begin a line of ``text``, numbers to six digits."""
    decoder = json.JSONDecoder(parse_float=lambda digits: float(f"{float(digits):.6g}"))
    for start in re.finditer(r'^ *(?=\{"model":)', text, re.MULTILINE):
        yield decoder.raw_decode(text, start.end())[0]
