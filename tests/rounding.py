"""How far two correct predictions of a linear model may differ: the rounding of its sums.

A sum of n products and one number, added up in any order, with or without fused operations, is off
by at most gamma(n + 1) = (n + 1) u / (1 - (n + 1) u) times the sum of the absolute values, where u
is 2**-53 (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Two
such sums are at most twice that apart.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_UNIT = 2.0**-53


def between_sums(features: ArrayLike, weights: ArrayLike, start: ArrayLike) -> NDArray[np.float64]:
    """The bound for ``features`` (rows x n) times ``weights`` (n x outputs) plus ``start``."""
    factors = np.abs(np.asarray(features)), np.abs(np.asarray(weights, float))
    terms = factors[0].shape[1] + 1
    bound: NDArray[np.float64] = (
        2 * terms * _UNIT / (1 - terms * _UNIT) * (factors[0] @ factors[1] + np.abs(start))
    )
    return bound
