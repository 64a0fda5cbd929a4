"""The weights of a split: basis points within the registry, percentages to callers."""

from collections.abc import Mapping

from registry.errors import SplitRefused
from registry.splits.buckets import BUCKETS

FEWEST_ARMS, MOST_ARMS = 2, 4
_POINTS = BUCKETS // 100
"""Basis points in one percent."""


def check_weights(weights: Mapping[int, int]) -> None:
    """Check that these weights in basis points, by version, are those of a split.

    Raises SplitRefused.
    """
    if not FEWEST_ARMS <= len(weights) <= MOST_ARMS:
        raise SplitRefused.wrong_weights(
            f"expected {FEWEST_ARMS} to {MOST_ARMS} versions, found {len(weights)}"
        )
    if any(not 0 <= weight <= BUCKETS for weight in weights.values()):
        raise SplitRefused.wrong_weights("expected percentages from 0 to 100")
    if (total := sum(weights.values())) != BUCKETS:
        raise SplitRefused.wrong_weights(f"they add up to {percentage(total):g}%, not to 100%")


def percentage(weight: int) -> float:
    """A weight in basis points as a percentage, an integer where it is whole."""
    whole, rest = divmod(weight, _POINTS)
    return whole if rest == 0 else weight / _POINTS


def basis_points(percentage: float) -> int:
    """A percentage as basis points. Raises SplitRefused where it has more than two decimals."""
    weight = round(percentage * _POINTS)
    if weight / _POINTS != percentage:
        raise SplitRefused.wrong_weights(f"{percentage} has more than two decimals")
    return weight


def percentages(weights: Mapping[int, int]) -> dict[str, float]:
    """The percentages by version, as JSON has them, in the order of the versions."""
    return {str(number): percentage(weights[number]) for number in sorted(weights)}
