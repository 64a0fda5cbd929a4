"""Uploads during a garbage collection that removes as much as it can."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select

from registry.errors import BlobUnavailable, RegistryError
from registry.operations.collect_garbage import collect_garbage
from registry.operations.register import Metadata, register
from registry.reading.blob_uses import blob_uses
from registry.storage.database import Database
from registry.storage.tables import VersionRow
from tests.fakes import QuickInspector

SKOPS = Metadata(format="skops")


class CompilingInspector(QuickInspector):
    """Finds a compiled form too: the artifact's own bytes, turned round."""

    def inspect(self, path, *_):
        inspection, signature = super().inspect(path)
        inspection.compiled["onnx"] = path.read_bytes()[::-1]
        return inspection, signature


def upload(database, blobs, content, model="house"):
    """Register ``content`` and return the version."""
    with blobs.stage(10**6) as blob:
        blob.write(content)
        return register(database, CompilingInspector(), model, blob, SKOPS, actor="ci").view


def orphan(blobs, content=b"nobody's"):
    """Keep ``content`` without a row, as an upload does that ends in between; its digest."""
    with blobs.stage(10**6) as blob:
        blob.write(content)
        return blob.keep()


@dataclass(frozen=True)
class Race:
    """What came of it.

    ``removed`` was garbage beside the uploads; ``lost`` are digests that a row points at and that
    cannot be opened, ``left`` those that no row points at after a last collection.
    """

    rows: int
    removed: int
    collections: int
    lost: list[str]
    left: set[str]
    faults: list[RegistryError]


def race_uploads(database_url, blobs, count):
    """Send ``count`` uploads from eight threads beside a collection with no grace period.

    One in three sends bytes that others send too, and that some leave as garbage.
    """
    done = threading.Event()
    removed, faults = [], []
    database = Database(database_url)

    def collect():
        theirs = Database(database_url)
        try:
            while not done.is_set():
                removed.append(collect_garbage(theirs, blobs, older_than=0).blobs.count)
        except RegistryError as error:
            faults.append(error)
        finally:
            theirs.dispose()

    def send(number):
        shared = b"shared %d" % (number % 100)
        if number % 5 == 0:
            orphan(blobs, shared)
            orphan(blobs, b"left %d" % number)
        content = shared if number % 3 == 0 else b"own %d" % number
        return upload(database, blobs, content, f"m{number % 7}")["artifact"]["sha256"]

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            sent = list(threads.map(send, range(count)))
    finally:
        done.set()
        collector.join()
    with database.read() as session:
        rows = session.scalars(select(VersionRow.sha256)).all()
        references = blob_uses(session)
    collect_garbage(database, blobs, older_than=0)
    database.dispose()
    assert sorted(rows) == sorted(sent)
    lost = [digest for digest in references if not _opens(blobs, digest)]
    left = set(blobs.digests()) - references.keys()
    return Race(len(rows), sum(removed), len(removed), lost, left, faults)


def _opens(blobs, digest):
    try:
        blobs.open(digest).close()
    except BlobUnavailable:
        return False
    return True
