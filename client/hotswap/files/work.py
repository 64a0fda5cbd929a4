"""What is done with each chunk: predict, encode, write the part."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Protocol

from hotswap.errors import BadRequest, ProblemReply, ReplyNotUnderstood
from hotswap.files.folder import PartsFolder
from hotswap.files.output import Output, answers, required
from hotswap.files.rows import Rows, Span
from hotswap.parts import count_on
from hotswap.registry import Registry
from hotswap.replies import Prediction

INTERRUPTED_SECONDS = 1.0
"""How long an interrupted run waits for its chunks in flight."""


class Predict(Protocol):
    """Predicts with one version. Called by several threads."""

    def __call__(self, data: Any, *, probabilities: bool, scores: bool) -> Prediction: ...


class Progress(Protocol):
    """Called after each chunk, by one thread."""

    def __call__(self, rows: int, end: float, *, resumed: bool) -> None:
        """``rows`` more rows are done, up to the fraction ``end`` of the file; ``resumed``: by an
        earlier process."""


@dataclass(frozen=True, slots=True)
class Service:
    """Predicts by requests. ``idle`` keeps the clients that no thread uses at the moment."""

    connect: Callable[[], Registry]
    model: str
    version: int
    idle: "SimpleQueue[Registry]"

    def __call__(self, data: Any, *, probabilities: bool, scores: bool) -> Prediction:
        try:
            registry = self.idle.get_nowait()
        except Empty:
            registry = self.connect()
        try:
            return registry.predict(
                self.model,
                data,
                version=self.version,
                probabilities=probabilities,
                scores=scores,
            )
        finally:
            self.idle.put(registry)


@dataclass(frozen=True, slots=True)
class Work:
    """Can be pickled if ``predict`` can. ``names``: the columns of predictions."""

    predict: Predict
    output: Output
    folder: PartsFolder
    names: tuple[str, ...]

    def chunk(self, rows: Rows) -> None:
        """Predict a chunk and write its part.

        Raises FileRefused, OSError, and what predicting raises, with row numbers of the file.
        """
        try:
            reply = self.predict(rows.data, **required(self.names))
        except ProblemReply as error:
            if isinstance(error, BadRequest):
                rows.explain()
            count_on(error, rows.first)
            raise
        found = len(reply["predictions"])
        if found != rows.count:
            rows.explain()
            raise ReplyNotUnderstood(
                reply["model"],
                200,
                f"{found} predictions for the {rows.count} rows from row {rows.first} on",
            )
        columns = {**rows.kept(), **answers(reply, self.names)}
        self.folder.write(rows.chunk, self.output.part(columns))

    def span(self, span: Span, done: frozenset[int]) -> None:
        """Predict the chunks of ``span`` that are not ``done``, one after the other."""
        for rows in span.read():
            if rows.chunk not in done:
                self.chunk(rows)


def run_here(
    work: Work,
    spans: Iterable[Span],
    done: set[int],
    in_flight: int,
    progress: Progress,
    *,
    stopped: Event,
) -> None:
    """Predict all chunks that are not ``done``, ``in_flight`` at a time.

    Raises the error of the first chunk that fails, after those in flight have ended. An
    interruption, such as KeyboardInterrupt, sets ``stopped`` and leaves them after a moment.
    """
    pending: dict[Future[None], Rows] = {}
    try:
        try:
            for rows in _unfinished(spans, done, progress):
                if len(pending) >= in_flight:
                    _collect(pending, progress)
                pending[_started(work, rows)] = rows
            while pending:
                _collect(pending, progress)
        except Exception:
            wait(pending)
            raise
    except BaseException:
        stopped.set()
        wait(pending, INTERRUPTED_SECONDS)
        raise


def _started(work: Work, rows: Rows) -> "Future[None]":
    """Predict a chunk in a thread. It is a daemon, because the interpreter waits for all others
    when it exits, and a request may take until its time-out."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work.chunk(rows)
        except BaseException as error:  # noqa: BLE001 - raised where the result is collected
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=run, name=f"chunk-{rows.chunk}", daemon=True).start()
    return future


def _unfinished(spans: Iterable[Span], done: set[int], progress: Progress) -> Iterator[Rows]:
    for span in spans:
        if is_done(span, done):
            progress(span.count, span.end, resumed=True)
            continue
        for rows in span.read():
            if rows.chunk in done:
                progress(rows.count, rows.end, resumed=True)
            else:
                yield rows


def is_done(span: Span, done: set[int]) -> bool:
    return done.issuperset(range(span.chunk, span.chunk + span.chunks))


def _collect(pending: dict[Future[None], Rows], progress: Progress) -> None:
    ended, _ = wait(pending, return_when=FIRST_COMPLETED)
    if any(future.exception() for future in ended):
        wait(pending)
        failed = [future for future in pending if future.exception()]
        min(failed, key=lambda future: pending[future].chunk).result()
    for future in sorted(ended, key=lambda future: pending[future].chunk):
        rows = pending.pop(future)
        progress(rows.count, rows.end, resumed=False)
