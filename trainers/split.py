"""Divides the rows into those to train on and those held out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from trainers.errors import TargetRefused, TooFewRows
from trainers.target import Target

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers among the rows whose target is there."""

    train: Indices
    test: Indices


def split_rows(target: Target, test_size: float, seed: int, source: str) -> Split:
    """Hold out ``test_size`` of the rows, by the seed; of every class its share.

    Raises TooFewRows where either side would have fewer than two, TargetRefused where a class
    would be missing from the rows to train on.
    """
    count = len(target.values)
    rows = np.arange(count)
    tested = int(np.ceil(count * test_size))
    if min(tested, count - tested) < 2:
        raise TooFewRows(
            source,
            count,
            f"with test_size {test_size:g}, {tested} would be held out; two at least are needed to "
            "train and two to test",
        )
    classes = None if target.task == "regression" else target.values
    if classes is not None and min(tested, count - tested) < len(np.unique(classes)):
        raise _class_left_out(target, test_size, [])
    train, test = train_test_split(rows, test_size=tested, random_state=seed, stratify=classes)
    if classes is not None:
        lost = np.setdiff1d(classes, classes[train])
        if len(lost):
            raise _class_left_out(target, test_size, lost.tolist())
    return Split(train, test)


def _class_left_out(target: Target, test_size: float, lost: Iterable[object]) -> TargetRefused:
    named = ", ".join(f"'{label}'" for label in lost)
    what = f"loses {named} from the rows to train on" if named else "has too many classes"
    return TargetRefused(
        target.name,
        f"{what} when {test_size:g} of {len(target.values)} rows are held out",
        "Use another test_size, add rows, or merge rare classes.",
    )
