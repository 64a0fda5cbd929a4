"""Whether the service is well, in words and in figures.

Made of what workers report (``api.worker_reports``), of the disk and of one query: nothing here
waits for another worker. It contains no path and no address.
"""

import shutil
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text

from api.prometheus_internals import ended_processes
from api.services import Services
from api.worker_reports import WorkerReport, WorkerReports
from config import Settings
from registry.backups.last import last_backup
from registry.doctor.checks import QUICK_CHECKS, examine
from registry.doctor.findings import Installation, Result
from registry.doctor.storage import LEAST_FREE
from registry.doctor.watching import KEEPER_ADVICE, said_of
from registry.errors import Unavailable
from registry.operations.measure_disk import last_disk_use
from registry.reading.views import timestamp
from registry.storage.database import Database
from registry.watching.heartbeat import DEAD_SECONDS, unwatched_seconds
from registry.watching.telemetry_folders import TelemetryFolder

SILENT_SECONDS = 20.0
"""A worker whose report is older has something wrong with it: it writes one every two seconds."""
_GRAVITY: tuple[Result, ...] = ("ok", "warning", "fault")


class Problem(NamedTuple):
    """Something that is not well, and what to do."""

    level: Result
    message: str
    advice: str = ""


class Summary(NamedTuple):
    """``level`` is that of the worst problem, ``words`` name it."""

    level: Result
    words: str
    workers: int


def problems_of(reports: list[WorkerReport], settings: Settings) -> list[Problem]:
    """What is wrong with the workers, with the keeper if there is to be one, and with the room on
    the disk, worst first."""
    found = [*_loading_problems(reports)]
    if any(not one.reads_database for one in reports):
        advice = "Predictions continue from memory. The log has the database's error."
        found.append(Problem("fault", "the database cannot be read", advice))
    silent = sum(one.age.total_seconds() > SILENT_SECONDS for one in reports)
    if silent:
        said = f"{silent} of {len(reports)} workers did not report for {SILENT_SECONDS:.0f} s"
        found.append(Problem("warning", said, "It may have too much to do, or be stopped."))
    seconds = (unwatched_seconds(settings.run_folder) or 0.0) if settings.watch else 0.0
    if seconds > DEAD_SECONDS:
        found.append(Problem("fault", said_of(seconds), KEEPER_ADVICE))
    with suppress(OSError):
        if shutil.disk_usage(settings.data).free < LEAST_FREE:
            advice = "When the disk is full, uploads are refused (507) and predictions continue."
            found.append(Problem("warning", "less than 1 GiB is free on the disk", advice))
    return sorted(found, key=lambda problem: -_GRAVITY.index(problem.level))


def _loading_problems(reports: list[WorkerReport]) -> list[Problem]:
    """Versions that an alias points at and that are missing in some workers."""
    where: dict[tuple[str, int], list[str]] = {}
    for report in reports:
        for one in report.unloaded:
            where.setdefault((one.model, one.version), []).append(one.reason)
    found = []
    for (model, version), reasons in sorted(where.items()):
        inside = f"in {len(reasons)} of {len(reports)} workers"
        if failed := sorted({reason for reason in reasons if reason}):
            said = f"version {version} of {model} cannot be loaded {inside}: {', '.join(failed)}"
            advice = "Roll back, or upload the same file again. The log has the cause."
            found.append(Problem("fault", said, advice))
        else:
            found.append(Problem("warning", f"version {version} of {model} is loading {inside}"))
    return found


def summary_of(reports: list[WorkerReport], settings: Settings) -> Summary:
    """All of it in a few words, which name no model: any token may read them."""
    workers = len(reports)
    unloaded = {(one.model, one.version) for report in reports for one in report.unloaded}
    failed = {
        (one.model, one.version) for report in reports for one in report.unloaded if one.reason
    }
    found = problems_of(reports, settings)
    if not found:
        return Summary("ok", f"{_count(workers, 'worker')}, all well", workers)
    level = found[0].level
    if failed:
        words = f"{_count(len(failed), 'live version')} cannot be loaded"
    elif level == "warning" and unloaded:
        words = f"{_count(len(unloaded), 'live version')} loading"
    else:
        words = found[0].message
    return Summary(level, words, workers)


def full_report(
    services: Services, reports: WorkerReports, folder: TelemetryFolder | None
) -> dict[str, Any]:
    """Everything but ``findings``, for whoever administers all models."""
    workers, settings = reports.all(), services.settings
    summary = summary_of(workers, settings)
    backup = last_backup(settings.run_folder)
    return {
        **summary_view(summary),
        "problems": [problem._asdict() for problem in problems_of(workers, settings)],
        "worker_reports": [_worker_view(one) for one in workers],
        "replaced_workers": None if folder is None else ended_processes(folder.path),
        "database": _database_view(services.database),
        "disk": _disk_view(settings),
        "last_backup": None if backup is None else timestamp(backup),
    }


def findings(services: Services) -> list[dict[str, str]]:
    """What the quick checks of the doctor find, without paths."""
    settings = services.settings
    installation = Installation(
        settings.data, services.database, services.blobs, settings.watch, settings.run_folder
    )
    return [
        {
            "check": finding.check,
            "result": finding.result,
            "message": finding.message,
            "advice": finding.advice,
        }
        for finding in examine(installation, QUICK_CHECKS)
    ]


def summary_view(summary: Summary) -> dict[str, Any]:
    """What any token may read."""
    return {
        "status": summary.level,
        "summary": summary.words,
        "workers": summary.workers,
    }


def _worker_view(report: WorkerReport) -> dict[str, Any]:
    return {
        "pid": report.pid,
        "since": timestamp(report.since),
        "reported_at": timestamp(report.at),
        "memory_bytes": report.memory,
        "busy": report.busy,
        "places": report.places,
        "cache_bytes": report.cache_used,
        "cache_limit_bytes": report.cache_limit,
        "loaded": [
            {
                "model": one.model,
                "version": one.version,
                "bytes": one.bytes,
                "last_used_at": timestamp(one.last_used),
                "kept": one.kept,
            }
            for one in report.loaded
        ],
        "unloaded": [
            {"model": one.model, "version": one.version, "reason": one.reason or "loading"}
            for one in report.unloaded
        ],
    }


def _database_view(database: Database) -> dict[str, Any]:
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    try:
        with database.read() as session:
            if database.is_sqlite:
                size = session.scalar(
                    text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
                )
            else:
                size = session.scalar(text("SELECT pg_database_size(current_database())"))
    except Unavailable:
        return {"kind": kind, "readable": False, "bytes": None}
    return {"kind": kind, "readable": True, "bytes": size}


def _disk_view(settings: Settings) -> dict[str, Any] | None:
    try:
        usage = shutil.disk_usage(settings.data)
    except OSError:
        return None
    measured = last_disk_use(settings.run_folder)
    used = None if measured is None else msgspec.structs.asdict(measured)
    if used is not None:
        used["measured_at"] = timestamp(used["measured_at"])
    return {"total_bytes": usage.total, "free_bytes": usage.free, "used_bytes": used}


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
