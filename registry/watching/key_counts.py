"""How the requests and the keys of a split are spread over its versions, without keeping a key.

A request leaves the hash of its key, which is keyed with the split's salt. Off the request path a
worker adds these hashes to a row of its file: requests by version, requests by the hash modulo
1,024, and the 4,096 largest hashes with their buckets. The last are a random sample of the distinct
keys, however many requests each has, and they merge over workers. A row is of one split with
certain weights, so each change of the weights begins anew, and has two parts: one is of the present
hour, the other of the hour before.

Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan (2002), Counting distinct elements in a data
stream. Cormode and Muthukrishnan (2005), An improved data stream summary: the count-min sketch.
"""

import hashlib
import mmap
import os
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.live.references import Alias
from registry.splits.buckets import BUCKETS
from registry.splits.choice import Split
from registry.splits.weights import MOST_ARMS
from registry.watching.worker_files import claim_file, read_files

CELLS = 1_024
SAMPLE = 4_096
MOST_SPLITS = 32
_HOUR = 3_600
_PART = np.dtype(
    [
        ("hour", np.uint64),
        ("requests", np.uint64, MOST_ARMS),
        ("cells", np.uint64, CELLS),
        ("sample", np.uint64, SAMPLE),
    ]
)
_ROW = np.dtype([("split", np.uint64), ("parts", _PART, 2)])
_SIZE = _ROW.itemsize * MOST_SPLITS
_NAME = f"keys-{_ROW.itemsize}-"
_BUCKET_BITS = 14

Words = NDArray[np.uint64]
Clock = Callable[[], float]


class KeyFigures(NamedTuple):
    """What a split has answered since its weights were changed, in this hour and the one before.

    ``requests`` and ``sampled``, the distinct keys in the sample, are by version. ``keys`` is an
    estimate of all distinct keys with an error of 2 %, exact up to 4,096. ``largest`` is the share
    of the requests that the key with the most has, with an error of about 0.1 %.
    """

    requests: Mapping[int, int]
    sampled: Mapping[int, int]
    keys: int
    largest: float


class KeyCounts(NamedTuple):
    """What was counted of a split with certain weights in this hour and the one before.

    ``requests`` are by the place of the version in the split, ``cells`` by the hash of the key;
    ``sample`` has the largest hashes, and zeros where there are fewer.
    """

    requests: Words
    cells: Words
    sample: Words

    @classmethod
    def nothing(cls) -> "KeyCounts":
        """Before the first request."""
        return cls(*(np.zeros(size, np.uint64) for size in (MOST_ARMS, CELLS, SAMPLE)))

    @classmethod
    def from_bytes(cls, content: bytes) -> "KeyCounts":
        """The inverse of ``to_bytes``. Raises ValueError."""
        try:
            words = np.frombuffer(zlib.decompress(content), "<u8").astype(np.uint64)
        except zlib.error as error:
            raise ValueError("these are no counts of keys") from error
        requests, cells, sample = np.split(words, [MOST_ARMS, MOST_ARMS + CELLS])
        return cls(requests, cells, _largest(np.zeros(1, np.uint64), sample))

    def to_bytes(self) -> bytes:
        """About 40 KB for many keys, fewer for few."""
        sample = self.sample[self.sample > 0]
        words = np.concatenate((self.requests, self.cells, sample))
        return zlib.compress(words.astype("<u8").tobytes(), 1)

    def plus(self, other: "KeyCounts") -> "KeyCounts":
        """The counts of both, of the same split."""
        return KeyCounts(
            self.requests + other.requests,
            self.cells + other.cells,
            _largest(self.sample, other.sample),
        )

    def figures(self, split: Split) -> KeyFigures | None:
        """What they say about ``split``; None before the first request."""
        if not self.requests.any():
            return None
        sample = self.sample[self.sample > 0]
        owners = np.frombuffer(split.owners, np.uint8)[sample % np.uint64(2**_BUCKET_BITS)]
        by_arm = np.bincount(owners, minlength=MOST_ARMS)
        return KeyFigures(
            {number: int(self.requests[place]) for place, number in enumerate(split.numbers)},
            {number: int(by_arm[place]) for place, number in enumerate(split.numbers)},
            _distinct(sample),
            _largest_share(self.cells),
        )


class WorkerKeys:
    """The file in ``folder`` that this worker counts in, created with the first split. Not safe for
    several threads.

    ``splits`` gives the splits that this worker serves, ``clock`` seconds since 1970.
    """

    def __init__(
        self, folder: Path, splits: Callable[[], Mapping[Alias, Split]], clock: Clock = time.time
    ) -> None:
        self._folder = folder
        self._splits = splits
        self._clock = clock
        self._descriptor: int | None = None
        self._rows: Any = None

    def flush(self) -> None:
        """Add the keys that were hashed since the last call. Raises OSError, StorageFull."""
        for alias, split in self._splits().items():
            taken = split.places.take()
            if taken:
                words = np.frombuffer(taken, "<u8").reshape(-1, 2)
                self._add(_identity(alias, split), split, words)

    def close(self) -> None:
        """Leave the file to another worker."""
        if self._descriptor is not None:
            self._rows = None  # it exports the map's memory
            self._map.close()
            os.close(self._descriptor)
            self._descriptor = None

    def _add(self, identity: int, split: Split, words: Words) -> None:
        """``words``: the two halves of each hash."""
        part = self._part(identity)
        buckets = words[:, 0] % np.uint64(BUCKETS)
        owners = np.frombuffer(split.owners, np.uint8)[buckets]
        part["requests"] += np.bincount(owners, minlength=MOST_ARMS).astype(np.uint64)
        cells = np.bincount(words[:, 1] % np.uint64(CELLS), minlength=CELLS)
        part["cells"] += cells.astype(np.uint64)
        sampled = words[:, 1] >> np.uint64(_BUCKET_BITS) << np.uint64(_BUCKET_BITS) | buckets
        part["sample"][:] = _largest(part["sample"], sampled)

    def _part(self, identity: int) -> Any:
        """The part of the present hour in the split's row, which takes that of the split that was
        not used for the longest time if it has none."""
        if self._descriptor is None:
            self._descriptor = claim_file(self._folder, _NAME, _SIZE)
            self._map = mmap.mmap(self._descriptor, _SIZE)
            self._rows = np.frombuffer(self._map, _ROW)
        hour = int(self._clock() // _HOUR)
        places = np.flatnonzero(self._rows["split"] == identity)
        if not places.size:
            places = np.array([self._rows["parts"]["hour"].max(axis=1).argmin()])
            self._rows[places[0]] = np.zeros((), _ROW)
            self._rows["split"][places[0]] = identity
        part = self._rows["parts"][places[0], hour % 2]
        if part["hour"] != hour:
            self._rows["parts"][places[0], hour % 2] = np.zeros((), _PART)
            part["hour"] = hour
        return part


def read_keys(folder: Path, alias: Alias, split: Split, clock: Clock = time.time) -> KeyCounts:
    """The counts of ``split`` over all workers of the server whose ``folder`` it is, as of the last
    flush of each. Raises OSError."""
    identity, hour = _identity(alias, split), int(clock() // _HOUR)
    total = KeyCounts.nothing()
    for content in read_files(folder, _NAME, _SIZE):
        rows = np.frombuffer(content, _ROW)
        for part in rows["parts"][rows["split"] == identity].reshape(-1):
            if part["hour"] in {hour, hour - 1}:
                total = total.plus(KeyCounts(part["requests"], part["cells"], part["sample"]))
    return total


def name_of(alias: Alias, split: Split) -> str:
    """Names the split with its weights; the same on all hosts."""
    return f"{_identity(alias, split):016x}"


def _largest(sample: Words, more: Words) -> Words:
    """The largest distinct ones of both; zeros where there are fewer than ``SAMPLE``."""
    # Soon few are larger than the least of a full sample, so that there is little to sort.
    found = np.union1d(sample, more[more > sample[0]])[-SAMPLE:]
    return np.concatenate((np.zeros(SAMPLE - len(found), np.uint64), found))


def _distinct(sample: Words) -> int:
    """How many keys there are: the ``SAMPLE`` largest of n hashes are spread over a part of all
    possible ones that is about ``SAMPLE / n``."""
    if len(sample) < SAMPLE:
        return len(sample)
    return round((SAMPLE - 1) / ((2**64 - int(sample[0])) / 2**64))


def _largest_share(cells: Words) -> float:
    """The most requests of a cell, without those that all cells have on average."""
    most, total = int(cells.max()), int(cells.sum())
    return max(0.0, (most - (total - most) / (CELLS - 1)) / total)


def _identity(alias: Alias, split: Split) -> int:
    """Names a split with its weights."""
    known = f"{alias.model}/{alias.name}/".encode() + split.salt + split.owners
    return int.from_bytes(hashlib.blake2b(known, digest_size=8).digest()) | 1
