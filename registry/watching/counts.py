"""The counts of predictions, in files in shared memory that every worker of a server can read.

A file has a fixed number of rows (``registry.watching.worker_files``).
"""

import mmap
import os
import time
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from registry.watching.worker_files import claim_file, read_files

SHOWN_BOUNDS = (
    *(25e-6, 50e-6, 100e-6, 250e-6, 500e-6),
    *(1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3),
    *(1.0, 2.5, 5.0, 10.0),
)
"""Those of ``BOUNDS`` that Prometheus gets, which keeps a time series for each."""
_PARTS = 3
BOUNDS: tuple[float, ...] = (
    *(10e-6, 16e-6),
    *(
        low * (high / low) ** (part / _PARTS)
        for low, high in pairwise(SHOWN_BOUNDS)
        for part in range(_PARTS)
    ),
    *(10.0, 12.5, 16.0, 20.0),
)
"""Upper bounds of the bins of times in seconds, without infinity. One row takes tens of
microseconds, a large body up to seconds, and a prediction is ended after 20 s. Neighbours are a
factor of 1.26 to 1.6 apart."""
BINS = len(BOUNDS) + 1

Unanswered = Literal["refused", "failed"]
COLUMNS: dict[Unanswered | Literal["nanoseconds", "rows", "last"], int] = {
    "refused": BINS,
    "failed": BINS + 1,
    "nanoseconds": BINS + 2,
    "rows": BINS + 3,
    "last": BINS + 4,
}
"""The columns after the bins: predictions by outcome, the sum of the times, the rows that were
predicted, and when the last ones were counted, in milliseconds since 1970."""

MOST_ROWS = 2_000
_WIDTH = BINS + len(COLUMNS)
_SIZE = MOST_ROWS * _WIDTH * 8
LAYOUT = f"{zlib.crc32(repr((BOUNDS, COLUMNS, MOST_ROWS)).encode()):08x}"
"""Part of the names of the files: during an upgrade, workers of two releases may use a folder."""
_NAME = f"predictions-{LAYOUT}-"

Counts = NDArray[np.uint64]
_BOUNDS = np.array(BOUNDS)


class WorkerCounts:
    """The file in ``folder`` that this worker counts in. Not safe for several threads.

    Raises OSError, StorageFull.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = claim_file(folder, _NAME, _SIZE)
        self._map = mmap.mmap(self._descriptor, _SIZE)
        # Aligned stores of eight bytes are atomic, so readers need no lock.
        self._rows = np.frombuffer(self._map, np.uint64).reshape(MOST_ROWS, _WIDTH)

    def add_times(self, row: int, seconds: NDArray[np.float64]) -> Counts:
        """Count predictions that were answered, by the time that each took; of one row each, if
        ``add_rows`` adds no more. Returns how many there were in each bin."""
        bins = np.bincount(np.searchsorted(_BOUNDS, seconds), minlength=BINS).astype(np.uint64)
        self._rows[row, :BINS] += bins
        self._rows[row, COLUMNS["nanoseconds"]] += np.uint64(seconds.sum() * 1e9)
        self._rows[row, COLUMNS["last"]] = np.uint64(time.time_ns() // 10**6)
        self.add_rows(row, len(seconds))
        return bins

    def add_rows(self, row: int, count: int) -> None:
        """Count rows that were predicted."""
        self._rows[row, COLUMNS["rows"]] += np.uint64(count)

    def add_unanswered(self, row: int, outcome: Unanswered) -> None:
        """Count a prediction that was not answered."""
        self._rows[row, COLUMNS[outcome]] += np.uint64(1)

    def close(self) -> None:
        """Leave the file to another worker."""
        del self._rows  # it exports the map's memory
        self._map.close()
        os.close(self._descriptor)


def read_counts(folder: Path) -> Counts:
    """The sums of the rows over all workers, those that have ended included; of ``last`` the
    latest."""
    total = np.zeros((MOST_ROWS, _WIDTH), np.uint64)
    last = total[:, COLUMNS["last"]].copy()
    for content in read_files(folder, _NAME, _SIZE):
        counts = np.frombuffer(content, np.uint64).reshape(total.shape)
        total += counts
        last = np.maximum(last, counts[:, COLUMNS["last"]])
    total[:, COLUMNS["last"]] = last
    return total
