"""The objects that views work with: one of each per process, created by the app factory."""

import atexit
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from flask import Flask, current_app
from sqlalchemy.orm import Session

from api.decoding import DecodingBudget
from api.rates import Rates
from api.release import RELEASE
from api.unconfirmed import note_unconfirmed
from config import Settings
from registry.blobs.choice import blob_store, upload_store
from registry.blobs.shared_uploads import SharedUploads
from registry.blobs.store import BlobStore
from registry.blobs.uploads import Uploads
from registry.confinement.spawner import Spawner
from registry.engines.loading import loader
from registry.engines.model_process import MODULES as SERVING_MODULES
from registry.engines.process_memory import ProcessMemory
from registry.engines.served_version import ServedVersion
from registry.extras import is_installed, missing
from registry.gates.evaluator import GateEvaluator
from registry.hosts.store import Presence
from registry.intake.inspector import MODULES as INTAKE_MODULES
from registry.intake.inspector import Inspector
from registry.live.alone import Alone
from registry.live.asked_versions import AskedVersions, loader_of
from registry.live.counter import Counter
from registry.live.fleet import Fleet
from registry.live.housekeeping import Housekeeping
from registry.live.lease import Lease
from registry.live.leased_watch import LeasedWatch
from registry.live.membership import Membership
from registry.live.observer import Observer, observed
from registry.live.pool import Pool
from registry.live.prepare import Preparer, SharedPreparer
from registry.live.sharing import Sharing
from registry.live.snapshot import served_version
from registry.live.token_uses import TokenUses
from registry.live.watch import Watch
from registry.operations.abort_unwatched import abort_unwatched
from registry.operations.measure_disk import measure_disk_if_due
from registry.operations.note_token_uses import note_token_uses
from registry.operations.report_keeper import report_keeper
from registry.operations.stay_alone import note_alone
from registry.operations.verify_history import verify_if_due
from registry.reading.queries import find_usable_version
from registry.storage.attempts import Attempts
from registry.storage.database import Database
from registry.storage.election import Election
from registry.storage.file_modes import refuse_foreign
from registry.storage.tables import WITHOUT_RELATED

_KEY = "hotswap"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the operations."""

    settings: Settings
    database: Database
    blobs: BlobStore
    uploads: Uploads | SharedUploads
    attempts: Attempts
    spawner: Spawner
    inspector: Inspector
    counter: Counter
    pool: Pool
    evaluator: GateEvaluator
    watch: Watch
    token_uses: TokenUses
    housekeeping: Housekeeping
    fleet: Fleet
    preparer: Preparer | SharedPreparer
    sharing: Sharing | None
    """None where this host is the only one of its database."""
    membership: Membership | None
    alone: Alone | None
    """Of a host without a lease, whose database others can reach."""
    decoding: DecodingBudget
    observer: Observer
    failures: Rates | None
    requests: Rates | None

    @classmethod
    def build(
        cls,
        settings: Settings,
        observer: Observer | None = None,
        spawner: Spawner | None = None,
    ) -> "Services":
        """Read and start nothing; ``start`` does that.

        ``observer`` is notified of loads, of reads of the database and of promotions. ``spawner``
        starts the confined processes; ``close`` closes it.

        Raises ValueError for a database URL that is not supported or an extra that is missing,
        NetworkFileSystem, StorageFull,
        DataDirectoryRefused.
        """
        refuse_foreign(settings.data)
        if settings.traces and not is_installed("otel"):
            raise ValueError(missing("otel", "HOTSWAP_TRACES"))
        observer = observer or Observer()
        run = settings.run_folder
        # Before anything is created in the data directory, which may be unsuitable for a database.
        database = Database(settings.effective_database_url)
        blobs = blob_store(settings, database)
        uploads = upload_store(blobs, database, settings.max_upload_bytes)
        counter = Counter(run / "counter")
        database.committed = counter.bump
        sharing = Sharing.build(
            database,
            counter,
            host=settings.effective_host_name,
            seconds=settings.lease_seconds,
            without=settings.without_lease,
            report=note_unconfirmed,
        )
        spawner = spawner or Spawner((*INTAKE_MODULES, *SERVING_MODULES))
        memory = ProcessMemory(settings.model_process_bytes, settings.model_processes_bytes)
        load = observed(loader(blobs, spawner, memory), observer)
        pool = Pool(load, settings.model_cache_mb * 2**20)
        fleet = Fleet(run / "workers")
        watched = (database, counter, pool, _find_usable, observer)
        alone = None if sharing is not None else _alone(settings, database, counter)
        limited = sharing or alone
        watch = LeasedWatch(*watched, lease=limited.lease) if limited else Watch(*watched)
        own = Preparer(blobs, fleet, pool)
        preparer = SharedPreparer(own, sharing.changes) if sharing else own
        membership = (
            None
            if sharing is None
            else Membership.build(
                sharing,
                database,
                Presence(settings.effective_host_name, 0, RELEASE, settings.worker_count),
                run=run,
                seconds=settings.lease_seconds,
                make_workers=lambda store, me: AskedVersions(
                    store,
                    me,
                    counter=counter,
                    watch=watch,
                    load=loader_of(database, _find_usable, own),
                ),
            )
        )
        evaluator = GateEvaluator(blobs, lambda version: pool.get(version).predictor)
        return cls(
            settings=settings,
            database=database,
            blobs=blobs,
            uploads=uploads,
            attempts=Attempts(run / "attempts"),
            spawner=spawner,
            inspector=Inspector(spawner=spawner, memory=memory),
            counter=counter,
            pool=pool,
            evaluator=evaluator,
            watch=watch,
            token_uses=TokenUses(watch, partial(note_token_uses, database)),
            housekeeping=Housekeeping(
                {
                    "verifying the history": partial(verify_if_due, database),
                    "measuring the disk": partial(measure_disk_if_due, database, blobs, run),
                    "removing old uploads": lambda _: uploads.remove_old(),
                    "aborting rollouts that nobody watches": lambda _: abort_unwatched(
                        database, preparer.prepared, evaluate_gates=evaluator.results
                    ),
                    **({"looking for other hosts": lambda _: alone.look()} if alone else {}),
                    "reporting a keeper that does not run": lambda _: report_keeper(
                        database, settings.effective_host_name, run, watch=settings.watch
                    ),
                },
                Election(run / "housekeeping.lock"),
            ),
            fleet=fleet,
            preparer=preparer,
            sharing=sharing,
            membership=membership,
            alone=alone,
            decoding=DecodingBudget(settings.decoding_bytes),
            observer=observer,
            failures=_rates(run / "failures", settings.auth_failures, seconds=60),
            requests=_rates(run / "requests", settings.rate_limit, seconds=1),
        )

    def start(self) -> None:
        """Start to serve this data directory in this process."""
        if self.membership is not None:
            self.membership.begin()
            # Registered first, so that it is the last: the host leaves when nothing answers.
            atexit.register(self.membership.close)
        self.fleet.join(self.watch.prepared)
        # A process that just ended would count as one that the version has killed.
        atexit.register(self.fleet.leave)
        self.watch.start()
        self.token_uses.start()
        self.housekeeping.start()
        if self.sharing is not None and self.membership is not None:
            self.sharing.changes.start()
            self.membership.start()

    def close(self) -> None:
        """Stop and close everything that ``build`` and ``start`` opened."""
        self.fleet.leave()
        atexit.unregister(self.fleet.leave)
        self.token_uses.close()
        self.housekeeping.close()
        if self.sharing is not None and self.membership is not None:
            self.membership.close()
            atexit.unregister(self.membership.close)
            self.sharing.changes.close()
        self.watch.close()
        self.pool.close()
        self.spawner.close()
        self.database.dispose()
        self.counter.close()
        for rates in (self.failures, self.requests):
            if rates is not None:
                rates.close()


def attach(app: Flask, services: Services) -> None:
    """Set the services of ``app``."""
    app.extensions[_KEY] = services


def services() -> Services:
    """The services of the current application."""
    return cast("Services", current_app.extensions[_KEY])


def _rates(path: Path, limit: int, *, seconds: int) -> Rates | None:
    """``limit`` events in ``seconds``, with a burst of ``limit``; None for no limit."""
    return Rates(path, limit / seconds, limit) if limit else None


def _alone(settings: Settings, database: Database, counter: Counter) -> Alone | None:
    if database.is_sqlite:
        return None
    note = partial(
        note_alone,
        database,
        settings.effective_host_name,
        release=RELEASE,
        workers=settings.worker_count,
    )
    return Alone(note, Lease(counter))


def _find_usable(session: Session, model: str, reference: str) -> ServedVersion:
    return served_version(find_usable_version(session, model, reference, WITHOUT_RELATED))
