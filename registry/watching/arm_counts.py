"""Exact counts of the versions that aliases point at, for guards and the shares of splits.

``registry.watching.counts`` has as many rows as Prometheus gets names, and counts the rest
together. A guard needs its arms whatever else is served. So each worker also counts the versions
that have an alias in a file of rows which say whose they are: the two words before the counts are a
hash of model and alias, and the version. Where all rows are taken, a version without an alias gives
its row away.
"""

import fcntl
import hashlib
import logging
import mmap
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from registry.engines.served_version import Key
from registry.watching.counts import BINS, BOUNDS, Counts, Unanswered
from registry.watching.named_rows import Row
from registry.watching.recent_faults import counting_began
from registry.watching.worker_files import claim_file, read_files

logger = logging.getLogger(__name__)

MOST_ARMS = 1_024
_COLUMNS: tuple[Unanswered | Literal["faults"], ...] = ("refused", "failed", "faults")
_FIRST_BIN = 2
_PLACES = {name: _FIRST_BIN + BINS + number for number, name in enumerate(_COLUMNS)}
_WIDTH = _FIRST_BIN + BINS + len(_COLUMNS)
_SIZE = MOST_ARMS * _WIDTH * 8
_NAME = f"arms-{zlib.crc32(repr((BOUNDS, _COLUMNS, MOST_ARMS)).encode()):08x}-"
_KEPT = f"{_NAME}kept"
_NO_ROWS = np.zeros((0, _WIDTH), np.uint64)
_HALF = 32
"""Bits of the second word that are the version; the others belong to the hash."""


class ArmTotals(NamedTuple):
    """What a version has answered under an alias since the counting ``began``.

    ``times``: the answers by bin of ``registry.watching.counts.BOUNDS``. ``refused`` and ``failed``
    are by the status of the response, 4xx and 5xx. ``faults`` are those of both that the version is
    to blame for (``registry.watching.version_faults``), at most one a second of a caller with a
    key.
    """

    began: str
    times: tuple[int, ...]
    refused: int
    failed: int
    faults: int

    @property
    def answered(self) -> int:
        return sum(self.times)


class WorkerArms:
    """The file in ``folder`` that this worker counts in. Not safe for several threads.

    ``is_live``: whether an alias points at a version. Raises OSError, StorageFull.
    """

    def __init__(self, folder: Path, is_live: Callable[[Key], bool]) -> None:
        self._is_live = is_live
        self._places: dict[Row, int] = {}
        self._descriptor = claim_file(folder, _NAME, _SIZE)
        self._map = mmap.mmap(self._descriptor, _SIZE)
        # Aligned stores of eight bytes are atomic, so readers need no lock.
        self._rows = np.frombuffer(self._map, np.uint64).reshape(MOST_ARMS, _WIDTH)

    def add_times(self, row: Row, times: Counts) -> None:
        """Count answers by bin."""
        if (place := self._place(row)) is not None:
            self._rows[place, _FIRST_BIN : _FIRST_BIN + BINS] += times

    def add_unanswered(self, row: Row, outcome: Unanswered, *, fault: bool) -> None:
        """Count a prediction that was not answered; ``fault``: the version is to blame."""
        if (place := self._place(row)) is not None:
            self._rows[place, _PLACES[outcome]] += np.uint64(1)
            self._rows[place, _PLACES["faults"]] += np.uint64(fault)

    def close(self) -> None:
        """Leave the file to another worker."""
        del self._rows  # it exports the map's memory
        self._map.close()
        os.close(self._descriptor)

    def _place(self, row: Row) -> int | None:
        """Which row of the file is that of ``row``; None for a version number, for a version
        without an alias, and where there is no room."""
        if not row.alias:
            return None
        place = self._places.get(row)
        if place is None:
            words = np.array(_words(*row), np.uint64)
            found = np.flatnonzero((self._rows[:, :_FIRST_BIN] == words).all(axis=1))
            if found.size:  # a worker that has ended counted it
                place = int(found[0])
            elif self._is_live(row.key):
                place = self._take_place(words)
            if place is not None:
                self._places[row] = place
        return place

    def _take_place(self, words: Counts) -> int | None:
        free = np.flatnonzero(self._rows[:, 1] == 0)  # no version has the number 0
        if not free.size:
            self._places = {row: at for row, at in self._places.items() if self._is_live(row.key)}
            free = np.setdiff1d(np.arange(MOST_ARMS), list(self._places.values()))
        if not free.size:
            logger.warning("guards see no counts of a version: %d others have one", MOST_ARMS)
            return None
        place = int(free[0])
        self._rows[place] = 0
        self._rows[place, :_FIRST_BIN] = words
        return place


class ArmRows(NamedTuple):
    """The counts of all versions that a server has counted since it ``began``."""

    began: str
    rows: Counts

    def of(self, model: str, alias: str) -> Mapping[int, ArmTotals]:
        """Those of the versions that ``alias`` of ``model`` has pointed at, by number."""
        first, second = _words(model, 0, alias)
        rows = self.rows
        ours = (rows[:, 0] == first) & (rows[:, 1] >> np.uint64(_HALF) == second >> _HALF)
        found: dict[int, Counts] = {}
        for row in rows[ours]:
            number = int(row[1]) % 2**_HALF
            found[number] = found.get(number, 0) + row
        return {number: _totals(self.began, row) for number, row in found.items()}


def read_arms(folder: Path) -> ArmRows:
    """The counts of all workers of the server whose ``folder`` it is, those that have ended
    included.

    As of the workers' last flush, up to half a second ago. Raises OSError.
    """
    began = counting_began(folder)
    found = [
        rows[rows[:, 1] != 0]  # no version has the number 0
        for content in read_files(folder, _NAME, _SIZE)
        for rows in (np.frombuffer(content, np.uint64).reshape(MOST_ARMS, _WIDTH),)
    ]
    return ArmRows(began, np.concatenate([_NO_ROWS, *found]))


def keep_arms(folder: Path, run: Path) -> None:
    """Keep in ``run`` what the server whose ``folder`` it is has counted by now.

    To be called by each worker that ends, after its last flush: so what the workers answered while
    they ended is not lost for a rollout, which continues with the next server. Raises OSError.
    """
    beside = run / f"{_KEPT}.new"
    with open(run / f"{_KEPT}.lock", "wb", opener=_private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever writes last has read what all have counted
        began, rows = read_arms(folder)
        if began and len(rows):
            with open(beside, "wb", opener=_private) as file:
                file.write(f"{began}\n".encode() + rows.tobytes())
            beside.replace(run / _KEPT)


def kept_arms(run: Path) -> ArmRows:
    """What the last server in ``run`` that has ended had counted by then; nothing where there was
    none.

    Raises OSError.
    """
    try:
        began, _, content = (run / _KEPT).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return ArmRows("", _NO_ROWS)
    return ArmRows(began.decode(), np.frombuffer(content, np.uint64).reshape(-1, _WIDTH))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _totals(began: str, row: Counts) -> ArmTotals:
    times = tuple(row[_FIRST_BIN : _FIRST_BIN + BINS].tolist())
    return ArmTotals(began, times, *(int(row[_PLACES[name]]) for name in _COLUMNS))


def _words(model: str, number: int, alias: str) -> tuple[int, int]:
    """The two words before the counts of a row."""
    digest = hashlib.blake2b(f"{model}/{alias}".encode(), digest_size=12).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:]) << _HALF | number
