"""What the views work with: one of each for a process, made by the app factory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flask import Flask, current_app
from sqlalchemy.orm import Session

from api.decoding import DecodingBudget
from api.rates import Rates
from config import Settings
from registry.blobs.local import LocalBlobStore
from registry.confinement.spawner import Spawner
from registry.database import Database
from registry.errors import BlobMissing, VersionNotLoadable
from registry.file_modes import refuse_foreign
from registry.intake.inspector import MODULES as INTAKE_MODULES
from registry.intake.inspector import Inspector
from registry.operations.outcome import Outcome
from registry.queries import find_usable_version
from registry.scoring.judge import Judge
from registry.serving.counter import Counter
from registry.serving.fleet import Fleet
from registry.serving.loading import loader, read_forms
from registry.serving.model_process import MODULES as SERVING_MODULES
from registry.serving.observer import Observer, observed
from registry.serving.pool import Pool, ServedVersion
from registry.serving.process_memory import ProcessMemory
from registry.serving.snapshot import served_version
from registry.serving.watch import Watch

_KEY = "hotswap"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the operations."""

    settings: Settings
    database: Database
    blobs: LocalBlobStore
    spawner: Spawner
    inspector: Inspector
    counter: Counter
    pool: Pool
    judge: Judge
    watch: Watch
    fleet: Fleet
    decoding: DecodingBudget
    observer: Observer
    failures: Rates | None
    requests: Rates | None

    @classmethod
    def build(cls, settings: Settings, observer: Observer | None = None) -> "Services":
        """Nothing is read or started here; ``start`` does that.

        ``observer`` is told what happens while versions are loaded and the database is read.

        Raises ValueError for a database URL that is not supported, NetworkFileSystem, StorageFull,
        DataDirectoryRefused.
        """
        refuse_foreign(settings.data)
        observer = observer or Observer()
        run = settings.data / "run"
        blobs = LocalBlobStore(settings.data / "blobs")
        # Before anything is made in the data directory, which may be no place for a database.
        database = Database(settings.effective_database_url)
        counter = Counter(run / "counter")
        database.committed = counter.bump
        spawner = Spawner((*INTAKE_MODULES, *SERVING_MODULES))
        memory = ProcessMemory(settings.model_process_bytes, settings.model_processes_bytes)
        load = observed(loader(blobs, spawner, memory), observer)
        pool = Pool(load, settings.model_cache_mb * 2**20)
        return cls(
            settings=settings,
            database=database,
            blobs=blobs,
            spawner=spawner,
            inspector=Inspector(spawner=spawner, memory=memory),
            counter=counter,
            pool=pool,
            judge=Judge(blobs, lambda version: pool.get(version).predictor),
            watch=Watch(database, counter, pool, _find_usable, observer),
            fleet=Fleet(run / "workers"),
            decoding=DecodingBudget(settings.decoding_bytes),
            observer=observer,
            failures=_rates(run / "failures", settings.auth_failures, seconds=60),
            requests=_rates(run / "requests", settings.rate_limit, seconds=1),
        )

    def start(self) -> None:
        """Take part in the serving of this data directory, in this process."""
        self.fleet.join(self.watch.prepared)
        self.watch.start()

    @contextmanager
    def prepare(self, version: ServedVersion) -> Iterator[None]:
        """Have every live worker load and warm the version, and keep it until the block ends.

        The bytes that a worker reads are verified too where it is in memory already: the next one
        that starts must be able to load it. The others have to be there; to verify a large
        artifact takes longer than all the rest, and is left to the scrub.

        Raises VersionNotLoadable, BlobUnavailable.
        """
        read = {version.compiled[form] for form in read_forms(version.compiled)}
        for digest in read or {version.sha256}:
            self.blobs.open(digest).close()
        for digest in (version.sha256, *version.compiled.values()):
            if not self.blobs.holds(digest):
                raise BlobMissing(digest)
        with self.fleet.prepared(version.model, version.number) as faults:
            if faults:
                why = " ".join(sorted(set(faults)))
                raise VersionNotLoadable(version.model, version.number, why)
            with self.pool.holding(version):
                yield

    def move(self, move: Callable[[], Outcome]) -> Outcome:
        """Move an alias, and tell the observer how it went unless nothing was to be done."""
        try:
            outcome = move()
        except Exception as error:
            self.observer.moved(error)
            raise
        if not (outcome.replayed or outcome.unchanged):
            self.observer.moved(None)
        return outcome

    def close(self) -> None:
        """End what was started and close what was opened."""
        self.fleet.leave()
        self.watch.close()
        self.pool.close()
        self.inspector.close()
        self.spawner.close()
        self.database.dispose()
        self.counter.close()
        for rates in (self.failures, self.requests):
            if rates is not None:
                rates.close()


def attach(app: Flask, services: Services) -> None:
    """Give ``app`` its services."""
    app.extensions[_KEY] = services


def services() -> Services:
    """The services of the app that answers the present request."""
    return cast("Services", current_app.extensions[_KEY])


def _rates(path: Path, limit: int, *, seconds: int) -> Rates | None:
    """``limit`` in so many seconds, all of them at once if need be; None for no limit."""
    return Rates(path, limit / seconds, limit) if limit else None


def _find_usable(session: Session, model: str, reference: str) -> ServedVersion:
    return served_version(find_usable_version(session, model, reference))
