"""Which buckets of a split each of its versions answers.

A key belongs to one of 10,000 buckets for as long as the split lasts. A version with a weight of
525, which is 5.25 %, has 525 of them. When weights change, as few buckets as possible change their
version.
"""

from collections.abc import Iterator, Mapping

BUCKETS = 10_000
"""Also the sum of the weights, which are in basis points."""

Ranges = tuple[tuple[int, int], ...]
"""Buckets from the first number up to, and without, the second; ascending, with gaps in between."""


def first_ranges(weights: Mapping[int, int]) -> dict[int, Ranges]:
    """The buckets of each version of a new split, in the order of their numbers.

    Raises ValueError unless ``weights`` are from 0 to 10,000 and their sum is 10,000.
    """
    return _grown({}, weights)


def changed_ranges(ranges: Mapping[int, Ranges], weights: Mapping[int, int]) -> dict[int, Ranges]:
    """The buckets of each version when the split with ``ranges`` gets ``weights``.

    A version that shrinks gives its highest buckets away, one that is not in ``weights`` all of
    them. Those that grow take the lowest free ones, in the order of their numbers. So exactly as
    many buckets change their version as the weights ask for.

    Raises ValueError unless ``weights`` are as in ``first_ranges``.
    """
    kept = {
        number: _lowest(ranges[number], weight)
        for number, weight in weights.items()
        if number in ranges
    }
    return _grown(kept, weights)


def size(ranges: Ranges) -> int:
    """The number of buckets in ``ranges``."""
    return sum(end - start for start, end in ranges)


def _grown(kept: Mapping[int, Ranges], weights: Mapping[int, int]) -> dict[int, Ranges]:
    """``kept`` with the free buckets given to the versions that have fewer than their weight."""
    if sum(weights.values()) != BUCKETS or min(weights.values()) < 0:
        raise ValueError(f"expected weights from 0 to {BUCKETS} with the sum {BUCKETS}")
    free = _complement(kept)
    grown = {}
    for number in sorted(weights):
        before = kept.get(number, ())
        taken = _lowest(free, weights[number] - size(before))
        free = _without_lowest(free, size(taken))
        grown[number] = _joined(before + taken)
    return grown


def _lowest(ranges: Ranges, count: int) -> Ranges:
    """The ``count`` lowest buckets of ``ranges``; all of them where there are fewer."""
    lowest = []
    for start, end in ranges:
        if count <= 0:
            break
        lowest.append((start, min(end, start + count)))
        count -= end - start
    return tuple(lowest)


def _without_lowest(ranges: Ranges, count: int) -> Ranges:
    """``ranges`` without the ``count`` lowest buckets."""
    rest = []
    for start, end in ranges:
        if count < end - start:
            rest.append((start + max(count, 0), end))
        count -= end - start
    return tuple(rest)


def _complement(kept: Mapping[int, Ranges]) -> Ranges:
    """The buckets that no version has."""
    taken = sorted(one for ranges in kept.values() for one in ranges)
    bounds = [0, *(bound for one in taken for bound in one), BUCKETS]
    gaps = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((start, end) for start, end in gaps if start < end)


def _joined(ranges: Ranges) -> Ranges:
    """``ranges`` in ascending order, with those that touch made one."""
    return tuple(_runs(sorted(ranges)))


def _runs(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same buckets in as few ranges as possible."""
    if not ranges:
        return
    first, last = ranges[0]
    for start, end in ranges[1:]:
        if start != last:
            yield first, last
            first = start
        last = end
    yield first, last
