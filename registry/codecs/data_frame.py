"""The one table form that models are trained on and asked with.

Numbers, integers and booleans are float64 with NaN where null; strings are Python text in an
object column with NaN where null. Training and serving both come through here, so that a model
sees the same types in both.
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
    """Lay ``columns`` out as the frame that scikit-learn pipelines take, in training order."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: pd.Series(columns[column.name], dtype=object)
            if column.type == "string" or columns[column.name].dtype == object
            else pd.Series(columns[column.name], dtype=np.float64)
            for column in signature.inputs
        }
    )
