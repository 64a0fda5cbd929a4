"""The predictions for a batch."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


class Predictions(msgspec.Struct, frozen=True, gc=False):
    """A number or a label for each row; where requested, probabilities as rows by classes, or a
    score for each row."""

    values: list[Any]
    probabilities: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
