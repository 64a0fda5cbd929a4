"""Counts the predictions of a worker by version, alias and outcome.

A prediction appends its time to an array of its version, in 0.1 µs. ``flush`` adds the arrays to
the shared counts, off the request path: to those of ``registry.watching.counts``, of which metrics
and traffic are made, and to those of ``registry.watching.arm_counts``, which guards read. A worker
that is killed loses what it has counted since.
"""

import threading
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from registry.engines.served_version import Key
from registry.live.pool import LoadedVersion
from registry.watching.arm_counts import WorkerArms
from registry.watching.counts import LAYOUT, Counts, Unanswered, WorkerCounts, read_counts
from registry.watching.named_rows import NamedRows, Outcome, Row
from registry.watching.recent_faults import RecentFaults


class Totals(NamedTuple):
    """The predictions of all workers.

    ``counts`` has the rows of ``registry.watching.counts``; ``numbers`` maps a version and alias to
    its row, ``named`` those that have a name at present to their outcomes.
    """

    counts: Counts
    numbers: Mapping[Row, int]
    named: Mapping[Row, frozenset[Outcome]]


class _Tally(NamedTuple):
    """The times of the predictions that ``version`` has answered since the last flush."""

    version: "weakref.ref[LoadedVersion]"
    row: Row
    seconds: "array[float]"


class NoPredictionCounts:
    """Replaces ``PredictionCounts`` where nothing is counted."""

    def answered(self, loaded: LoadedVersion, reference: str, seconds: float, rows: int) -> None:
        """Do nothing."""

    def unanswered(
        self,
        key: Key,
        reference: str,
        outcome: Unanswered,
        *,
        fault: bool = False,
        caller: str | None = None,
    ) -> None:
        """Do nothing."""


class _NotAnswered(NamedTuple):
    """A prediction that was not answered; ``fault``: guards count it."""

    row: Row
    outcome: Unanswered
    fault: bool


class PredictionCounts:
    """The predictions of this worker, counted in files in ``folder``.

    ``is_live``: whether an alias points at a version. Such versions are named first where the
    number of names is limited. Raises OSError, StorageFull.
    """

    def __init__(self, folder: Path, is_live: Callable[[Key], bool]) -> None:
        self._folder = folder
        self._counts = WorkerCounts(folder)
        self._rows = NamedRows(folder / f"predictions-{LAYOUT}.names", is_live)
        self._tallies: list[_Tally] = []
        self._arms = WorkerArms(folder, is_live)
        self._recent_faults = RecentFaults(folder)
        self._unanswered: deque[_NotAnswered] = deque()
        self._batches: deque[tuple[Row, int]] = deque()
        self._adding = threading.Lock()
        self._flushing = threading.Lock()

    def answered(self, loaded: LoadedVersion, reference: str, seconds: float, rows: int) -> None:
        """Count a prediction of ``rows`` by ``loaded``, requested by ``reference``, that took
        ``seconds``."""
        tally = loaded.seconds.get(reference)
        if tally is None:
            tally = self._begin_tally(loaded, reference)
        tally.append(seconds)
        if rows != 1:
            self._batches.append((_row(loaded.key, reference), rows))

    def unanswered(
        self,
        key: Key,
        reference: str,
        outcome: Unanswered,
        *,
        fault: bool = False,
        caller: str | None = None,
    ) -> None:
        """Count a prediction that the version ``key`` did not answer.

        ``fault``: it is to blame; ``caller``: the key that the request came with, if any.
        """
        row = _row(key, reference)
        counted = fault and (caller is None or self._recent_faults.is_first(row, caller))
        self._unanswered.append(_NotAnswered(row, outcome, counted))

    def flush(self) -> None:
        """Add what was counted to the files."""
        with self._flushing:
            self._rows.refresh()
            with self._adding:
                tallies, self._tallies = self._tallies, []
            lasting = [tally for tally in tallies if self._flush_tally(tally)]
            with self._adding:
                self._tallies += lasting
            for _ in range(len(self._unanswered)):
                row, outcome, fault = self._unanswered.popleft()
                self._counts.add_unanswered(self._rows.number(row, outcome), outcome)
                self._arms.add_unanswered(row, outcome, fault=fault)
            for _ in range(len(self._batches)):
                row, rows = self._batches.popleft()
                self._counts.add_rows(self._rows.number(row, "ok"), rows - 1)

    def totals(self) -> Totals:
        """The counts of all workers; of the others as of their last flush."""
        with self._flushing:
            self._rows.refresh()
            # Read after the names: every row that has one is in the counts.
            numbers, named = self._rows.numbers.copy(), self._rows.named.copy()
            return Totals(read_counts(self._folder), numbers, named)

    def close(self) -> None:
        """Flush, and leave the file of counts to another worker."""
        self.flush()
        with self._flushing:
            self._counts.close()
            self._arms.close()
            self._recent_faults.close()
            self._rows.close()

    def _begin_tally(self, loaded: LoadedVersion, reference: str) -> "array[float]":
        with self._adding:
            seconds = loaded.seconds.get(reference)
            if seconds is None:
                seconds = array("d")
                row = _row(loaded.version.key, reference)
                self._tallies.append(_Tally(weakref.ref(loaded), row, seconds))
                loaded.seconds[reference] = seconds
            return seconds

    def _flush_tally(self, tally: _Tally) -> bool:
        """Count the times of ``tally``; whether more may follow."""
        # Checked first: a request that still appends to it keeps the version alive.
        lasting = tally.version() is not None
        taken = tally.seconds[:]
        del tally.seconds[: len(taken)]
        if taken:
            number = self._rows.number(tally.row, "ok")
            self._arms.add_times(tally.row, self._counts.add_times(number, np.frombuffer(taken)))
        return lasting


def _row(key: Key, reference: str) -> Row:
    return Row(*key, "" if reference.isdecimal() else reference)
