"""Which predictions are counted under the name of their version.

Prometheus keeps a time series for each combination of labels, and new versions are made without
end. So at most ``MOST_SERIES`` combinations of row and outcome have a name at a time, and all other
predictions are counted together in the row ``OTHER``. If there is no room, a version that an alias
points at takes the place of one that none points at.

The workers of a server share a file to which they append a line under a lock when a row gets a
name, another outcome, or loses its name. A row always keeps its number and its counts, so it
continues where it ended if it gets a name again, and no count goes backwards.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from registry.engines.served_version import Key
from registry.watching.counts import MOST_ROWS

logger = logging.getLogger(__name__)

Outcome = Literal["ok", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "failed")
MOST_SERIES = 200
"""Includes those of ``OTHER``."""
OTHER = 0
"""The number of the row for all predictions without a name."""
_MOST_BYTES = 2**20
"""From this size of the file on, nothing gets a name."""


class Row(NamedTuple):
    """A version, and the alias by which it was requested; empty for its number."""

    model: str
    version: int
    alias: str

    @property
    def key(self) -> Key:
        return self.model, self.version


class _Line(NamedTuple):
    """A row, all of its outcomes until now, and whether it has a name from now on."""

    model: str
    version: int
    alias: str
    outcomes: frozenset[Outcome]
    named: bool


_LINE = msgspec.json.Decoder(_Line)
_NONE: frozenset[Outcome] = frozenset()


class NamedRows:
    """The rows in the file ``path``; ``is_live``: whether an alias points at a version.

    Not safe for several threads. Raises OSError if the file cannot be opened.
    """

    def __init__(self, path: Path, is_live: Callable[[Key], bool]) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._is_live = is_live
        self._end = 0
        self._full = False
        self._outcomes: dict[Row, frozenset[Outcome]] = {}
        self.numbers: dict[Row, int] = {}
        """Of all rows that have ever had a name."""
        self.named: dict[Row, frozenset[Outcome]] = {}
        """The rows that have a name now, and their outcomes."""
        self.refresh()

    def number(self, row: Row, outcome: Outcome) -> int:
        """The number of the row that a prediction is counted in, after a ``refresh``.

        Gives the row a name if there is room.
        """
        if outcome in self.named.get(row, _NONE):
            return self.numbers[row]
        if row in self.named or self._room() > 0 or (not self._full and self._is_live(row.key)):
            try:
                self._name(row, outcome)
            except OSError as error:
                logger.warning("predictions are counted without the name of %s: %s", row, error)
        return self.numbers[row] if outcome in self.named.get(row, _NONE) else OTHER

    def refresh(self) -> None:
        """Read which rows other workers have given a name."""
        self._full = False  # versions that had an alias may have none by now
        self._read()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size <= self._end:
            return
        unread = os.pread(self._descriptor, size - self._end, self._end)
        lines = unread[: unread.rfind(b"\n") + 1]
        for line in map(_LINE.decode, lines.splitlines()):
            row = Row(line.model, line.version, line.alias)
            self.numbers.setdefault(row, len(self.numbers) + 1)
            self._outcomes[row] = line.outcomes
            if line.named:
                self.named[row] = line.outcomes
            else:
                self.named.pop(row, None)
        self._end += len(lines)

    def _room(self) -> int:
        """How many more series may have a name."""
        return MOST_SERIES - len(OUTCOMES) - sum(map(len, self.named.values()))

    def _name(self, row: Row, outcome: Outcome) -> None:
        """Give ``row`` a name for all of its outcomes, or for none: otherwise the share of its
        predictions that failed would be wrong."""
        with self._locked():
            self._read()
            named = self.named.get(row, _NONE)
            if outcome in named:
                return
            outcomes = self._outcomes.get(row, _NONE) | {outcome}
            if self._make_room(row, len(outcomes) - len(named)):
                self._append(row, outcomes, named=True)
            elif named:
                self._append(row, outcomes, named=False)

    def _make_room(self, row: Row, series: int) -> bool:
        """Whether there is room for more series of ``row``; a live one takes the place of others
        that are not."""
        new = row not in self.numbers
        if self._end >= _MOST_BYTES or (new and len(self.numbers) + 1 >= MOST_ROWS):
            return False
        missing = series - self._room()
        replaced = []
        if missing > 0 and self._is_live(row.key):
            for other, outcomes in self.named.items():
                if missing > 0 and other != row and not self._is_live(other.key):
                    replaced.append(other)
                    missing -= len(outcomes)
        if missing > 0:
            self._full = self._room() <= 0 and not replaced and self._is_live(row.key)
            return False
        for other in replaced:
            self._append(other, self.named[other], named=False)
        return True

    def _append(self, row: Row, outcomes: frozenset[Outcome], *, named: bool) -> None:
        """Add a line. The lock is held, and all lines have been read."""
        line = msgspec.json.encode(_Line(*row, outcomes, named)) + b"\n"
        # A worker that was killed, or found no room, may have left the beginning of a line.
        os.ftruncate(self._descriptor, self._end)
        if os.pwrite(self._descriptor, line, self._end) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._read()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
