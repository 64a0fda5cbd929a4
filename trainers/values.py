"""The values of one column of the data."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.signature import ColumnType


@dataclass(frozen=True, slots=True)
class Values:
    """One column, typed: ``array`` is float64 with NaN where missing, of dates their seconds
    (`registry.dates`), or, for strings, object holding ``str`` and NaN. ``oddities`` say in words
    what was done to its cells to read them."""

    name: str
    type: ColumnType
    array: NDArray[Any]
    missing: NDArray[np.bool_]
    oddities: tuple[str, ...] = ()

    @property
    def missing_count(self) -> int:
        return int(self.missing.sum())

    @property
    def present(self) -> NDArray[Any]:
        return self.array[~self.missing]

    def of_rows(self, kept: NDArray[np.bool_]) -> "Values":
        return replace(self, array=self.array[kept], missing=self.missing[kept])
