"""How long a version takes to answer one row, here and now."""

import time
from statistics import median

from registry.codecs.batch import Batch
from registry.engines.predictor import Predictor

_MOST_CALLS = 101
_WARMING_CALLS = 5
_SECONDS = 1.0


def median_ms(predictor: Predictor, row: Batch) -> float:
    """The median of up to 101 calls, or of as many as a second takes, in milliseconds.

    Raises PredictionRefused, ModelProcessUnavailable.
    """
    for _ in range(_WARMING_CALLS):
        predictor.predict(row)
    taken: list[float] = []
    began = time.perf_counter()
    while (len(taken) < _MOST_CALLS and time.perf_counter() - began < _SECONDS) or not taken:
        start = time.perf_counter()
        predictor.predict(row)
        taken.append(time.perf_counter() - start)
    return median(taken) * 1000
