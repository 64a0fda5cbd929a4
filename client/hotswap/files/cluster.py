"""Runs the chunks on a Dask cluster: the workers read, predict and write by themselves."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from hotswap import schedulers
from hotswap.errors import ClientError, ClusterFailed, FileRefused
from hotswap.files.rows import Span
from hotswap.files.work import Progress, Work, is_done
from hotswap.schedulers import Absence, connect, threads_of

_QUEUED = 2
"""Spans submitted for each thread of the cluster: one that it computes, and the next."""


def run_on_cluster(
    address: str, work: Work, spans: Iterator[Span], done: set[int], progress: Progress
) -> None:
    """Predict all chunks that are not ``done`` on the cluster of the scheduler at ``address``.

    A span whose worker ends is computed by another one. Raises FileRefused without ``distributed``,
    ClusterFailed if the scheduler cannot be reached, if it has no workers for WORKERS_SECONDS, or
    if they fail, and the error of a span that failed.
    """
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise FileRefused(
            "A scheduler requires distributed, which is not installed. Install the extra 'dask'."
        ) from error
    with connect(address) as client:
        finished = frozenset(done)
        unfinished = _unfinished(spans, done, progress)
        pending: dict[Any, Span] = {}
        while True:
            threads = threads_of(client, address)
            for span in islice(unfinished, max(0, _QUEUED * max(1, threads) - len(pending))):
                pending[client.submit(work.span, span, finished, pure=False)] = span
            if not pending:
                return
            for future in _completed(distributed, client, address, pending):
                _check(distributed, address, future)
                span = pending.pop(future)
                progress(span.count, span.end, resumed=False)


def _completed(distributed: Any, client: Any, address: str, pending: Iterable[Any]) -> list[Any]:
    """Those of ``pending`` that ended, at least one. Raises ClusterFailed."""
    absence = Absence(address)
    while True:
        try:
            found = distributed.wait(
                list(pending), timeout=schedulers.CHECK_SECONDS, return_when="FIRST_COMPLETED"
            )
        except distributed.CancelledError as error:
            raise ClusterFailed(address, "the connection to the scheduler was lost.") from error
        except TimeoutError:
            absence.check(threads_of(client, address))
        else:
            return list(found.done)


def _check(distributed: Any, address: str, future: Any) -> None:
    """Raise the error of a span that failed: ClientError and OSError as they are, and others, which
    have their cause in the workers' installation or memory, as ClusterFailed."""
    try:
        future.result()
    except (ClientError, OSError):
        raise
    except (Exception, distributed.CancelledError) as error:
        reason = f"a worker failed: {type(error).__name__}: {error}"
        raise ClusterFailed(address, reason) from error


def _unfinished(spans: Iterator[Span], done: set[int], progress: Progress) -> Iterator[Span]:
    for span in spans:
        if is_done(span, done):
            progress(span.count, span.end, resumed=True)
        else:
            yield span
