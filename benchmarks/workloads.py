"""The requests to every server: rows, split into requests, and their correct predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from benchmarks.pipelines import housing_like, iris_like

DIFFERENT_BODIES = 1_000
BATCH_ROWS = 1_000
DIFFERENT_BATCHES = 50
SHARED_FORM = "records"
"""The form of body that every server accepts."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests to one model in one form.

    ``tables`` has the rows of each request, ``expected`` scikit-learn's predictions for them.
    """

    name: str
    model: str
    form: str
    tables: Sequence[pd.DataFrame]
    expected: Sequence[np.ndarray]

    @property
    def single(self) -> bool:
        """Whether each request is one row."""
        return len(self.tables[0]) == 1


IRIS_ROW = "iris, one row"
HOUSING_ROW = "housing, one row"
HOUSING_BATCH = "housing, 1,000 rows, JSON records"
HOUSING_CSV = "housing, 1,000 rows, CSV"
HOUSING_ARROW = "housing, 1,000 rows, Arrow"
HOUSING_TENSORS = "housing, 1,000 rows, binary tensors"
PROTOCOL_ROWS = {
    form: {name: f"{name}, {shown}" for name in (IRIS_ROW, HOUSING_ROW)}
    for form, shown in (
        ("json-tensors", "JSON tensors"),
        ("tensors", "binary tensors"),
        ("scoring", "MLflow's scoring"),
        ("tensorflow", "TensorFlow Serving"),
    )
}
"""The same rows in the forms of other systems' protocols."""
TENSOR_ROWS = PROTOCOL_ROWS["json-tensors"], PROTOCOL_ROWS["tensors"]
OTHER_FORMS = {
    "inputs": "housing, 1,000 rows, JSON by column",
    "csv": HOUSING_CSV,
    "arrow": HOUSING_ARROW,
    "parquet": "housing, 1,000 rows, Parquet",
    "tensors": HOUSING_TENSORS,
}


def all_workloads(iris: Pipeline, housing: Pipeline) -> list[Workload]:
    """Every workload, those that all servers accept first."""
    irises = iris_like(DIFFERENT_BODIES, seed=3)
    houses, _ = housing_like(DIFFERENT_BODIES, seed=2)
    many, _ = housing_like(DIFFERENT_BATCHES * BATCH_ROWS, seed=4)
    batches = cut(many, BATCH_ROWS)
    answers = [housing.predict(table) for table in batches]
    singles = [
        Workload(IRIS_ROW, "iris", "records", cut(irises, 1), _singly(iris.predict(irises))),
        Workload(
            HOUSING_ROW, "housing", "records", cut(houses, 1), _singly(housing.predict(houses))
        ),
    ]
    return [
        *singles,
        *(
            replace(one, name=names[one.name], form=form)
            for form, names in PROTOCOL_ROWS.items()
            for one in singles
        ),
        Workload(HOUSING_BATCH, "housing", "records", batches, answers),
        *(Workload(name, "housing", form, batches, answers) for form, name in OTHER_FORMS.items()),
    ]


def cut(table: pd.DataFrame, rows: int) -> list[pd.DataFrame]:
    """The table in pieces of ``rows`` rows."""
    return [table.iloc[at : at + rows] for at in range(0, len(table), rows)]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON values: a missing value is null."""
    plain = table.astype(object).where(table.notna(), None)
    return plain.to_dict(orient="records")


def columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns as JSON values: a missing value is null."""
    plain = table.astype(object).where(table.notna(), None)
    return {str(name): plain[name].tolist() for name in plain}


def _singly(answers: np.ndarray) -> list[np.ndarray]:
    return [answers[at : at + 1] for at in range(len(answers))]
