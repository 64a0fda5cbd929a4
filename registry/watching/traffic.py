"""Takes from the counts of predictions, once a minute, what was added since the last time.

The counts of all workers (``registry.watching.predictions``) only grow while the server runs, and
begin at zero with the next server. What they were at the last time is in a file beside them, so it
goes where they go: a worker that takes over continues, and after a restart both begin at zero.

One worker of the server does it: the one that holds the lock on a file, until it ends.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from registry.storage.election import Election
from registry.watching.counts import BINS, BOUNDS, COLUMNS, LAYOUT, Counts
from registry.watching.named_rows import OTHER, Row
from registry.watching.predictions import Totals

MINUTE = timedelta(minutes=1)


class Increase(NamedTuple):
    """Predictions of the version and alias of ``row``; ``times`` has the answered ones by bin."""

    row: Row
    refused: int
    failed: int
    times: Counts


Record = Callable[[datetime, Sequence[Increase]], None]
"""Stores the increases of the minute that began at this time."""


class TrafficSampler:
    """Samples ``totals``, whose files are in ``folder``, into ``record``. For one thread."""

    def __init__(self, folder: Path, totals: Callable[[], Totals], record: Record) -> None:
        self._folder = folder
        self._totals = totals
        self._record = record
        self._election = Election(folder / "traffic.lock")
        self._minute: datetime | None = None

    def sample(self, now: datetime) -> bool:
        """Record what was counted in the minute before that of ``now``, if no call has done so and
        no other worker does; whether something was recorded.

        After an exception of ``record`` the next call records it. Raises that, and OSError.
        """
        minute = floor(now, MINUTE)
        if self._minute is None:  # whatever was counted before belongs to no minute that is over
            self._minute = minute
        if minute == self._minute or not self._election.is_won():
            return False
        totals, before = self._totals(), self._read()
        found = increases(totals, before)
        if found:
            # Written before, so that what was recorded is not recorded again for want of room.
            beside = self._file.with_suffix(".new")
            beside.write_bytes(totals.counts[: len(totals.numbers) + 1].tobytes())
            self._record(minute - MINUTE, found)
            beside.replace(self._file)
        self._minute = minute
        return bool(found)

    def close(self) -> None:
        """Leave the sampling to another worker."""
        self._election.leave()

    @property
    def _file(self) -> Path:
        return self._folder / f"traffic-{LAYOUT}.sampled"

    def _read(self) -> Counts:
        """The counts of the first rows as of the last time."""
        width = BINS + len(COLUMNS)
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            content = b""
        return np.frombuffer(content, np.uint64).reshape(-1, width)


def increases(totals: Totals, before: Counts) -> list[Increase]:
    """What the counts of each version and alias grew by. Those without a name have none."""
    grown = totals.counts.copy()
    grown[: len(before)] -= before
    return [
        Increase(
            row,
            int(grown[number, COLUMNS["refused"]]),
            int(grown[number, COLUMNS["failed"]]),
            grown[number, :BINS],
        )
        for row, number in totals.numbers.items()
        if number != OTHER and grown[number].any()
    ]


def floor(moment: datetime, step: timedelta) -> datetime:
    """The last multiple of ``step``, a divisor of a day, until ``moment``."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def quantile(times: Counts, share: float) -> float | None:
    """The time in seconds within which ``share`` of the predictions were answered; None without
    any.

    Linear within a bin, and the largest bound beyond it, as ``histogram_quantile`` of Prometheus:
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    cumulative = times.cumsum()
    count = int(cumulative[-1])
    if count == 0:
        return None
    rank = share * count
    place = int(np.searchsorted(cumulative, rank))
    if place >= len(BOUNDS):
        return BOUNDS[-1]
    low = BOUNDS[place - 1] if place else 0.0
    below = int(cumulative[place - 1]) if place else 0
    return low + (BOUNDS[place] - low) * (rank - below) / int(times[place])
