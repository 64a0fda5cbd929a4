"""The figures of the plots of an evaluation, as tables."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from registry.reading.stored_evaluation import StoredEvaluation, Weight
from registry.signature import label_text


class Table(NamedTuple):
    columns: list[str]
    rows: list[list[Any]]


def figures_of(evaluation: StoredEvaluation, plot: str) -> Table | None:
    """The table of ``plot``, a key of FIGURES; None if the evaluation has no data for it."""
    table = FIGURES[plot](evaluation)
    return table if table.rows else None


def _predicted(found: StoredEvaluation) -> Table:
    pairs = found.predicted_vs_true
    return Table(["true", "predicted"], _columns(pairs.true, pairs.predicted) if pairs else [])


def _residuals(found: StoredEvaluation) -> Table:
    bins = found.residuals
    rows = (
        [[*ends, count] for ends, count in zip(pairwise(bins.edges), bins.counts, strict=True)]
        if bins
        else []
    )
    return Table(["from", "to", "rows"], rows)


def _confusion(found: StoredEvaluation) -> Table:
    matrix = found.confusion_matrix
    if matrix is None:
        return Table([], [])
    labels = [label_text(label) for label in matrix.labels]
    rows = [[label, *counts] for label, counts in zip(labels, matrix.counts, strict=True)]
    return Table(["true \\ predicted", *labels], rows)


def _roc(found: StoredEvaluation) -> Table:
    rows = _of_classes((one.label, one.fpr, one.tpr) for one in found.roc)
    return Table(["class", "false positives", "true positives"], rows)


def _precision_recall(found: StoredEvaluation) -> Table:
    rows = _of_classes((one.label, one.recall, one.precision) for one in found.precision_recall)
    return Table(["class", "recall", "precision"], rows)


def _calibration(found: StoredEvaluation) -> Table:
    rows = _of_classes(
        (one.label, one.predicted, one.observed, one.counts) for one in found.calibration
    )
    return Table(["class", "predicted", "observed", "rows"], rows)


def _weights(weights: Iterable[Weight]) -> Table:
    return Table(["feature", "value"], [[one.feature, one.value] for one in weights])


def _of_classes(each: Iterable[tuple[Any, *tuple[Sequence[float], ...]]]) -> list[list[Any]]:
    return [[label_text(label), *row] for label, *columns in each for row in _columns(*columns)]


def _columns(*columns: Sequence[float]) -> list[list[Any]]:
    return [list(row) for row in zip(*columns, strict=True)]


FIGURES: dict[str, Callable[[StoredEvaluation], Table]] = {
    "predicted_vs_true": _predicted,
    "residuals": _residuals,
    "confusion_matrix": _confusion,
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "importances": lambda found: _weights(found.importances),
    "coefficients": lambda found: _weights(found.coefficients),
}
"""The table of each plot."""
