"""Divides the rows into training rows and held-out rows, and the training rows into folds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from trainers.cells import CellRules
from trainers.columns import AS_TEXT_FILES
from trainers.dates import read_seconds
from trainers.errors import ColumnRefused, TargetRefused, TooFewRows
from trainers.number_text import read_numbers
from trainers.split_rule import DEFAULT_SPLIT, SplitRule
from trainers.target import Target

Indices = NDArray[np.intp]
Keys = NDArray[Any]
"""For each row that has a target, its group as a code, or its time; both are sortable."""


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers among the rows that have a target."""

    train: Indices
    test: Indices


def read_keys(
    name: str, series: "pd.Series[Any]", rule: SplitRule, rules: CellRules = AS_TEXT_FILES
) -> Keys | None:
    """The groups or times of the rows that have a target, from the rule's column; None if the rule
    has no column.

    Raises ColumnRefused where a row has no value, or its value is not a time.
    """
    if not rule.column:
        return None
    series = _with_missing(series, rules)
    missing = int(series.isna().sum())
    if missing:
        raise ColumnRefused(
            name,
            f"has no value in {missing} rows, so they have no {rule.by}",
            "Fill it, or remove those rows.",
        )
    if rule.by == "group":
        return pd.factorize(series.astype(str))[0]
    return _times(name, series, rules)


def split_rows(
    target: Target,
    test_size: float,
    seed: int,
    source: str,
    *,
    rule: SplitRule = DEFAULT_SPLIT,
    keys: Keys | None = None,
) -> Split:
    """Hold out the share ``test_size`` of the rows by ``rule``: at random by the seed, the same
    share of each class, whole groups (then it is the share of the groups), or the latest rows.

    Raises TooFewRows where either side would have fewer than two rows, TargetRefused where a class
    would have no training row, ColumnRefused where there are too few groups or times.
    """
    count = len(target.values)
    tested = int(np.ceil(count * test_size))
    _check_counts(count - tested, tested, test_size, source)
    if keys is None:
        split = _by_chance(target, rule, test_size, seed)
    elif rule.by == "group":
        split = _by_group(rule.column, keys, test_size, seed)
    else:
        split = _by_time(rule.column, keys, tested)
    _check_counts(len(split.train), len(split.test), test_size, source)
    _check_classes(target, split.train, f"{test_size:g} of {count} rows are held out")
    return split


def folds(
    target: Target,
    train: Indices,
    count: int,
    seed: int,
    *,
    rule: SplitRule = DEFAULT_SPLIT,
    keys: Keys | None = None,
) -> list[Split]:
    """``count`` divisions of the rows ``train`` by the same rule.

    Raises TargetRefused where a class would have no training row, ColumnRefused where there are
    fewer groups or times than folds, TooFewRows.
    """
    if len(train) < 2 * count:
        why = f"{count} folds need at least two rows each; add rows, or use fewer folds"
        raise TooFewRows("The search", len(train), why)
    made = []
    for inner, outer in _fold_rows(target, train, count, seed, rule=rule, keys=keys):
        _check_classes(target, train[inner], f"{count} folds are made of {len(train)} rows")
        made.append(Split(train[inner], train[outer]))
    return made


def _fold_rows(
    target: Target, train: Indices, count: int, seed: int, *, rule: SplitRule, keys: Keys | None
) -> Iterator[tuple[Indices, Indices]]:
    values = target.values[train]
    if keys is None:
        if not _keeps_shares(target, rule):
            return KFold(count, shuffle=True, random_state=seed).split(values)
        fewest = int(np.unique(values, return_counts=True)[1].min())
        if fewest < count:
            raise TargetRefused(
                target.name,
                f"has a class with {fewest} rows to train on, fewer than the {count} folds",
                "Use fewer folds, add rows, or merge rare classes.",
            )
        return StratifiedKFold(count, shuffle=True, random_state=seed).split(values, values)
    own = keys[train]
    distinct = len(np.unique(own))
    if distinct < count + (rule.by == "time"):
        raise ColumnRefused(
            rule.column,
            f"has {distinct} different values in the rows to train on, too few for {count} folds",
            "Use fewer folds, or add data.",
        )
    if rule.by == "group":
        return GroupKFold(count).split(values, groups=own)
    return _time_folds(own, count)


def _time_folds(times: Keys, count: int) -> Iterator[tuple[Indices, Indices]]:
    # Divides the different times, so that rows of the same time stay on one side.
    distinct, place = np.unique(times, return_inverse=True)
    for before, after in TimeSeriesSplit(count).split(distinct):
        yield np.flatnonzero(np.isin(place, before)), np.flatnonzero(np.isin(place, after))


def _by_chance(target: Target, rule: SplitRule, test_size: float, seed: int) -> Split:
    count = len(target.values)
    tested = int(np.ceil(count * test_size))
    classes = None
    if _keeps_shares(target, rule):
        classes = target.values
        if min(tested, count - tested) < len(np.unique(classes)):
            raise _class_left_out(target, f"{test_size:g} of {count} rows are held out", [])
    rows = np.arange(count)
    return Split(*train_test_split(rows, test_size=tested, random_state=seed, stratify=classes))


def _keeps_shares(target: Target, rule: SplitRule) -> bool:
    if rule.by == "stratified" and target.task == "regression":
        raise TargetRefused(
            target.name,
            "is a quantity, and a stratified split requires classes",
            "Set split.by = 'random', or task = 'classification'.",
        )
    return target.task == "classification" and rule.by != "random"


def _by_group(column: str, groups: Keys, test_size: float, seed: int) -> Split:
    distinct = len(np.unique(groups))
    tested = int(np.ceil(distinct * test_size))
    if min(tested, distinct - tested) < 1:
        raise ColumnRefused(
            column,
            f"makes {distinct} groups; a share of {test_size:g} of them cannot be held out",
            "Use another test_size or another column, or add groups.",
        )
    shuffled = GroupShuffleSplit(1, test_size=tested, random_state=seed)
    return Split(*next(shuffled.split(groups, groups=groups)))


def _by_time(column: str, times: Keys, tested: int) -> Split:
    # Rows of the same time as the first held-out row are held out too.
    first = np.sort(times, kind="stable")[len(times) - tested]
    late = times >= first
    if late.all():
        raise ColumnRefused(
            column,
            "has the same time in too many rows: no earlier row would be left",
            "Use a smaller test_size, or a column with finer times.",
        )
    return Split(np.flatnonzero(~late), np.flatnonzero(late))


def _with_missing(series: "pd.Series[Any]", rules: CellRules) -> "pd.Series[Any]":
    if not isinstance(series.dtype, pd.StringDtype):
        return series
    return series.mask(series.str.strip().isin([*rules.missing, ""]))


def _times(name: str, series: "pd.Series[Any]", rules: CellRules) -> Keys:
    if isinstance(series.dtype, pd.StringDtype):
        numbers = read_numbers(series.tolist(), rules.form)
        if numbers.found.all():
            return numbers.values
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        return series.to_numpy(dtype=np.float64)
    try:
        times = pd.to_datetime(series, format="ISO8601", utc=True)
    except (ValueError, TypeError):
        return read_seconds(name, series)  # it reads other forms too
    # In pandas' own unit: converting to nanoseconds would overflow after the year 2262.
    return times.dt.tz_convert(None).to_numpy().astype(np.int64)


def _check_counts(trained: int, tested: int, test_size: float, source: str) -> None:
    if min(tested, trained) < 2:
        raise TooFewRows(
            source,
            trained + tested,
            f"with test_size {test_size:g}, {tested} would be held out; at least two are needed to "
            "train and two to test",
        )


def _check_classes(target: Target, train: Indices, when: str) -> None:
    if target.task == "classification":
        lost = np.setdiff1d(target.values, target.values[train])
        if len(lost):
            raise _class_left_out(target, when, lost.tolist())


def _class_left_out(target: Target, when: str, lost: Iterable[object]) -> TargetRefused:
    named = ", ".join(f"'{label}'" for label in lost)
    what = f"has no training row of {named}" if named else "has too many classes"
    return TargetRefused(
        target.name,
        f"{what} when {when}",
        "Use another test_size or another split, add rows, or merge rare classes.",
    )
