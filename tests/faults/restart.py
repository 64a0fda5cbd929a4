"""What a restart finds in a data directory, and whether it may be so."""

import hashlib
import struct
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from registry.errors import BlobUnavailable, HistoryBroken
from registry.storage.history import verify
from registry.storage.schema import upgrade
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, EventRow, IdempotencyKeyRow, ModelRow, VersionRow
from tests.faults.registries import Registry
from tests.faults.rollouts import alerts_of, faults_of_rollouts, rollouts_of
from tests.faults.splits import faults_of_splits, splits_of

State = dict[str, Any]


def restart(registry: Registry) -> None:
    """What the service does before its first request."""
    upgrade(registry.database)
    registry.blobs.sweep()
    registry.uploads.remove_old()


def state_of(registry: Registry) -> State:
    """Everything that was promised to callers, without moments in time."""
    with registry.database.read() as session:
        return {
            "models": {
                row.name: [row.last_number, row.generation, row.archived_at is not None]
                for row in session.scalars(select(ModelRow).order_by(ModelRow.name))
            },
            "versions": {
                f"{row.model}/{row.number}": [row.status, row.sha256, row.compiled]
                for row in session.scalars(
                    select(VersionRow).order_by(VersionRow.model, VersionRow.number)
                )
            },
            "aliases": {
                f"{row.model}/{row.name}": row.number
                for row in session.scalars(select(AliasRow).order_by(AliasRow.model, AliasRow.name))
            },
            "splits": splits_of(session),
            "rollouts": rollouts_of(session),
            "alerts": alerts_of(session),
            "events": [
                [row.type, row.model, row.alias, row.from_version, row.to_version]
                for row in session.scalars(select(EventRow).order_by(EventRow.seq))
            ],
            "keys": sorted(session.scalars(select(IdempotencyKeyRow.key))),
            "files": {
                str(path.relative_to(registry.blobs.uploads)): _digest(path)
                for path in sorted(registry.blobs.uploads.rglob("*"))
                if path.is_file()
            },
        }


def faults_of(registry: Registry) -> list[str]:
    """Everything that must hold in any state and does not, in words."""
    return [*_of_database(registry), *_of_rows(registry), *_of_files(registry)]


def unused_blobs(registry: Registry) -> list[str]:
    """The blobs that no version points at."""
    with registry.database.read() as session:
        rows = session.scalars(select(VersionRow)).all()
        used = {digest for row in rows for digest in (row.sha256, *row.compiled.values())}
    return sorted(set(registry.blobs.digests()) - used)


def announced(data: Path) -> int:
    """How often the counter of announcements went up."""
    (value,) = struct.unpack("Q", (data / "run" / "counter").read_bytes()[:8])
    return int(value)


def _of_database(registry: Registry) -> list[str]:
    faults = []
    with registry.database.read() as session:
        if (said := session.scalar(text("PRAGMA integrity_check"))) != "ok":
            faults.append(f"the database is damaged: {said}")
        faults += [
            f"a foreign key dangles: {row}"
            for row in session.execute(text("PRAGMA foreign_key_check"))
        ]
        try:
            verify(session)
        except HistoryBroken as error:
            faults.append(f"the chain does not hold: {error}")
    return faults


def _of_rows(registry: Registry) -> list[str]:
    faults = []
    with registry.database.read() as session:
        rows = session.scalars(select(VersionRow)).all()
        status = {(row.model, row.number): row.status for row in rows}
        aliases = session.scalars(select(AliasRow)).all()
        arms = session.scalars(select(AliasArmRow)).all()
        faults += [*faults_of_splits(session), *faults_of_rollouts(session)]
    for row in rows:
        for digest in (row.sha256, *row.compiled.values()):
            try:
                registry.blobs.open(digest).close()
            except BlobUnavailable as error:
                faults.append(f"{row.model}/{row.number} points at missing bytes: {error}")
    for alias in aliases:
        found = status.get((alias.model, alias.number))
        if found != "ready":
            faults.append(
                f"the alias {alias.model}/{alias.name} points at a version that is {found}"
            )
    for arm in arms:
        found = status.get((arm.model, arm.number))
        if found != "ready":
            faults.append(f"{arm.model}/{arm.alias} is split over a version that is {found}")
    return faults


def _of_files(registry: Registry) -> list[str]:
    faults = []
    for path in registry.blobs.root.rglob("*"):
        if not path.is_file():
            continue
        folder = path.parent.name
        if folder == "incoming":
            faults.append("an interrupted upload was left")
        elif folder == "damaged":
            faults.append("bytes were damaged")
        elif registry.blobs.uploads in path.parents:
            if path.relative_to(registry.blobs.uploads).parts[0] == "removed":
                faults.append("an interrupted removal was left")
        elif _digest(path) != path.name:
            faults.append(f"half a blob stands under the name {path.name}")
    return faults


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
