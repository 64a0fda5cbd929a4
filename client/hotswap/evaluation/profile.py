"""The profile of a model: how the values of its columns and of its predictions are distributed.

Written by trainers and by ``hotswap.log``; ``registry.reading.profiles`` checks and reads it, and
docs/profiles.md describes it. Bins are fixed here, so that later counts in the same bins add up.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.columns import ColumnValues
from hotswap.evaluation.predicted import Predicted
from hotswap.labels import label_text

BINS = 16
SHORT = 7
MOVED = 0.02
MOST_DIGITS = 14
RARE = 0.005
"""The share of a column's values below which a text or boolean is counted in ``other``."""
MAX_COLUMNS = 1_000
"""So that the profile, at most 0.5 kB a column of numbers, fits into the metadata of an upload."""
MAX_CLASSES = 100
PROBABILITY_BINS = 10

Source = Literal["training", "held-out"]
"""The rows that a profile is of."""
Json = dict[str, Any]


def profile(
    columns: Sequence[ColumnValues],
    rows: NDArray[np.intp],
    ranges: Mapping[str, Json],
    made: Predicted,
    source: Source = "training",
) -> Json:
    """The profile of ``columns`` in the rows ``rows``, and of the predictions ``made`` for held-out
    rows: on rows that a model was fitted on it is surer, and nearer to the truth.

    ``ranges`` are the `column_ranges` of the same columns and rows. Of more than MAX_COLUMNS
    columns the first are described.
    """
    described = columns[:MAX_COLUMNS]
    return {
        "rows": len(rows),
        "source": source,
        "columns": {one.name: _column(one, rows, ranges[one.name]) for one in described},
        "output": {**_output(made), "source": "held-out"},
    }


def _column(values: ColumnValues, rows: NDArray[np.intp], range_: Json) -> Json:
    missing = {"missing": range_["missing"]}
    if values.type in {"number", "integer", "date"}:
        return _bins(values.array[rows][~values.missing[rows]]) | missing
    return _frequent(range_["values"], len(rows) - range_["missing"]) | missing


def _bins(values: NDArray[np.float64]) -> Json:
    """``counts[i]`` values are at least ``edges[i - 1]`` and below ``edges[i]``; the first and the
    last bin are open.

    The edges are values of the column at its quantiles, `_shortened`; equal ones are merged, and
    one at the least value left out, so that no bin is empty.
    """
    ordered = np.sort(values)
    count = len(ordered)
    if not count:
        return {"edges": [], "counts": [0]}
    edges = np.unique(ordered[np.arange(1, BINS) * count // BINS])
    short = _shortened(edges[edges > ordered[0]].astype(np.float64), ordered)
    below = np.searchsorted(ordered, short, side="left")
    return {
        "edges": short,
        "counts": np.diff(below, prepend=0, append=count).tolist(),
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
    }


def _shortened(edges: NDArray[np.float64], ordered: NDArray[np.float64]) -> list[float]:
    """Each edge of more than SHORT characters rounded down to as few digits as move at most MOVED
    of a bin's values to the next bin, and the edge by at most 1% of itself and of the range of the
    edges.

    An edge stays above the one before it, or the least value, so that no bin becomes empty.
    """
    spread = float(edges[-1] - edges[0]) if len(edges) > 1 else math.inf
    most = MOVED * len(ordered) / BINS
    short = []
    for before, edge in pairwise([float(ordered[0]), *edges.tolist()]):
        if len(repr(edge)) <= SHORT:
            short.append(edge)
            continue
        first = 2 - math.floor(math.log10(min(abs(edge), spread)))
        candidates = (_rounded_down(edge, digits) for digits in range(first, first + MOST_DIGITS))
        allowed = (
            one
            for one in candidates
            if one > before and np.diff(np.searchsorted(ordered, [one, edge]))[0] <= most
        )
        short.append(next(allowed, edge))
    return short


def _rounded_down(number: float, digits: int) -> float:
    """``number`` to ``digits`` decimal places; less than 0: to tens, hundreds, ….

    What `round` returns has the shortest text of all doubles near it.
    """
    near = round(number, digits)
    return near if near <= number else round(number - 10.0**-digits, digits)


def _frequent(counts: Mapping[str, int], present: int) -> Json:
    """The values that are not rare; ``other`` counts the rest."""
    kept = {text: count for text, count in counts.items() if count >= RARE * present}
    return {"values": kept, "other": present - sum(kept.values())}


def _output(made: Predicted) -> Json:
    """Bins of a regression's predictions and their standard deviation; how often a classifier
    predicts each of its classes, and bins of the largest probability."""
    if made.classes is None:
        values = np.asarray(made.predicted, dtype=np.float64)
        return _bins(values) | {"sd": float(values.std())}
    labels, counts = np.unique(made.predicted, return_counts=True)
    found = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    listed = made.classes.tolist()[:MAX_CLASSES]
    classes = {label_text(label): found.get(label, 0) for label in listed}
    output: Json = {"values": classes, "other": len(made.predicted) - sum(classes.values())}
    if made.probabilities is not None:
        edges = np.arange(1, PROBABILITY_BINS) / PROBABILITY_BINS
        largest = np.searchsorted(edges, made.probabilities.max(axis=1), side="right")
        counted = np.bincount(largest, minlength=PROBABILITY_BINS)
        output["largest_probability"] = {"edges": edges.tolist(), "counts": counted.tolist()}
    return output
