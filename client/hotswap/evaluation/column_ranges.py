"""The values of each column in the rows that a model was trained on, summarised."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.columns import ColumnValues

MAX_VALUES = 50
MAX_TEXT = 200
"""Characters of a value; longer ones are counted in ``other``."""


def column_ranges(
    columns: Sequence[ColumnValues], rows: NDArray[np.intp]
) -> dict[str, dict[str, Any]]:
    """For each column ``missing``, the number of rows without a value; for numbers ``min``, ``max``
    and ``mean`` where there is a value; for dates ``first`` and ``last`` as text; for text and
    booleans ``values``, the count of each, the most frequent first. ``other`` is the count of the
    values that are not among these: those beyond the first MAX_VALUES, those of more than MAX_TEXT
    characters, and where there are more than MAX_VALUES also those that occur once."""
    return {values.name: _range(values, rows) for values in columns}


def iso_text(seconds: float) -> str:
    """A date as ISO 8601 text, to the second; ``seconds`` are since 1970 in UTC."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=int(seconds // 1))  # noqa: DTZ001 - in UTC
    return moment.isoformat().removesuffix("T00:00:00")


def _range(values: ColumnValues, rows: NDArray[np.intp]) -> dict[str, Any]:
    missing = values.missing[rows]
    present = values.array[rows][~missing]
    found: dict[str, Any] = {"missing": int(missing.sum())}
    if values.type in {"number", "integer"}:
        if not len(present):
            return found
        ends = {"min": present.min(), "max": present.max(), "mean": present.mean()}
        return found | {name: float(figure) for name, figure in ends.items()}
    if values.type == "date":
        if not len(present):
            return found
        return found | {"first": iso_text(present.min()), "last": iso_text(present.max())}
    if values.type == "boolean":
        true = int(present.sum())
        return found | {"values": {"false": len(present) - true, "true": true}}
    counts = Counter(present.tolist())
    # By name where the counts are equal, so that the same data give the same order.
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = [
        (text, count)
        for text, count in order
        if len(text) <= MAX_TEXT and (count > 1 or len(order) <= MAX_VALUES)
    ]
    kept = listed[:MAX_VALUES]
    found["values"] = dict(kept)
    if len(order) > len(kept):
        found["other"] = len(present) - sum(count for _, count in kept)
    return found
