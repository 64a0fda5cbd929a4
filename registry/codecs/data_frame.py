"""The DataFrame on which models are trained and with which they predict.

Numbers, integers and booleans are float64 with NaN for null; strings are Python strings in an
object column with NaN for null. Training and serving both use this, so that a model gets the same
types.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from registry.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]
"""One array for each input of a signature: float64, or object holding ``str`` and NaN."""


def to_frame(columns: Columns, signature: Signature) -> "pd.DataFrame":
    """``columns`` as a DataFrame, in the order of the signature."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: pd.Series(columns[column.name], dtype=object)
            if column.type == "string" or columns[column.name].dtype == object
            else pd.Series(columns[column.name], dtype=np.float64)
            for column in signature.inputs
        }
    )
