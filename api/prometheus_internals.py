"""What this service uses of prometheus_client besides its public interface.

``pyproject.toml`` admits the minor release that this was written for, and
``tests/integration/api/test_prometheus_internals.py`` fails where another one differs.
prometheus_client is imported when it is needed: it chooses how to keep values at its import.
"""

import atexit
import os
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Histogram

ROOM = {
    "counter": 2**17,
    "histogram": 2**18,
    "gauge_livesum": 2**16,
    "gauge_livemax": 2**16,
}
"""Bytes of each file of a process, by its kind: enough for every route of this service."""


def keep_values_in(directory: Path) -> None:
    """Keep the values of metrics that are created from now on in files in ``directory``.

    The files are allocated in full: they are mapped into memory, where a page without room on the
    disk would end the process. Raises OSError where there is no room.
    """
    for kind, size in ROOM.items():
        path = directory / f"{kind}_{os.getpid()}.db"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    from prometheus_client import values

    # A value class keeps to the files that it opened first, so each application of a process needs
    # its own. The files stay open as long as the process runs.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    atexit.register(values.close_all_multiprocess_files)


def observe_all(histogram: "Histogram", bounds: Sequence[float], amounts: Sequence[float]) -> None:
    """As ``histogram.observe`` for each of ``amounts``, with one call for each bucket that counts.

    ``bounds`` are the upper bounds of its buckets, without infinity.
    """
    internals: Any = histogram
    for bucket, count in Counts(bisect_left(bounds, amount) for amount in amounts).items():
        internals._buckets[bucket].inc(count)
    internals._sum.inc(sum(amounts))


def forget_gauges_of_ended_processes(directory: Path) -> None:
    """Remove the gauges of processes that have ended; their counters and histograms stay.

    ``multiprocess.mark_process_dead`` does it for one process, but fails where another process
    removes the same file.
    """
    for path in directory.glob("gauge_live*.db"):
        process = path.stem.rpartition("_")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)


def ended_processes(directory: Path) -> int:
    """How many of the processes that kept values in ``directory`` have ended."""
    ids = (path.stem.rpartition("_")[2] for path in directory.glob("counter_*.db"))
    return sum(pid.isdecimal() and not _is_alive(int(pid)) for pid in ids)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
