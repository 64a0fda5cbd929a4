"""Cuts a holdout off a table, to measure versions on rows that none of them is trained on."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hotswap.evaluation.row_hashes import row_hashes
from trainers.columns import type_column
from trainers.data import Dataset, read_dataset
from trainers.errors import ColumnRefused, TargetRefused
from trainers.split import Split, split_rows
from trainers.split_rule import SplitRule
from trainers.target import Target, read_target, target_column


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of a table in their order: those held out, and the ``rest`` to train on."""

    holdout: pd.DataFrame
    rest: pd.DataFrame


def hold_out(data: str, target: str, fraction: float, seed: int) -> Parts:
    """Hold out the share ``fraction`` of the rows of ``data`` that have a value of ``target``.

    Equal rows stay on the same side. Classes keep their shares where each has at least two
    different rows on each side. The same data and seed give the same parts. Cells of CSV are kept
    as they are written.

    Raises a subclass of TrainingRefused.
    """
    typed = read_dataset(data)
    values = read_target(target_column(typed, target), "forest", None)
    groups = _groups(typed, values)
    _, first = np.unique(groups, return_index=True)
    different = replace(values, values=values.values[first])
    split = _split(different, fraction, seed, typed.source)
    held = np.isin(groups, groups[first[split.test]])
    rows = np.zeros(len(typed.frame), np.bool_)
    rows[np.flatnonzero(values.kept)[held]] = True
    # As texts, so that both parts have the cells as they are written.
    frame = read_dataset(data, as_text=typed.columns).frame
    return Parts(frame[rows].reset_index(drop=True), frame[~rows].reset_index(drop=True))


def _groups(dataset: Dataset, target: Target) -> NDArray[np.uint64]:
    """The same number for equal rows, among those that have a target."""
    columns = []
    for name in dataset.columns:
        if name == target.name:
            continue
        try:
            values = type_column(name, dataset.frame[name])
        except ColumnRefused:  # nothing can be learnt from it
            continue
        columns.append((name, values.type, values.array[target.kept]))
    return row_hashes(columns, target.values)


def _split(target: Target, fraction: float, seed: int, source: str) -> Split:
    _, counts = np.unique(target.values, return_counts=True)
    if target.task == "classification" and counts.min() > 1:
        try:
            return split_rows(target, fraction, seed, source)
        except TargetRefused:  # a class is too rare to keep its share
            pass
    return split_rows(target, fraction, seed, source, rule=SplitRule("random"))
