"""Makes holdouts of tables: cuts one off, to measure versions on rows that none of them is trained
on, and writes cells as requests have them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hotswap.evaluation.row_hashes import row_hashes
from registry.dates import format_date
from trainers.columns import type_column
from trainers.data import Dataset, read_dataset
from trainers.errors import ColumnRefused, TargetRefused
from trainers.file_settings import FROM_CONTENT, FileSettings
from trainers.split import Split, split_rows
from trainers.split_rule import SplitRule
from trainers.target import Target, read_target, target_column

_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of a table in their order: those held out, and the ``rest`` to train on.

    The cells of a text file are texts: in ``rest`` as they are written, in ``holdout`` as requests
    have them. ``delimiter`` and ``encoding`` are those of the file.
    """

    holdout: pd.DataFrame
    rest: pd.DataFrame
    delimiter: str
    encoding: str


def hold_out(
    data: str, target: str, fraction: float, seed: int, settings: FileSettings = FROM_CONTENT
) -> Parts:
    """Hold out the share ``fraction`` of the rows of ``data`` that have a value of ``target``.

    Equal rows stay on the same side. Classes keep their shares where each has at least two
    different rows on each side. The same data and seed give the same parts.

    Raises a subclass of TrainingRefused.
    """
    typed = read_dataset(data, settings)
    values = read_target(target_column(typed, target), "forest", None)
    groups = _groups(typed, values)
    _, first = np.unique(groups, return_index=True)
    different = replace(values, values=values.values[first])
    split = _split(different, fraction, seed, typed.source)
    held = np.isin(groups, groups[first[split.test]])
    rows = np.zeros(len(typed.frame), np.bool_)
    rows[np.flatnonzero(values.kept)[held]] = True
    written = _as_written(data, settings, typed)
    return Parts(
        _as_requested(typed, written)[rows].reset_index(drop=True),
        written.frame[~rows].reset_index(drop=True),
        typed.found.get("delimiter", ","),
        typed.found.get("encoding", "utf-8"),
    )


def whole_holdout(data: str, settings: FileSettings) -> pd.DataFrame:
    """All rows of ``data``, with their cells as a holdout has them.

    Raises a subclass of TrainingRefused.
    """
    typed = read_dataset(data, settings)
    return _as_requested(typed, _as_written(data, settings, typed))


def _as_written(data: str, settings: FileSettings, typed: Dataset) -> Dataset:
    """``typed``, with the cells of a text file as they are written."""
    if typed.rules.is_typed:
        return typed
    return read_dataset(data, settings, as_text=typed.columns)


def _as_requested(typed: Dataset, written: Dataset) -> pd.DataFrame:
    return pd.DataFrame({name: _sent(name, typed, written) for name in typed.columns})


def _sent(name: str, typed: Dataset, written: Dataset) -> "pd.Series[Any]":
    """The column as a holdout has it: of a text file the cells as they are written, if they are
    texts or plain numbers, and else in the form of requests."""
    if typed.rules.is_typed:
        return typed.frame[name]
    own = written.frame[name]
    try:
        values = type_column(name, typed.frame[name], typed.rules)
    except ColumnRefused:
        return own.mask(own.astype("string").str.strip().isin(typed.rules.missing))
    cells = values.array.tolist()
    if values.type in {"number", "integer"}:
        plain = own.astype("string").str.strip()
        if plain[~values.missing].map(lambda text: bool(_PLAIN.fullmatch(text))).all():
            return plain.mask(values.missing)
    form: dict[str, Callable[[Any], str]] = {
        "boolean": lambda cell: "true" if cell else "false",
        "integer": lambda cell: str(int(cell)),
        "date": format_date,
    }
    write = form.get(values.type, str)
    texts = [
        None if gone else write(cell) for cell, gone in zip(cells, values.missing, strict=True)
    ]
    return pd.Series(texts, dtype="string")


def _groups(dataset: Dataset, target: Target) -> NDArray[np.uint64]:
    """The same number for equal rows, among those that have a target."""
    columns = []
    for name in dataset.columns:
        if name == target.name:
            continue
        try:
            values = type_column(name, dataset.frame[name], dataset.rules)
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
