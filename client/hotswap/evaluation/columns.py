"""A typed column of the data that a model was trained or measured on."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class ColumnValues(Protocol):
    """``array`` is float64 with NaN where a value is missing, of dates the seconds since 1970 in
    UTC; or, where ``type`` is "string", object holding ``str`` and NaN. ``missing``: which rows
    have no value."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def array(self) -> NDArray[Any]: ...

    @property
    def missing(self) -> NDArray[np.bool_]: ...
