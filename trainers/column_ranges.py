"""What each column held in the rows that a model was trained on."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.columns import Values

MAX_VALUES = 50


def column_ranges(columns: Sequence[Values], rows: NDArray[np.intp]) -> dict[str, dict[str, Any]]:
    """For each column ``missing``, the number of rows without a value, and of the others: of
    numbers ``min``, ``max`` and ``mean``; of text and booleans ``values``, how often each comes,
    the most frequent first. Values beyond the first MAX_VALUES are added up as ``other``."""
    return {values.name: _range(values, rows) for values in columns}


def _range(values: Values, rows: NDArray[np.intp]) -> dict[str, Any]:
    missing = values.missing[rows]
    present = values.array[rows][~missing]
    found: dict[str, Any] = {"missing": int(missing.sum())}
    if values.type in {"number", "integer"}:
        ends = {"min": present.min(), "max": present.max(), "mean": present.mean()}
        return found | {name: float(figure) for name, figure in ends.items()}
    if values.type == "boolean":
        true = int(present.sum())
        return found | {"values": {"false": len(present) - true, "true": true}}
    counts = Counter(present.tolist())
    # By name where they are as frequent, so that the same data give the same order.
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found["values"] = dict(order[:MAX_VALUES])
    if len(order) > MAX_VALUES:
        found["other"] = sum(count for _, count in order[MAX_VALUES:])
    return found
