"""Runs the chunks on a Dask cluster: the workers read, predict and write by themselves."""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from hotswap.errors import FileRefused, ServiceUnreachable
from hotswap.files.rows import Span
from hotswap.files.work import Progress, Work, is_done

_QUEUED = 2
"""Spans submitted for each thread of the cluster: one that it computes, and the next."""


def run_on_cluster(
    address: str, work: Work, spans: Iterator[Span], done: set[int], progress: Progress
) -> None:
    """Predict all chunks that are not ``done`` on the cluster of the scheduler at ``address``.

    A span whose worker ends is computed by another one. Raises FileRefused without ``distributed``,
    ServiceUnreachable without a scheduler, and the error of a span that failed.
    """
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise FileRefused(
            "A scheduler requires distributed, which is not installed. Install the extra 'dask'."
        ) from error
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(address, f"{error}") from error
    with client:
        finished = frozenset(done)
        unfinished = _unfinished(spans, done, progress)
        pending: dict[Any, Span] = {}
        completed = distributed.as_completed()
        while True:
            threads = sum(client.nthreads().values())
            for span in islice(unfinished, max(0, _QUEUED * max(1, threads) - len(pending))):
                future = client.submit(work.span, span, finished, pure=False)
                pending[future] = span
                completed.add(future)
            if not pending:
                return
            future = next(completed)
            future.result()
            span = pending.pop(future)
            progress(span.count, span.end, resumed=False)


def _unfinished(spans: Iterator[Span], done: set[int], progress: Progress) -> Iterator[Span]:
    for span in spans:
        if is_done(span, done):
            progress(span.count, span.end, resumed=True)
        else:
            yield span
