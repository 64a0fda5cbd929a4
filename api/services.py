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
from api.stores import Stores
from api.unconfirmed import note_unconfirmed
from config import Settings
from registry.confinement.spawner import Spawner
from registry.engines.loading import loader
from registry.engines.model_process import MODULES as SERVING_MODULES
from registry.engines.process_memory import ProcessMemory
from registry.engines.served_version import ServedVersion
from registry.gates.evaluator import GateEvaluator
from registry.hosts.store import Presence
from registry.intake.inspector import MODULES as INTAKE_MODULES
from registry.intake.inspector import Inspector
from registry.live.asked_versions import AskedVersions, loader_of
from registry.live.fleet import Fleet
from registry.live.housekeeping import Housekeeping
from registry.live.leased_watch import LeasedWatch
from registry.live.membership import Membership
from registry.live.observer import Observer, observed
from registry.live.pool import Pool
from registry.live.prepare import Preparer, SharedPreparer
from registry.live.snapshot import served_version
from registry.live.token_uses import TokenUses
from registry.live.watch import Watch
from registry.operations.abort_unwatched import abort_unwatched
from registry.operations.measure_disk import measure_disk_if_due
from registry.operations.note_token_uses import note_token_uses
from registry.operations.report_keeper import report_keeper
from registry.operations.verify_history import verify_if_due
from registry.reading.queries import find_usable_version
from registry.storage.attempts import Attempts
from registry.storage.election import Election
from registry.storage.tables import WITHOUT_RELATED

_KEY = "hotswap"


@dataclass(frozen=True, slots=True)
class Services(Stores):
    """The collaborators of the operations."""

    attempts: Attempts
    spawner: Spawner
    inspector: Inspector
    pool: Pool
    evaluator: GateEvaluator
    watch: Watch
    token_uses: TokenUses
    housekeeping: Housekeeping
    fleet: Fleet
    preparer: Preparer | SharedPreparer
    membership: Membership | None
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

        Raises what ``Stores.of`` raises.
        """
        stores = Stores.of(settings, note_unconfirmed)
        database, blobs, uploads = stores.database, stores.blobs, stores.uploads
        counter, sharing, alone = stores.counter, stores.sharing, stores.alone
        observer = observer or Observer()
        run = settings.run_folder
        spawner = spawner or Spawner((*INTAKE_MODULES, *SERVING_MODULES))
        memory = ProcessMemory(settings.model_process_bytes, settings.model_processes_bytes)
        load = observed(loader(blobs, spawner, memory), observer)
        pool = Pool(load, settings.model_cache_mb * 2**20)
        fleet = Fleet(run / "workers")
        watched = (database, counter, pool, _find_usable, observer)
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
            counter=counter,
            sharing=sharing,
            alone=alone,
            attempts=Attempts(run / "attempts"),
            spawner=spawner,
            inspector=Inspector(spawner=spawner, memory=memory),
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
            membership=membership,
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
        self.watch.close()
        self.pool.close()
        self.spawner.close()
        Stores.close(self)  # ``super()`` is another class here, because of the slots
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


def _find_usable(session: Session, model: str, reference: str) -> ServedVersion:
    return served_version(find_usable_version(session, model, reference, WITHOUT_RELATED))
