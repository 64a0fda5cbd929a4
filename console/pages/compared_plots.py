"""The plots of several versions, one over the other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from console.charts.overlays import outlines
from registry.plots.content import MOST_WEIGHTS, CurvePlot
from registry.plots.curves import Curves, curves
from registry.reading.queries import evaluations_of
from registry.reading.stored_evaluation import (
    CalibrationCurve,
    Histogram,
    RocCurve,
    StoredEvaluation,
    Weight,
    read_evaluation,
)
from registry.signature import label_text

_MOST_POINTS = 120


def plots_compared(session: Session, model: str, numbers: Sequence[int]) -> dict[str, Any]:
    """The plots that at least two of the versions have data for; None for the others.

    Curves are those of one class: of ``class`` in the URL, else of the first one.
    """
    stored = evaluations_of(session, model, numbers)
    found = {number: read_evaluation(stored[number]) for number in numbers}
    classes = _classes(found.values())
    requested = request.args.get("class", "")
    chosen = requested if requested in classes else next(iter(classes), "")
    return {
        "classes": classes,
        "class": chosen,
        "roc": _overlay(found, lambda one: _of_class(one.roc, chosen), _roc, lambda one: one.auc),
        "calibration": _overlay(
            found, lambda one: _of_class(one.calibration, chosen), _calibration
        ),
        "residuals": _overlay(found, lambda one: one.residuals, _residuals),
        "importances": _weights(found, lambda one: one.importances),
        "coefficients": _weights(found, lambda one: one.coefficients),
    }


def _overlay(
    found: Mapping[int, StoredEvaluation],
    part: Callable[[StoredEvaluation], Any],
    draw: Callable[[list[Any]], Curves],
    area: Callable[[Any], float | None] = lambda _: None,
) -> CurvePlot | None:
    parts = {number: part(evaluation) for number, evaluation in found.items()}
    known = {number: one for number, one in parts.items() if one is not None}
    if len(known) < 2:
        return None
    legend = [{"label": f"v{number}", "area": area(one)} for number, one in known.items()]
    without = [number for number in parts if number not in known]
    return CurvePlot(draw(list(known.values())), legend, without=without)


def _roc(each: list[RocCurve]) -> Curves:
    return curves([(one.fpr, one.tpr) for one in each], most=_MOST_POINTS)


def _calibration(each: list[CalibrationCurve]) -> Curves:
    return curves([(one.predicted, one.observed) for one in each], most=_MOST_POINTS)


def _residuals(each: list[Histogram]) -> Curves:
    return outlines([(one.edges, one.counts) for one in each])


def _classes(each: Iterable[StoredEvaluation]) -> list[str]:
    """The classes that have curves, in the order of their first occurrence."""
    labels = [
        label_text(label)
        for one in each
        for label in (
            *(curve.label for curve in one.roc),
            *(curve.label for curve in one.calibration),
        )
    ]
    return list(dict.fromkeys(labels))


def _of_class(each: Sequence[Any], label: str) -> Any:
    return next((one for one in each if label_text(one.label) == label), None)


def _weights(
    found: Mapping[int, StoredEvaluation], part: Callable[[StoredEvaluation], Sequence[Weight]]
) -> dict[str, Any] | None:
    """The features with the largest weight in any version, with the weight of each version and the
    length of its bar in percent."""
    each = [{one.feature: one.value for one in part(evaluation)} for evaluation in found.values()]
    if sum(map(bool, each)) < 2:
        return None
    largest = {
        feature: max(abs(weights.get(feature, 0.0)) for weights in each)
        for weights in each
        for feature in weights
    }
    ordered = sorted(largest, key=lambda feature: -largest[feature])
    scale = largest[ordered[0]] or 1.0
    rows = [
        {
            "feature": feature,
            "cells": [_cell(weights.get(feature), scale) for weights in each],
        }
        for feature in ordered[:MOST_WEIGHTS]
    ]
    return {"rows": rows, "left_out": max(0, len(ordered) - MOST_WEIGHTS)}


def _cell(value: float | None, scale: float) -> dict[str, Any]:
    return {"value": value, "length": 0.0 if value is None else 100 * abs(value) / scale}
