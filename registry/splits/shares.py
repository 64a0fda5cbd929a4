"""Whether the keys of a split are spread over its versions as its weights say."""

import math

ALARM = 1e-6
"""A share of the keys that is less probable than this is no chance: requests of some keys never
arrive."""


def probability_of(keys: int, of: int, share: float) -> float:
    """The probability that ``keys`` of ``of`` independent keys, or a number that is as far from
    what is expected or further, fall on a version that has ``share`` of the buckets.

    Twice the smaller tail of the binomial distribution.
    """
    if not 0 < share < 1:
        return 1.0 if keys == share * of else 0.0
    below = math.fsum(_binomial(count, of, share) for count in range(keys + 1))
    above = math.fsum(_binomial(count, of, share) for count in range(keys, of + 1))
    return min(1.0, 2 * min(below, above))


def _binomial(count: int, of: int, share: float) -> float:
    """The probability of exactly ``count`` of ``of``."""
    return math.exp(
        math.lgamma(of + 1)
        - math.lgamma(count + 1)
        - math.lgamma(of - count + 1)
        + count * math.log(share)
        + (of - count) * math.log1p(-share)
    )
