"""The refusals of predictions that several engines have in common."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import PredictionRefused

logger = logging.getLogger(__name__)


def model_failed(error: Exception) -> PredictionRefused:
    """The refusal of rows for which the model raised ``error``, which is logged.

    The model's message may quote the rows or the server's files, so the caller gets its type only.
    """
    logger.info("a model failed on its input", exc_info=error)
    return PredictionRefused(f"The model failed on this input: {type(error).__name__}.")


def check_finite(values: NDArray[Any], what: str) -> None:
    """Check ``values``, one or more numbers for each row; ``what`` names one of them.

    Raises PredictionRefused naming the first row with a number that is not finite.
    """
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argwhere(~finite)[0, 0])
        raise PredictionRefused(f"The model's {what} for row {row} is not a finite number.")
