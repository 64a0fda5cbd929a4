"""How long a version takes to predict one row on this machine."""

import time
from statistics import median

from registry.codecs.batch import Batch
from registry.engines.predictor import Predictor

_MAX_CALLS = 101
_WARM_UP_CALLS = 5
_SECONDS = 1.0


def median_ms(predictor: Predictor, row: Batch) -> float:
    """The median of 101 calls, or of the calls of one second if those are fewer, in milliseconds.

    Raises PredictionRefused, ModelProcessUnavailable.
    """
    for _ in range(_WARM_UP_CALLS):
        predictor.predict(row)
    taken: list[float] = []
    began = time.perf_counter()
    while (len(taken) < _MAX_CALLS and time.perf_counter() - began < _SECONDS) or not taken:
        start = time.perf_counter()
        predictor.predict(row)
        taken.append(time.perf_counter() - start)
    return median(taken) * 1000
