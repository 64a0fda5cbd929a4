"""The DataFrame on which models are trained and with which they predict.

Numbers, integers and booleans are float64 with NaN for null; strings are Python strings in an
object column with NaN for null; dates are datetime64[us] in UTC without a zone, NaT for null.
Training and serving both use this, so that a model gets the same types.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from registry.dates import to_datetimes
from registry.signature import Column, Signature

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]
"""One array for each input of a signature: float64 (of dates the seconds, see `registry.dates`), or
object holding ``str`` and NaN."""


def to_frame(columns: Columns, signature: Signature) -> "pd.DataFrame":
    """``columns`` as a DataFrame, in the order of the signature."""
    import pandas as pd

    return pd.DataFrame({column.name: _series(columns[column.name], column) for column in
                         signature.inputs})  # fmt: skip


def _series(cells: NDArray[Any], column: Column) -> "pd.Series[Any]":
    import pandas as pd

    if column.type == "string" or cells.dtype == object:
        return pd.Series(cells, dtype=object)
    if column.type == "date":
        return pd.Series(to_datetimes(cells))
    return pd.Series(cells, dtype=np.float64)
