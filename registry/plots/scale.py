"""Linear scales from figures to coordinates, and round numbers to mark on them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low`` to the coordinate ``start`` and ``high`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The coordinate of ``value``, to a tenth, within the scale's ends; in the middle where
        the figures are so large that no margin can be added to them."""
        span = self.high - self.low
        share = min(1.0, max(0.0, (value - self.low) / span)) if span else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def scale_of(values: Iterable[float], start: float, end: float, margin: float = 0.08) -> Scale:
    """A scale on which all finite ``values`` lie, with a margin on both sides.

    A single value lies in the middle.
    """
    finite = [float(value) for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = (high - low) * margin or max(abs(high) * margin, 1e-9)
    return Scale(low - room, high + room, start, end)


def round_marks(low: float, high: float, most: int = 4) -> list[float]:
    """At most ``most`` round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power
    of ten."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    power = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10, 20):
        step = power * factor
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            return [round(index * step, 12) for index in range(first, last + 1)]
    return []
