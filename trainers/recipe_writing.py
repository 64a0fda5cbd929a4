"""Writes a first recipe for a data set: ready to train, with a comment on each column."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.dates import format_date
from trainers.columns import MAX_CATEGORIES, feature_column, is_free_text
from trainers.data import Dataset, read_dataset
from trainers.errors import CellsRefused, ColumnRefused, ColumnsRefused, NoFeatures
from trainers.estimators import family_of
from trainers.estimators.family import Family
from trainers.features import MISSING_CATEGORY
from trainers.file_settings import FILE_KEYS, FROM_CONTENT, FileSettings
from trainers.inferred import declared_type
from trainers.model_kinds import TrainedKind
from trainers.preparation import Constant, Preparation
from trainers.search_space import DEFAULT_METRIC
from trainers.target import Target, read_target, target_column
from trainers.toml_writer import comment, key, value
from trainers.values import Values

SKEWED = 20
"""A column without negative numbers is skewed if its largest number exceeds this many medians."""
_SHOWN = 4
_SHOWN_TEXT = 60
_SEARCHED: dict[TrainedKind, dict[str, list[Any]]] = {
    "linear": {"fit_intercept": [True, False]},
    "logistic": {"C": [0.1, 1.0, 10.0]},
    "tree": {"max_depth": [4, 8, 16]},
    "forest": {"max_depth": [8, 16, 32], "max_features": [0.5, 1.0]},
    "boosting": {"learning_rate": [0.05, 0.1], "max_leaf_nodes": [15, 31]},
    "xgboost": {"learning_rate": [0.1, 0.3], "max_depth": [4, 6]},
    "lightgbm": {"learning_rate": [0.05, 0.1], "num_leaves": [15, 31]},
}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its values in words, and how it is prepared, or why it is left out."""

    name: str
    values: str
    how: Preparation | None = None
    refused: str = ""
    is_time: bool = False


def write_recipe(
    data: str,
    target: str,
    kind: TrainedKind,
    name: str,
    shown: str,
    *,
    settings: FileSettings = FROM_CONTENT,
) -> str:
    """A recipe for ``data``, as TOML; in it the data is called ``shown``. It has ``settings``, and
    what was found out about the file and the types of its columns.

    A column that cannot be learnt from is excluded, with a comment that says why.

    Raises a subclass of TrainingRefused where nothing can be learnt from the data, or where the
    cells of a column can be read in several ways.
    """
    dataset = read_dataset(data, settings)
    predicted = target_column(dataset, target)
    goal = read_target(predicted, kind, None)
    family = family_of(kind)
    columns = _columns(dataset, goal, family)
    if not any(column.how for column in columns):
        raise NoFeatures
    lines = [
        comment(
            f"A recipe for {shown}: {len(dataset.frame):,} rows, {len(dataset.columns)} columns."
        ),
        comment("docs/recipes.md describes each key; 'hotswap recipe check' checks them."),
        f"name = {value(name)}",
        f"data = {value(shown)}",
        *_file(dataset, settings),
        *_goal(goal, _summary(predicted), kind),
        *_excluded(columns),
        *_promotion(goal),
        *_split(goal, columns),
        *_params(family, goal),
        *_prepared(columns),
    ]
    return "\n".join(lines) + "\n"


def _columns(dataset: Dataset, goal: Target, family: Family) -> list[_Column]:
    columns, refused = [], []
    for name in dataset.columns:
        if name != goal.name:
            try:
                columns.append(_column(dataset, name, family))
            except CellsRefused as error:
                refused.append(error)
    if refused:
        raise refused[0] if len(refused) == 1 else ColumnsRefused(refused)
    return columns


def _column(dataset: Dataset, name: str, family: Family) -> _Column:
    try:
        values = feature_column(name, dataset.frame[name], family.largest, rules=dataset.rules)
    except CellsRefused:
        raise
    except ColumnRefused as error:
        return _Column(name, "", refused=error.what, is_time=error.is_time)
    if len(np.unique(values.present.astype(str))) == 1:
        return _Column(name, "", refused="has the same value in every row")
    how = _preparation(values, family)
    said = "; ".join((_summary(values), *values.oddities))
    return _Column(name, said, how, is_time=values.type == "date")


def _preparation(values: Values, family: Family) -> Preparation:
    type_ = declared_type(values)
    has_missing = bool(values.missing_count)
    if values.type == "string":
        return _text_preparation(values)
    if values.type == "boolean":
        return Preparation(type=type_, impute="most_frequent" if has_missing else None)
    if values.type == "date":
        return Preparation(type=type_, impute="median" if has_missing else None)
    fill_number: Any = "median" if has_missing and not family.takes_missing else None
    is_skewed = family.scaled and _is_skewed(values)
    return Preparation(type=type_, impute=fill_number, log=is_skewed, scale=family.scaled or None)


def _text_preparation(values: Values) -> Preparation:
    if is_free_text(values.present):
        return Preparation(type="text")
    fill = Constant(MISSING_CATEGORY) if values.missing_count else None
    if len(set(values.present)) > MAX_CATEGORIES:
        return Preparation(type="category", impute=fill, encode="target")
    return Preparation(type="category", impute=fill, one_hot=True)


def _is_skewed(values: Values) -> bool:
    numbers = values.present
    middle = float(np.median(numbers))
    return bool(numbers.min() >= 0 and middle > 0 and numbers.max() > SKEWED * middle)


def _summary(values: Values) -> str:
    missing = f"; {values.missing_count:,} missing" if values.missing_count else ""
    present = values.present
    if values.type == "string" and is_free_text(present):
        return f"free text, such as {value(present[0][:_SHOWN_TEXT])}{missing}"
    if values.type == "string":
        counts = Counter(present.tolist())
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        common = ", ".join(f"{value(text)} ({count:,})" for text, count in order[:_SHOWN])
        more = "" if len(counts) <= _SHOWN else f" and {len(counts) - _SHOWN:,} more"
        return f"text: {common}{more}{missing}"
    if values.type == "boolean":
        return f"true in {int(present.sum()):,} of {len(present):,} rows{missing}"
    if values.type == "date":
        ends = f"from {format_date(present.min())} to {format_date(present.max())}"
        return f"dates {ends}{missing}"
    noun = "whole numbers" if values.type == "integer" else "numbers"
    ends = f"from {present.min():.6g} to {present.max():.6g}, mean {present.mean():.6g}"
    skewed = "; skewed" if _is_skewed(values) else ""
    return f"{noun} {ends}{skewed}{missing}"


def _file(dataset: Dataset, settings: FileSettings) -> Iterator[str]:
    """What is known of the file, without what all files have in common."""
    found = {name: text for name, text in dataset.found.items() if name in FILE_KEYS}
    if found.get("encoding") == "utf-8":
        del found["encoding"]
    if found.get("delimiter") == ",":
        del found["delimiter"]
    if found.get("decimal") == "." and found.get("thousands") == ",":
        del found["decimal"], found["thousands"]
    for name, given in {**found, **settings.to_json()}.items():
        yield f"{name} = {value(given)}"


def _goal(goal: Target, summary: str, kind: TrainedKind) -> Iterator[str]:
    yield ""
    yield comment(f"{summary}. So it is a {goal.task}.")
    yield f"target = {value(goal.name)}"
    yield f"task = {value(goal.task)}"
    yield f"kind = {value(kind)}"
    yield "test_size = 0.2 # of the rows, to evaluate on"
    yield "seed = 0"


def _excluded(columns: list[_Column]) -> Iterator[str]:
    refused = [column for column in columns if column.refused]
    if refused:
        yield ""
        yield comment("Columns that cannot be learnt from:")
        yield "exclude = ["
        for column in refused:
            yield f"  {value(column.name)}, {comment(column.refused)}"
        yield "]"


def _promotion(goal: Target) -> Iterator[str]:
    metric = DEFAULT_METRIC[goal.task]
    yield ""
    yield comment("Conditions for a promotion; remove the # and write your own:")
    yield f'# gates = ["{metric} <= champion * 1.02", "data compatible"]'


def _split(goal: Target, columns: list[_Column]) -> Iterator[str]:
    yield ""
    yield "[split]"
    yield f"by = {value('stratified' if goal.task == 'classification' else 'random')}"
    for column in columns:
        if column.is_time:
            yield comment("Or, to hold out the latest rows:")
            yield '# by = "time"'
            yield f"# column = {value(column.name)}"
            return


def _params(family: Family, goal: Target) -> Iterator[str]:
    yield ""
    yield "[params]"
    for name, given in family.defaults.get(goal.task, {}).items():
        yield f"{key(name)} = {value(given)}"
    yield ""
    yield comment("To try values and use the best by cross-validation, remove the #:")
    yield "# [search]"
    yield '# method = "grid"'
    yield "# folds = 5"
    yield f"# params = {value(_SEARCHED[family.kind])}"


def _prepared(columns: list[_Column]) -> Iterator[str]:
    yield ""
    yield "[columns]"
    for column in columns:
        if column.how is not None:
            yield comment(column.values)
            yield f"{key(column.name)} = {value(column.how.to_json())}"
