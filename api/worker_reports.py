"""What each worker reports of itself, for whoever looks at the health of the service.

A worker writes its report to a file beside the metrics
(``registry.watching.telemetry_folders``) every two seconds; a request reads the files of all
workers. So no worker waits for another, and the report of one that hangs is there, and old.
"""

import logging
import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, cast

import msgspec
from flask import Flask, current_app

from api.problems import slug_of
from api.receiving import Places
from api.services import Services
from registry.reading.views import View
from registry.storage.tables import utc_now
from registry.watching.telemetry_folders import TelemetryFolder, started

logger = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
_KEY = "hotswap-worker-reports"
_NAME = "worker-"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class LoadedReport(msgspec.Struct, frozen=True):
    """A version in memory. ``kept``: an alias points at it, or did before its last move; or it was
    requested by its number, and stays while there is room in the cache."""

    model: str
    version: int
    bytes: int
    last_used: datetime
    kept: Literal["alias", "previous", "cache"]


class Unloaded(msgspec.Struct, frozen=True):
    """A version that an alias points at and that is not in memory; ``reason`` is the last part of
    a problem's type, empty while it is loading."""

    model: str
    version: int
    reason: str = ""


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A worker at the time ``at``. ``start`` tells processes with the same id apart.

    ``memory`` is in bytes; ``busy`` of ``places`` requests are being answered, 0 of 0 where
    another server than ``hotswap serve`` runs the worker.
    """

    pid: int
    start: str
    since: datetime
    at: datetime
    memory: int
    busy: int
    places: int
    cache_limit: int
    reads_database: bool
    loaded: list[LoadedReport]
    unloaded: list[Unloaded]

    @property
    def cache_used(self) -> int:
        """Bytes of the versions that the limit of the cache applies to."""
        return sum(one.bytes for one in self.loaded if one.kept == "cache")

    @property
    def age(self) -> timedelta:
        return utc_now() - self.at


def with_loaded_in(aliases: Sequence[View], loaded: Sequence[Sequence[int]]) -> list[View]:
    """``aliases`` of a model, each with the number of ``workers``, and in how many of them its
    version is loaded, which ``loaded`` has for each worker."""
    return [
        {
            **alias,
            "loaded_in": sum(alias["version"] in versions for versions in loaded),
            "workers": len(loaded),
        }
        for alias in aliases
    ]


class WorkerReports:
    """The report of this worker, and those of the others in the same ``folder``.

    Without a folder there is only this worker's own. ``places`` are those of the server in front of
    the application, if it limits concurrent requests.
    """

    def __init__(self, services: Services, folder: TelemetryFolder | None) -> None:
        self._services = services
        self._folder = None if folder is None else folder.path
        self._since = utc_now()
        self._start = started(os.getpid())
        self.places: Places | None = None

    def write(self) -> None:
        """Write this worker's report."""
        if self._folder is None:
            return
        file = self._folder / f"{_NAME}{os.getpid()}.json"
        beside = file.with_suffix(".new")
        try:
            beside.write_bytes(msgspec.json.encode(self.own()))
            beside.replace(file)
        except OSError as error:
            logger.warning("the state of this worker was not reported: %s", error)

    def all(self) -> list[WorkerReport]:
        """The reports of the workers that run, oldest worker first; this one's is of now."""
        others = [] if self._folder is None else _read(self._folder)
        found = [one for one in others if one.pid != os.getpid()]
        return sorted([*found, self.own()], key=lambda one: (one.since, one.pid))

    def loaded_of(self, model: str) -> list[list[int]]:
        """The versions of ``model`` that each worker has loaded."""
        return [
            sorted(one.version for one in report.loaded if one.model == model)
            for report in self.all()
        ]

    def own(self) -> WorkerReport:
        """The present state of this worker. Reads no database."""
        pool, watch = self._services.pool, self._services.watch
        snapshot, loaded = watch.last_snapshot, pool.loaded
        now, clock = utc_now(), time.monotonic()
        missing = snapshot.aliased - loaded.keys()
        failures = pool.failures(missing)
        return WorkerReport(
            pid=os.getpid(),
            start=self._start,
            since=self._since,
            at=now,
            memory=_resident_bytes(),
            busy=0 if self.places is None else self.places.taken,
            places=0 if self.places is None else self.places.most,
            cache_limit=self._services.settings.model_cache_mb * 2**20,
            reads_database=watch.is_readable,
            loaded=[
                LoadedReport(
                    *key,
                    bytes=one.version.size,
                    last_used=now - timedelta(seconds=round(clock - one.last_used, 3)),
                    kept="alias"
                    if key in snapshot.aliased
                    else "previous"
                    if key in snapshot.live
                    else "cache",
                )
                for key, one in sorted(loaded.items())
            ],
            unloaded=[
                Unloaded(*key, slug_of(type(failures[key])) if key in failures else "")
                for key in sorted(missing)
            ],
        )


def report_workers(app: Flask, services: Services, folder: TelemetryFolder | None) -> WorkerReports:
    """Set the reports of ``app``."""
    reports = app.extensions[_KEY] = WorkerReports(services, folder)
    return reports


def worker_reports(app: Flask | None = None) -> WorkerReports:
    """The reports of ``app``, or of the current application."""
    return cast("WorkerReports", (app or current_app).extensions[_KEY])


def _read(folder: Path) -> list[WorkerReport]:
    """The reports in ``folder``; those of workers that have ended are removed."""
    found = []
    for file in folder.glob(f"{_NAME}*.json"):
        try:
            report = msgspec.json.decode(file.read_bytes(), type=WorkerReport)
        except (OSError, msgspec.DecodeError):
            continue  # removed meanwhile, or of a worker of another release
        if started(report.pid) == report.start:
            found.append(report)
        else:
            file.unlink(missing_ok=True)
    return found


def _resident_bytes() -> int:
    """The memory of this process, what it shares with others included; 0 where it is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:  # not Linux
        return 0
