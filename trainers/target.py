"""The column to predict: its task, and its values in the form that estimators need."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.dates import format_date
from registry.signature import ColumnType, OutputType, Task
from trainers.bundled import BUNDLED_TARGET, is_bundled
from trainers.columns import check_magnitude, declared_column
from trainers.data import Dataset
from trainers.errors import (
    CellsRefused,
    ClassTooRare,
    ColumnNotFound,
    ColumnRefused,
    TargetConstant,
    TargetRefused,
    TaskRefused,
)
from trainers.estimators.family import LARGEST_SQUARED
from trainers.model_kinds import TrainedKind
from trainers.preparation import DeclaredType
from trainers.values import Values

MAX_INFERRED_CLASSES = 20
EXACT_INTEGERS = 2**53


@dataclass(frozen=True, slots=True)
class Target:
    """``values``: one for each kept row; float64 for regression; for classes ``str``, int64 or
    bool. ``kept`` marks, among all rows of the data, those that have a target."""

    name: str
    task: Task
    type: OutputType
    values: NDArray[Any]
    kept: NDArray[np.bool_]

    @property
    def dropped_count(self) -> int:
        return int((~self.kept).sum())


def target_column(
    dataset: Dataset, name: str, where: str = "", declared: DeclaredType | None = None
) -> Values:
    """The column ``name``, typed; that of a bundled set where ``name`` is empty.

    ``where`` begins the message of ColumnNotFound. Raises ColumnNotFound, TargetRefused.
    """
    name = name or (BUNDLED_TARGET if is_bundled(dataset.source) else "")
    if name not in dataset.columns:
        raise ColumnNotFound("target", name, dataset.columns, where)
    try:
        values = declared_column(name, dataset.frame[name], declared, dataset.rules)
        check_magnitude(values, LARGEST_SQUARED)
    except CellsRefused:
        raise
    except ColumnRefused as error:
        raise TargetRefused(name, error.what, "Correct it, or choose another target.") from error
    return values


def read_target(column: Values, kind: TrainedKind, wanted: Task | None) -> Target:
    """Decide the task and convert the values.

    Text and booleans are classes. Numbers are a quantity, except for ``logistic``, and for a tree
    or forest if they are few different whole numbers. ``wanted`` overrides that.

    Raises TargetRefused where the values cannot be learnt or the kind does not fit the target.
    """
    present = column.present
    if len(present) == 0:
        raise TargetRefused(column.name, "has no value in any row", "Choose another target.")
    if column.type == "date":
        raise TargetRefused(
            column.name,
            f"holds dates, such as {format_date(present[0])}",
            "Models predict numbers and classes: choose another target, or make a number of it, "
            "such as the days since a start.",
        )
    if (present == present[0]).all():
        raise TargetConstant(column.name, _example(present[0], column.type))
    task = _task(column, kind, wanted)
    kept = ~column.missing
    if task == "regression":
        return Target(column.name, task, "number", present, kept)
    _check_classes(column.name, present)
    type_: OutputType = "integer" if column.type == "number" else column.type
    dtype: type = {"string": str, "integer": np.int64, "boolean": np.bool_}[type_]
    return Target(column.name, task, type_, present.astype(dtype), kept)


def _task(column: Values, kind: TrainedKind, wanted: Task | None) -> Task:
    if wanted == "regression" and kind == "logistic":
        raise TaskRefused(
            column.name, "is declared a quantity", "logistic predicts classes: use linear."
        )
    if wanted == "classification" and kind == "linear":
        raise TaskRefused(
            column.name, "is declared a class", "linear predicts quantities: use logistic."
        )
    if column.type in {"string", "boolean"}:
        return _classes_only(column, kind, wanted)
    if kind == "linear" or wanted == "regression":
        return "regression"
    whole = _are_whole(column.present)
    if wanted == "classification" and not whole:
        raise TaskRefused(
            column.name,
            f"is declared a class, and holds numbers such as {_no_class(column.present)}",
            "Classes are text, booleans or whole numbers up to 2^53: convert it or set "
            'task = "regression".',
        )
    classes = wanted == "classification" or (whole and _are_few(column.present))
    if kind == "logistic":
        return _logistic(column, classes)
    # Floats that are all whole are usually measurements, not classes.
    is_class = wanted == "classification" or (classes and column.type == "integer")
    return "classification" if is_class else "regression"


def _classes_only(column: Values, kind: TrainedKind, wanted: Task | None) -> Task:
    if kind == "linear" or wanted == "regression":
        held = "text" if column.type == "string" else "true and false"
        raise TaskRefused(
            column.name,
            f"holds {held}, such as {_example(column.present[0], column.type)!r}; "
            "regression needs numbers",
            "Use logistic, tree or forest to predict classes, or convert the column to numbers.",
        )
    return "classification"


def _logistic(column: Values, classes: bool) -> Task:
    if not classes:
        raise TaskRefused(
            column.name,
            f"is a quantity: {len(np.unique(column.present))} different numbers, such as "
            f"{float(column.present[0])}; logistic predicts classes",
            "Use linear, tree or forest; if the numbers are classes, write them as text or set "
            'task = "classification" in a recipe.',
        )
    return "classification"


def _check_classes(name: str, present: NDArray[Any]) -> None:
    counts = Counter(present.tolist())
    single = sorted(_class_text(label) for label, count in counts.items() if count == 1)
    if single:
        raise ClassTooRare(name, single)


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool(_is_class(numbers).all())


def _is_class(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = numbers == np.rint(numbers)
    return whole & (np.abs(numbers) <= EXACT_INTEGERS)


def _no_class(numbers: NDArray[np.float64]) -> float:
    return float(numbers[~_is_class(numbers)][0])


def _are_few(numbers: NDArray[np.float64]) -> bool:
    # At least three rows for each class, so that small data with counts is not taken for classes.
    most = max(2, min(MAX_INFERRED_CLASSES, len(numbers) // 3))
    return len(np.unique(numbers)) <= most


def _class_text(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _example(value: Any, type_: ColumnType) -> Any:
    if type_ == "boolean":
        return bool(value)
    return int(value) if type_ == "integer" else value if type_ == "string" else float(value)
