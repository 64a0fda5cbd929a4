"""Checks the data directory and the files in it."""

import os
import shutil
import stat
from collections.abc import Iterator

from sqlalchemy import select

from registry.doctor.findings import Finding, Installation
from registry.doctor.records import current_database
from registry.errors import DataDirectoryRefused
from registry.reading.blob_uses import version_blobs
from registry.storage.file_modes import open_to_others, refuse_foreign
from registry.storage.tables import HoldoutRow

LEAST_FREE = 2**30
"""Free bytes below which there is a warning."""
_SHOWN = 20


def check_directory(installation: Installation) -> Iterator[Finding]:
    """The service can write to its data directory, and there is free space."""
    data = installation.data.absolute()
    place = str(data)
    if not data.exists():
        above = next(folder for folder in data.parents if folder.exists())
        if os.access(above, os.W_OK | os.X_OK):
            said = "the data directory will be created at the first start"
            yield Finding("data", "ok", said, place=place)
        else:
            advice = "Create the directory, or set HOTSWAP_DATA to another."
            said = "the data directory cannot be created"
            yield Finding("data", "fault", said, advice, place)
        return
    if not stat.S_ISDIR(data.stat().st_mode):
        advice = "Set HOTSWAP_DATA to a directory."
        yield Finding("data", "fault", "the data directory is a file", advice, place)
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        advice = (
            "Run this as the user of the service, or make that user the owner of the directory."
        )
        said = "the data directory cannot be written to by this user"
        yield Finding("data", "fault", said, advice, place)
        return
    try:
        refuse_foreign(data)
    except DataDirectoryRefused as error:
        advice = "Set HOTSWAP_DATA to another directory."
        yield Finding("data", "fault", error.title, advice, error.detail)
        return
    yield Finding("data", "ok", "the data directory can be written to", place=place)
    free = shutil.disk_usage(data).free
    said = f"{free / 2**20:,.0f} MiB are free on the disk of the data directory"
    if free >= LEAST_FREE:
        yield Finding("room", "ok", said, place=place)
    else:
        advice = "Uploads are refused (507) when the disk is full."
        yield Finding("room", "warning", said, advice, place)


def check_modes(installation: Installation) -> Iterator[Finding]:
    """Only the service's user can read the data directory."""
    if not installation.data.is_dir():
        return
    found = open_to_others(installation.data.absolute(), deep=True)
    if (first := next(found, None)) is None:
        yield Finding("modes", "ok", "the data directory is not accessible to other users")
        return
    more = sum(1 for _ in found)
    said = "a path in the data directory is accessible to other users"
    said += f", and {more} more are" if more else ""
    advice = (
        "The service corrects the modes of its user's files when it starts; chmod go-rwx the rest."
    )
    yield Finding("modes", "warning", said, advice, str(first))


def check_blobs(installation: Installation) -> Iterator[Finding]:
    """The artifact and compiled forms of every version exist, and every holdout in use.
    The files are not read."""
    if (database := current_database(installation)) is None:
        return
    complete, lacking, missing = 0, 0, []
    holds = installation.blobs.holding()
    with database.read() as session:
        for version in version_blobs(session):
            lost = [role for role, digest in version.blobs if not holds(digest)]
            if not lost:
                complete += 1
                continue
            lacking += 1
            if lacking <= _SHOWN:
                missing.append(
                    f"version {version.number} of {version.model} lacks its {', '.join(lost)}"
                )
        tables = select(HoldoutRow).where(HoldoutRow.removed_at.is_(None))
        for table in session.scalars(tables.order_by(HoldoutRow.model)):
            if not holds(table.sha256):
                lacking += 1
                missing.append(f"the holdout of {table.model} lacks its table")
    for said in missing[:_SHOWN]:
        advice = (
            "Upload the same file again, or restore it from a backup. If all versions lack their "
            "files, check HOTSWAP_BLOBS_URL."
        )
        yield Finding("blobs", "fault", said, advice)
    if lacking > _SHOWN:
        yield Finding("blobs", "fault", f"{lacking - _SHOWN} more lack files")
    if not missing:
        yield Finding("blobs", "ok", f"the files of {complete} versions exist")
