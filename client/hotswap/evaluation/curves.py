"""ROC, precision-recall and calibration curves of a classifier, small enough to store.

Each curve is of one class against the rest; with two classes, only the second has one. A curve
with more than the allowed points is thinned to evenly spaced ones, including both ends; ``points``
is then the original number. Areas are those of the whole curve.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, precision_recall_curve, roc_curve

MAX_POINTS = 200
"""Of one curve. A screen shows no more, and the evaluation must fit into the metadata of an upload,
which is limited to 4 MiB."""
MAX_POINTS_TOGETHER = 5_000
"""Of all curves of one kind, so that a hundred classes fit too."""
CALIBRATION_BINS = 10

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _OneClass:
    """A class against the rest: its label, which rows belong to it, and their probabilities."""

    label: Any
    is_class: NDArray[np.bool_]
    probable: NDArray[np.float64]


def probability_curves(
    true: NDArray[Any], probabilities: NDArray[np.float64], classes: NDArray[Any]
) -> dict[str, list[Figures]]:
    """``roc``, ``precision_recall`` and ``calibration``, each a list of curves, as JSON.

    ``probabilities`` are rows x ``classes``. A class that no row or every row belongs to has no ROC
    curve and no precision-recall curve.
    """
    compared = list(_against_the_rest(true, probabilities, classes))
    most = max(20, min(MAX_POINTS, MAX_POINTS_TOGETHER // max(1, len(compared))))
    both = [one for one in compared if one.is_class.any() and not one.is_class.all()]
    return {
        "roc": [_roc(one, most) for one in both],
        "precision_recall": [_precision_recall(one, most) for one in both],
        "calibration": [_calibration(one) for one in compared],
    }


def _against_the_rest(
    true: NDArray[Any], probabilities: NDArray[np.float64], classes: NDArray[Any]
) -> Iterator[_OneClass]:
    labels = classes.tolist()
    for index in range(1 if len(classes) == 2 else 0, len(classes)):
        yield _OneClass(labels[index], true == classes[index], probabilities[:, index])


def _roc(one: _OneClass, most: int) -> Figures:
    fpr, tpr, _ = roc_curve(one.is_class, one.probable)
    return {"class": one.label, "auc": float(auc(fpr, tpr)), **_thinned(most, fpr=fpr, tpr=tpr)}


def _precision_recall(one: _OneClass, most: int) -> Figures:
    """``positives`` is the share of rows of the class, the precision of guessing."""
    precision, recall, _ = precision_recall_curve(
        one.is_class, one.probable, drop_intermediate=True
    )
    return {
        "class": one.label,
        "average_precision": float(-np.sum(np.diff(recall) * precision[:-1])),
        "positives": float(one.is_class.mean()),
        **_thinned(most, recall=recall, precision=precision),
    }


def _calibration(one: _OneClass) -> Figures:
    """For each bin of equal width that has rows: the mean predicted probability, the share of rows
    that belong to the class, and the count of rows."""
    bins = np.minimum((one.probable * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = counts > 0
    probable = np.bincount(bins, one.probable, CALIBRATION_BINS)[filled] / counts[filled]
    observed = np.bincount(bins, one.is_class, CALIBRATION_BINS)[filled] / counts[filled]
    return {
        "class": one.label,
        "predicted": probable.tolist(),
        "observed": observed.tolist(),
        "counts": counts[filled].tolist(),
    }


def _thinned(most: int, **axes: NDArray[np.float64]) -> Figures:
    points = len(next(iter(axes.values())))
    kept = np.unique(np.linspace(0, points - 1, min(points, most)).round().astype(int))
    figures: Figures = {name: values[kept].tolist() for name, values in axes.items()}
    return figures | {"points": points} if points > most else figures
