"""What the tasks of the keeper work with."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import Settings
from registry.blobs.choice import blob_store
from registry.blobs.store import BlobStore
from registry.confinement.spawner import Spawner
from registry.engines.loading import loader
from registry.engines.model_process import MODULES
from registry.engines.process_memory import ProcessMemory
from registry.errors import ScoringBusy
from registry.gates.evaluator import PATIENCE_SECONDS, GateEvaluator
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult
from registry.live.counter import Counter
from registry.live.fleet import Fleet
from registry.live.pool import Pool
from registry.live.prepare import Preparer, SharedPreparer
from registry.live.sharing import Sharing
from registry.storage.database import Database
from registry.watching.telemetry_folders import telemetry_folder


class BriefEvaluator:
    """Evaluates gates with versions that are loaded for this, and released afterwards.

    The keeper serves nothing: it needs a version in its memory for the seconds of an evaluation.
    Thread-safe: one evaluation at a time. A caller that waits more than ``patience`` seconds for
    its turn gets ScoringBusy.
    """

    def __init__(
        self, settings: Settings, blobs: BlobStore, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._patience = patience
        self._evaluating = threading.Lock()

    def results(self, inputs: GateInputs) -> tuple[GateResult, ...]:
        """As ``GateEvaluator.results``. Raises what that raises."""
        if not inputs.gates:
            return ()
        if not self._evaluating.acquire(timeout=self._patience):
            raise ScoringBusy
        try:
            with self._pool() as pool:
                load = lambda version: pool.get(version).predictor  # noqa: E731 - of this pool
                return GateEvaluator(self._blobs, load).results(inputs)
        finally:
            self._evaluating.release()

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        memory = ProcessMemory(
            self._settings.model_process_bytes, self._settings.model_processes_bytes
        )
        with closing(Spawner(MODULES)) as spawner:
            pool = Pool(loader(self._blobs, spawner, memory), self._settings.model_cache_mb * 2**20)
            with closing(pool):
                yield pool


@dataclass(frozen=True, slots=True)
class KeeperServices:
    """The collaborators of the operations, in a process that is no worker.

    What ``database`` commits is announced to the workers, and the other hosts are woken; it waits
    for none of them. ``preparer`` prepares a version in all
    of them, and not here.
    """

    settings: Settings
    database: Database
    blobs: BlobStore
    counter: Counter
    fleet: Fleet
    preparer: Preparer | SharedPreparer
    sharing: Sharing | None
    evaluator: BriefEvaluator

    @classmethod
    def build(cls, settings: Settings) -> "KeeperServices":
        """Open the counter; nothing else is opened before it is needed.

        Raises ValueError for a database URL that is not supported, NetworkFileSystem, StorageFull,
        OSError.
        """
        # Before anything is created in the data directory, which may be unsuitable for a database.
        database = Database(settings.effective_database_url)
        run = settings.run_folder
        counter = Counter(run / "counter")
        database.committed = counter.bump
        sharing = Sharing.build(
            database,
            counter,
            host=settings.effective_host_name,
            seconds=settings.lease_seconds,
        )
        if sharing is not None:
            sharing.changes.start()
            # Nobody waits for an answer of the keeper, and nothing in it depends on what other
            # hosts have acknowledged: it counts what each version has answered. One that is lost
            # must not delay the rollback of another rollout for its lease.
            database.confirmed = lambda: None
        blobs, fleet = blob_store(settings, database), Fleet(run / "workers")
        own = Preparer(blobs, fleet, None)
        return cls(
            settings=settings,
            database=database,
            blobs=blobs,
            counter=counter,
            fleet=fleet,
            preparer=SharedPreparer(own, sharing.changes) if sharing else own,
            sharing=sharing,
            evaluator=BriefEvaluator(settings, blobs),
        )

    @property
    def run(self) -> Path:
        """The folder of the sockets, locks and mapped files of running processes."""
        return self.settings.run_folder

    def counts_folder(self) -> Path | None:
        """The folder with the counts of the workers of this host; None while there are none.

        To be looked up each time: a server that starts replaces it.
        """
        return telemetry_folder(self.settings.data)

    def close(self) -> None:
        """Close everything that was opened."""
        if self.sharing is not None:
            self.sharing.changes.close()
        self.database.dispose()
        self.counter.close()
