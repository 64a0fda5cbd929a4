"""Checks of the cells of a column that were decoded to an array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.codecs.batch import MAX_FAULTS, Place, fault_of
from registry.dates import EXPECTED
from registry.errors import Fault
from registry.signature import Column

_COMPARED_AT_ONCE = 2**15


def array_faults(
    array: NDArray[Any], column: Column, place: Place, shown: NDArray[Any]
) -> list[Fault]:
    """What is wrong with the cells of ``array``, in which NaN is null and infinite is no date.

    ``shown``: the cells as they are named in a fault.
    """
    if column.type == "string":
        if column.nullable:
            return []
        null = _nulls(array)
        wrong = np.zeros(len(array), dtype=bool)
    elif column.type != "integer" and np.isfinite(array).all():
        return []
    else:
        null = np.isnan(array)
        wrong = np.isinf(array)
        if column.type == "integer":
            with np.errstate(invalid="ignore"):  # a NaN that signals
                wrong |= ~null & (np.floor(array) != array)
    bad = wrong if column.nullable else wrong | null
    if not bad.any():
        return []
    return [
        Fault(
            place(int(row), column),
            "null is not allowed here" if null[row] else _unfit(column, shown[row]),
        )
        for row in np.flatnonzero(bad)[: MAX_FAULTS + 1]
    ]


def _nulls(texts: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which of ``texts`` are NaN, the only object that differs from itself."""
    null = np.empty(len(texts), dtype=bool)
    # Texts are compared with the lock of the interpreter, which is free between the parts.
    for start in range(0, len(texts), _COMPARED_AT_ONCE):
        part = texts[start : start + _COMPARED_AT_ONCE]
        null[start : start + _COMPARED_AT_ONCE] = np.not_equal(part, part)
    return null


def _unfit(column: Column, cell: Any) -> str:
    if column.type != "date":
        return f"expected {column.type}, not {cell}"
    named = fault_of(column, cell) if isinstance(cell, str) else None
    return named or f"expected {EXPECTED}, of the years 1 to 9999"
