"""Compares the predictions of a compiled model with those of its scikit-learn model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from registry.codecs.predictions import Predictions

RELATIVE_TOLERANCE = 1e-5
PROBABILITY_TOLERANCE = 1e-6
_SMALL = 1e-6
"""A value below this share of the largest one counts as that large: near zero, where terms cancel
out, the relative difference of two correct values has no bound."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two sets of predictions differ; ``fault`` says why that is too far, else None.

    The differences are those of values for a regression and of probabilities for a
    classification; 0 for a classifier that has none.
    """

    max_abs_diff: float
    max_rel_diff: float
    checked_rows: int
    fault: str | None


def worst(parities: Sequence[Parity]) -> Parity:
    """The largest differences of ``parities``, all their rows, and the first fault among them."""
    return Parity(
        max(parity.max_abs_diff for parity in parities),
        max(parity.max_rel_diff for parity in parities),
        sum(parity.checked_rows for parity in parities),
        next((parity.fault for parity in parities if parity.fault is not None), None),
    )


def compare_values(own: Predictions, compiled: Predictions) -> Parity:
    """Compare a regression's predictions with ``own``, scikit-learn's for the same rows."""
    absolute, relative = _distances(own.values, compiled.values)
    fault = None
    if not relative <= RELATIVE_TOLERANCE:
        fault = f"its numbers differ by {relative:.1e} (relative)"
    return Parity(absolute, relative, len(own.values), fault)


def compare_labels(own: Predictions, compiled: Predictions) -> Parity:
    """Compare a classification's labels, and the probabilities where both have them."""
    rows = len(own.values)
    absolute = relative = 0.0
    fault = None
    if own.probabilities is not None and compiled.probabilities is not None:
        if own.probabilities.shape != compiled.probabilities.shape:
            fault = f"its probabilities have the shape {compiled.probabilities.shape}"
        else:
            absolute, relative = _distances(own.probabilities, compiled.probabilities)
            if not absolute <= PROBABILITY_TOLERANCE:
                fault = f"its probabilities differ by {absolute:.1e}"
    wrong = sum(ours != theirs for ours, theirs in zip(own.values, compiled.values, strict=True))
    if wrong:
        fault = f"{wrong} of {rows} labels differ from scikit-learn's"
    return Parity(absolute, relative, rows, fault)


def _distances(own: ArrayLike, compiled: ArrayLike) -> tuple[float, float]:
    """The largest absolute and the largest relative difference; NaN where one is NaN."""
    ours, theirs = np.asarray(own, dtype=np.float64), np.asarray(compiled, dtype=np.float64)
    distance, size = np.abs(ours - theirs), np.abs(ours)
    floor = float(size.max()) * _SMALL or 1.0
    return float(distance.max()), float((distance / np.maximum(size, floor)).max())
