"""The Dask cluster that a training uses."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from joblib import parallel_config

from hotswap import schedulers
from hotswap._version import __version__
from hotswap.errors import ClusterFailed
from hotswap.schedulers import Absence, connect, threads_of
from registry.extras import is_installed, missing
from trainers.cluster.backend import ClusterBackend
from trainers.errors import ClusterUnavailable

_LARGE_TASK = "distributed.admin.large-graph-warning-threshold"


class Cluster:
    """A connected cluster."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self.address = address

    def __str__(self) -> str:
        """``2 workers at tcp://host:8786``."""
        count = len(self._client.nthreads())
        return f"{count:,} worker{'s' if count != 1 else ''} at {self.address}"

    @contextmanager
    def parallel(
        self, libraries: Mapping[str, str], done: Callable[[int], None] | None = None
    ) -> Iterator[None]:
        """In this block joblib's ``Parallel`` runs its calls on the cluster, and so does whatever
        in scikit-learn uses it with ``n_jobs=-1``.

        The workers must have the versions ``libraries``, and this release of Hotswap. ``done`` is
        called with the number of calls that are done.
        """
        import dask

        wanted = {"hotswap": __version__, **libraries}
        backend = ClusterBackend(self._client, self.address, wanted, done)
        # Warnings of a training are kept with the version, and data is meant to be in the tasks.
        with dask.config.set({_LARGE_TASK: "1 PB"}), parallel_config(backend=backend):
            yield


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster of the Dask scheduler at ``address``, such as ``tcp://host:8786``, with at least
    one worker.

    Raises ClusterUnavailable without the extra ``dask``, ClusterFailed if the scheduler cannot be
    reached or no worker comes within WORKERS_SECONDS.
    """
    if not is_installed("dask"):
        raise ClusterUnavailable(missing("dask", "Training on a cluster"))
    with connect(address) as client:
        _await_worker(client, address)
        yield Cluster(client, address)


def _await_worker(client: Any, address: str) -> None:
    absence = Absence(address)
    # An adaptive cluster starts workers for tasks.
    probe = client.submit(_probe, pure=False)
    ended = threading.Event()
    probe.add_done_callback(lambda _: ended.set())
    while not ended.wait(schedulers.CHECK_SECONDS):
        absence.check(threads_of(client, address))
    if probe.status == "error":
        error = probe.exception()
        reason = f"a worker failed: {type(error).__name__}: {error}"
        raise ClusterFailed(address, reason) from error
    if probe.status != "finished":
        raise ClusterFailed(address, "the connection to the scheduler was lost.")


def _probe() -> None:
    """Do nothing: this only shows that there is a worker."""
