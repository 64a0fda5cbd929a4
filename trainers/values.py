"""The values of one column of the data."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from registry.dates import to_datetimes
from registry.signature import ColumnType

_DTYPES = {"number": "Float64", "integer": "Int64", "boolean": "boolean", "string": "string"}


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

    def to_series(self) -> "pd.Series[Any]":
        """The values with pandas' type for them, in which a value may be missing."""
        if self.type == "date":
            return pd.Series(to_datetimes(self.array), name=self.name)
        return pd.Series(pd.array(self.array, dtype=_DTYPES[self.type]), name=self.name)

    def of_rows(self, kept: NDArray[np.bool_]) -> "Values":
        return replace(self, array=self.array[kept], missing=self.missing[kept])
