"""The backend by which joblib, and so scikit-learn, runs the tasks of a fit on a Dask cluster.

docs/decisions/0081-clusters-and-samples.md says why it is not joblib's own.
"""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from joblib.parallel import ParallelBackendBase

from hotswap import schedulers
from hotswap.errors import ClusterFailed
from hotswap.schedulers import Absence, threads_of
from trainers.cluster.task import Call, Outcome, itself, run

AHEAD = 32
"""Tasks to submit where the cluster has fewer threads, so that there is work for workers that join
and an adaptive cluster starts some. joblib submits twice as many."""
LARGE = 100_000
"""Bytes from which an argument is kept by the workers, instead of being sent with each task."""

Retrieve = Callable[[], list[Any]]


@dataclass(eq=False, slots=True)
class _Task:
    calls: Sequence[Call]
    callback: Callable[[Retrieve], None]
    future: Any = None


@dataclass(slots=True)
class _Kept:
    """An argument that the workers keep. ``value`` is referred to, so that no other object gets its
    identity."""

    value: Any
    future: Any


def _each(made: Callable[[Any], Any], named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: made(value) for name, value in named.items()}


class ClusterBackend(ParallelBackendBase):  # type: ignore[misc] # joblib has no types
    """Submits each task to ``client``; a worker must have the versions ``libraries``.

    ``done`` is called with the number of tasks that are done. What a worker that ends was
    computing is computed by another one. The scheduler keeps the data, and gives it to the workers
    that need it, also to those that join later. A task raises ClusterFailed if the cluster has no
    workers for WORKERS_SECONDS, if its scheduler is lost, if its workers end again and again, or if
    a worker cannot compute it.
    """

    supports_retrieve_callback = True

    def __init__(
        self,
        client: Any,
        address: str,
        libraries: Mapping[str, str],
        done: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self._client = client
        self._address = address
        self._libraries = dict(libraries)
        self._done = done
        self._count = 0
        self._lock = threading.RLock()
        self._pending: set[_Task] = set()
        self._kept: dict[int, _Kept] = {}
        self._stopped = threading.Event()
        self._watch: threading.Thread | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """joblib computes in this process where this is 1."""
        if n_jobs is None or n_jobs == 1:
            return 1
        return max(AHEAD, threads_of(self._client, self._address))

    def start_call(self) -> None:
        self._stopped = threading.Event()
        self._watch = threading.Thread(
            target=self._watch_workers, args=(self._stopped,), name="hotswap-cluster", daemon=True
        )
        self._watch.start()

    def stop_call(self) -> None:
        self.abort_everything()
        with self._lock:
            self._kept.clear()
        if self._watch is not None:
            self._watch.join(schedulers.CHECK_SECONDS)

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002 - joblib's name
        """Cancel what is pending. The next call starts anew."""
        self._stopped.set()
        with self._lock:
            futures = [task.future for task in self._pending if task.future is not None]
            self._pending.clear()
        if futures and self._client.status == "running":
            self._client.cancel(futures)

    def submit(self, func: Any, callback: Callable[[Retrieve], None]) -> _Task:
        """Submit the calls that joblib has put together in ``func``."""
        task = _Task(func.items, callback)
        with self._lock:
            self._pending.add(task)
        self._send(task)
        return task

    def retrieve_result_callback(self, out: Retrieve) -> list[Any]:
        """The results of a task's calls; joblib's callback passes what it was called with."""
        results = out()
        with self._lock:
            self._count += 1
            count = self._count
        if self._done is not None:
            self._done(count)
        return results

    def _send(self, task: _Task) -> None:
        try:
            calls = [
                (call, [*map(self._sent, args)], _each(self._sent, more))
                for call, args, more in task.calls
            ]
            task.future = self._client.submit(run, calls, self._libraries, pure=False)
            task.future.add_done_callback(partial(self._ended, task))
        except (OSError, RuntimeError, AttributeError) as error:
            # Raised by a client whose scheduler is gone.
            self._fail(task, ClusterFailed(self._address, f"a task was not taken: {error}"))

    def _sent(self, value: Any) -> Any:
        """``value`` as it is sent with a task: itself, or a reference to what the workers keep."""
        from dask.sizeof import sizeof

        with self._lock:
            kept = self._kept.get(id(value))
            if kept is None:
                if sizeof(value) < LARGE:
                    return value
                # As the result of a task, which the scheduler repeats if all workers that hold it
                # end. Data that is scattered is then lost, and a worker that ends while it is may
                # stop the scatter for good.
                future = self._client.submit(itself, value, pure=False)
                kept = self._kept[id(value)] = _Kept(value, future)
            return kept.future

    def _ended(self, task: _Task, future: Any) -> None:
        """Called in a thread of the client when ``future`` has ended in any way."""
        if self._stopped.is_set():
            return
        outcome = self._outcome(future)
        if outcome is not None:
            self._finish(task, partial(self._results, outcome))
        else:
            reason = "the connection to the scheduler was lost."
            self._fail(task, ClusterFailed(self._address, reason))

    def _outcome(self, future: Any) -> Outcome | None:
        """None: it was lost with the scheduler."""
        from distributed import CancelledError

        if future.status in {"cancelled", "lost"}:
            return None
        try:
            outcome: Outcome = future.result()
        except CancelledError:
            return None
        except Exception as error:  # noqa: BLE001 - it is raised where the task came from
            reason = f"a worker failed: {type(error).__name__}: {error}"
            return Outcome(error=ClusterFailed(self._address, reason))
        return outcome

    def _results(self, outcome: Outcome) -> list[Any]:
        if outcome.differing:
            raise ClusterFailed(self._address, f"a worker has other versions: {outcome.differing}.")
        for text, category in outcome.warnings:
            warnings.warn_explicit(text, category, __name__, 0)
        if outcome.error is not None:
            raise outcome.error
        return list(outcome.results)

    def _fail(self, task: _Task, error: ClusterFailed) -> None:
        def raised() -> list[Any]:
            raise error

        self._finish(task, raised)

    def _finish(self, task: _Task, retrieve: Retrieve) -> None:
        with self._lock:
            if task not in self._pending:
                return
            self._pending.discard(task)
        task.callback(retrieve)
        task.future = None  # the cluster forgets the result

    def _watch_workers(self, stopped: threading.Event) -> None:
        absence = Absence(self._address)
        while not stopped.wait(schedulers.CHECK_SECONDS):
            try:
                absence.check(threads_of(self._client, self._address))
            except ClusterFailed as error:
                with self._lock:
                    tasks = [*self._pending]
                for task in tasks:
                    self._fail(task, error)
                return
