"""Which answers are slow: those in a later bin than the champion's 99th percentile."""

from collections.abc import Sequence


def first_slow_bin(bins: Sequence[int]) -> int | None:
    """The number of the first bin that is slow, from the champion's times before the start.

    ``bins``: answers by time, the fastest first. It is ``len(bins)`` where the percentile is in the
    last bin: then no answer is slow. None: there were no answers to compare with.
    """
    total, seen = sum(bins), 0
    for number, count in enumerate(bins):
        seen += count
        if total and 100 * seen >= 99 * total:
            return number + 1
    return None


def slow_answers(bins: Sequence[int], first: int) -> int:
    """How many answers are in the bin ``first`` or a later one."""
    return sum(bins[first:])
