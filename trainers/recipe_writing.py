"""Writes a first recipe for a table: sound as it stands, with a comment on each column."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.columns import Values, check_feature, check_magnitude, type_column
from trainers.data import BUNDLED_TARGET, Table, is_bundled, read_table
from trainers.errors import ColumnNotFound, ColumnRefused, NoFeatures, TargetRefused
from trainers.estimators import FAMILIES
from trainers.estimators.family import LARGEST_SQUARED, Family
from trainers.features import MISSING_CATEGORY
from trainers.kinds import TrainedKind
from trainers.preparation import Constant, Preparation
from trainers.search_space import DEFAULT_METRIC
from trainers.target import Target, read_target
from trainers.toml_text import comment, key, value

SKEWED = 20
"""A column without negative numbers is called skewed where its largest is so many medians."""
_SHOWN = 4
_SEARCHED: dict[TrainedKind, dict[str, list[Any]]] = {
    "linear": {"fit_intercept": [True, False]},
    "logistic": {"C": [0.1, 1.0, 10.0]},
    "tree": {"max_depth": [4, 8, 16]},
    "forest": {"max_depth": [8, 16, 32], "max_features": [0.5, 1.0]},
}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: what it holds in words, and how it is prepared, or why it is left out."""

    name: str
    held: str
    how: Preparation | None = None
    refused: str = ""
    is_time: bool = False


def write_recipe(data: str, target: str, kind: TrainedKind, name: str, shown: str) -> str:
    """A recipe for the table ``data``, as TOML; in it the data are called ``shown``.

    A column that cannot be learnt from is left out, and a comment says why.

    Raises TrainingRefused, in the class that says why nothing can be learnt from this table.
    """
    table = read_table(data)
    target = target or (BUNDLED_TARGET if is_bundled(data) else "")
    if target not in table.columns:
        raise ColumnNotFound("target", target, table.columns)
    try:
        answer = type_column(target, table.frame[target])
        check_magnitude(answer, LARGEST_SQUARED)
    except ColumnRefused as error:
        raise TargetRefused(target, error.what, "Mend it, or choose another target.") from error
    goal = read_target(answer, kind, None)
    family = FAMILIES[kind]
    columns = [_column(table, each, family) for each in table.columns if each != target]
    if not any(column.how for column in columns):
        raise NoFeatures
    lines = [
        comment(f"A recipe for {shown}: {len(table.frame):,} rows, {len(table.columns)} columns."),
        comment("docs/recipes.md says what each key may be; 'hotswap recipe check' checks it."),
        f"name = {value(name)}",
        f"data = {value(shown)}",
        *_goal(goal, _held(answer), kind),
        *_left_out(columns),
        *_promotion(goal),
        *_split(goal, columns),
        *_params(family, goal),
        *_prepared(columns),
    ]
    return "\n".join(lines) + "\n"


def _column(table: Table, name: str, family: Family) -> _Column:
    try:
        values = type_column(name, table.frame[name])
        check_feature(values)
        check_magnitude(values, family.largest)
    except ColumnRefused as error:
        return _Column(name, "", refused=error.what, is_time=error.is_time)
    if len(np.unique(values.present.astype(str))) == 1:
        return _Column(name, "", refused="has the same value in every row")
    return _Column(name, _held(values), _preparation(values, family))


def _preparation(values: Values, family: Family) -> Preparation:
    has_missing = bool(values.missing_count)
    if values.type == "string":
        fill = Constant(MISSING_CATEGORY) if has_missing else None
        return Preparation(impute=fill, one_hot=True)
    if values.type == "boolean":
        return Preparation(impute="most_frequent" if has_missing else None)
    fill_number: Any = "median" if has_missing else None
    is_skewed = family.scaled and _is_skewed(values)
    return Preparation(impute=fill_number, log=is_skewed, scale=family.scaled or None)


def _is_skewed(values: Values) -> bool:
    numbers = values.present
    middle = float(np.median(numbers))
    return bool(numbers.min() >= 0 and middle > 0 and numbers.max() > SKEWED * middle)


def _held(values: Values) -> str:
    missing = f"; {values.missing_count:,} missing" if values.missing_count else ""
    present = values.present
    if values.type == "string":
        counts = Counter(present.tolist())
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        common = ", ".join(f"{value(text)} ({count:,})" for text, count in order[:_SHOWN])
        more = "" if len(counts) <= _SHOWN else f" and {len(counts) - _SHOWN:,} more"
        return f"text: {common}{more}{missing}"
    if values.type == "boolean":
        return f"true in {int(present.sum()):,} of {len(present):,} rows{missing}"
    noun = "whole numbers" if values.type == "integer" else "numbers"
    ends = f"from {present.min():.6g} to {present.max():.6g}, mean {present.mean():.6g}"
    skewed = "; skewed" if _is_skewed(values) else ""
    return f"{noun} {ends}{skewed}{missing}"


def _goal(goal: Target, held: str, kind: TrainedKind) -> Iterator[str]:
    yield ""
    yield comment(f"{held}. So it is a {goal.task}.")
    yield f"target = {value(goal.name)}"
    yield f"task = {value(goal.task)}"
    yield f"kind = {value(kind)}"
    yield "test_size = 0.2 # of the rows, to evaluate on"
    yield "seed = 0"


def _left_out(columns: list[_Column]) -> Iterator[str]:
    refused = [column for column in columns if column.refused]
    if refused:
        yield ""
        yield comment("Not learnt from:")
        yield "exclude = ["
        for column in refused:
            yield f"  {value(column.name)}, {comment(column.refused)}"
        yield "]"


def _promotion(goal: Target) -> Iterator[str]:
    metric = DEFAULT_METRIC[goal.task]
    yield ""
    yield comment("What must hold before it is promoted; take the # away, and say your own:")
    yield f'# gates = ["{metric} <= champion * 1.02"]'


def _split(goal: Target, columns: list[_Column]) -> Iterator[str]:
    yield ""
    yield "[split]"
    yield f"by = {value('stratified' if goal.task == 'classification' else 'random')}"
    for column in columns:
        if column.is_time:
            yield comment("Or, to be measured on the latest rows:")
            yield '# by = "time"'
            yield f"# column = {value(column.name)}"
            return


def _params(family: Family, goal: Target) -> Iterator[str]:
    yield ""
    yield "[params]"
    for name, given in family.defaults.get(goal.task, {}).items():
        yield f"{key(name)} = {value(given)}"
    yield ""
    yield comment("To try others, and keep the best by cross-validation, take the # away:")
    yield "# [search]"
    yield '# method = "grid"'
    yield "# folds = 5"
    yield f"# params = {value(_SEARCHED[family.kind])}"


def _prepared(columns: list[_Column]) -> Iterator[str]:
    yield ""
    yield "[columns]"
    for column in columns:
        if column.how is not None:
            yield comment(column.held)
            yield f"{key(column.name)} = {value(column.how.to_json())}"
