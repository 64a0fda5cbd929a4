"""The plots of a version: what its stored evaluation has, drawn or as tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from registry.plots.curves import Curves, bars, curves, points
from registry.reading.stored_evaluation import ConfusionMatrix, StoredEvaluation, Weight
from registry.signature import label_text

MOST_CURVES = 6
MOST_WEIGHTS = 15
MOST_CLASSES = 20
_TINTS = 9
PLOTS = (
    "predicted_vs_true",
    "residuals",
    "confusion_matrix",
    "roc",
    "precision_recall",
    "calibration",
    "importances",
    "coefficients",
)
"""The parts of an evaluation that are drawn."""


class CurvePlot(NamedTuple):
    """Curves and their names. ``left_out``: how many classes are not drawn; ``without``: the
    versions that have no curve."""

    drawn: Curves
    legend: list[dict[str, Any]]
    left_out: int = 0
    without: Sequence[int] = ()


def plots_of(evaluation: StoredEvaluation) -> dict[str, Any]:
    """The plots that there are data for, by name; None for the others."""
    pairs, residuals = evaluation.predicted_vs_true, evaluation.residuals
    return {
        "predicted": points(pairs.true, pairs.predicted) if pairs else None,
        "residuals": bars(residuals.edges, residuals.counts) if residuals else None,
        "confusion": _confusion(evaluation.confusion_matrix),
        "roc": _curves([(one.label, one.fpr, one.tpr, one.auc) for one in evaluation.roc]),
        "precision_recall": _curves(
            [
                (one.label, one.recall, one.precision, one.average_precision)
                for one in evaluation.precision_recall
            ]
        ),
        "calibration": _curves(
            [(one.label, one.predicted, one.observed, None) for one in evaluation.calibration]
        ),
        "importances": _weights(evaluation.importances),
        "coefficients": _weights(evaluation.coefficients),
    }


def _curves(each: Sequence[tuple[Any, Sequence[float], Sequence[float], Any]]) -> CurvePlot | None:
    """The curves of the first classes, with their names and areas; None without any."""
    shown = each[:MOST_CURVES]
    if not shown:
        return None
    drawn = curves([(xs, ys) for _, xs, ys, _ in shown])
    legend = [{"label": label_text(label), "area": area} for label, _, _, area in shown]
    return CurvePlot(drawn, legend, left_out=len(each) - len(shown))


def _confusion(matrix: ConfusionMatrix | None) -> Any:
    """The counts with a tint from 0 to 9 by their share of the row; None for many classes."""
    if matrix is None or len(matrix.labels) > MOST_CLASSES:
        return None
    rows = []
    for label, counts in zip(matrix.labels, matrix.counts, strict=True):
        total = sum(counts) or 1
        cells = [{"count": count, "tint": round(_TINTS * count / total)} for count in counts]
        rows.append({"label": label_text(label), "cells": cells})
    return {"labels": [label_text(label) for label in matrix.labels], "rows": rows}


def _weights(each: Sequence[Weight]) -> Any:
    """The largest weights, with the length of their bar in percent; None without any."""
    if not each:
        return None
    ordered = sorted(each, key=lambda one: -abs(one.value))
    largest = abs(ordered[0].value) or 1.0
    rows = [
        {"feature": one.feature, "value": one.value, "length": 100 * abs(one.value) / largest}
        for one in ordered[:MOST_WEIGHTS]
    ]
    return {"rows": rows, "left_out": max(0, len(each) - MOST_WEIGHTS)}
