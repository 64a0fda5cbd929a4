"""Counts by bin of duration as the table ``traffic`` has them.

A byte has the number of the first bin that is not empty, and eight bytes each the counts from there
to the last such bin. Rows from before the bins were finer have all of those of ``SHOWN_BOUNDS``.
"""

from collections.abc import Sequence

import numpy as np

from registry.watching.counts import BINS, BOUNDS, SHOWN_BOUNDS, Counts

_COUNT = np.dtype("<u8")
_SHOWN_BINS = len(SHOWN_BOUNDS) + 1


def packed(times: Counts) -> bytes:
    """Counts by bin as they are stored."""
    used = np.flatnonzero(times)
    first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return bytes([first]) + times[first:end].astype(_COUNT).tobytes()


def unpacked(stored: Sequence[bytes]) -> Counts:
    """A row of counts by bin for each of ``stored``; zeros where it cannot be read."""
    rows = np.zeros((len(stored), BINS), np.uint64)
    for row, one in zip(rows, stored, strict=True):
        if len(one) == _SHOWN_BINS * _COUNT.itemsize:
            row[:] = _of_shown_bins(np.frombuffer(one, _COUNT))
        elif len(one) % _COUNT.itemsize == 1 and one[0] + len(one) // _COUNT.itemsize <= BINS:
            counts = np.frombuffer(one, _COUNT, offset=1)
            row[one[0] : one[0] + len(counts)] = counts
    return rows


def _of_shown_bins(counts: Counts) -> Counts:
    """The counts of bins between ``SHOWN_BOUNDS`` by the finer ones, as if times were spread
    evenly in each; what took longer than the last bound is in the bin after it."""
    cumulative = np.interp(
        BOUNDS, (0.0, *SHOWN_BOUNDS), np.concatenate(([0], counts[:-1].cumsum()))
    )
    whole = np.concatenate(([0], np.floor(cumulative + 1e-6))).astype(np.uint64)
    spread = np.append(np.diff(whole), np.uint64(0))
    spread[BOUNDS.index(SHOWN_BOUNDS[-1]) + 1] += counts[-1]
    return spread
