"""Runs the keeper of a host: one process at a time, however many are started."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from config import Settings
from keeper.loop import Loop, Task
from keeper.services import KeeperServices
from keeper.tasks import companions_of, tasks_of
from registry.errors import Unavailable
from registry.storage.database import Database
from registry.storage.election import Election
from registry.storage.file_modes import refuse_foreign
from registry.storage.schema import current_revision, is_served
from registry.watching.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two attempts to become the keeper, and between two looks at the database's schema."""


def keep(settings: Settings, stopping: threading.Event) -> None:
    """Be the keeper of the data directory of ``settings`` until ``stopping`` is set.

    Waits until a server was started there, which also migrates the database, and while another
    process is the keeper; the kernel releases the lock of one that was killed. Ends, and sets
    ``stopping``, when the directory has been replaced.

    Raises ValueError for a database URL that is not supported, NetworkFileSystem, StorageFull,
    DataDirectoryRefused, SchemaMismatch for a database of another application, OSError.
    """
    refuse_foreign(settings.data)
    # Nothing is created before: a backup can be restored into an empty directory only.
    begun, otherwise = settings.run_folder / "counter", f"no server uses {settings.data}"
    if not _wait(begun.exists, stopping, otherwise):
        return
    with ExitStack() as opened:
        services = opened.enter_context(closing(KeeperServices.build(settings)))
        election = Election(services.run / "keeper.lock")
        opened.callback(election.leave)
        if not _wait(election.is_won, stopping, f"another keeper looks after {settings.data}"):
            return
        if not _wait(
            lambda: _is_current(services.database),
            stopping,
            "the database does not have a schema that this release serves",
        ):
            return
        heartbeat = opened.enter_context(closing(Heartbeat(services.run)))
        for companion in companions_of(services):
            opened.callback(companion.close)
            companion.start()
        logger.info("the keeper looks after %s", settings.data)
        look = Task("looking for the data directory", 1.0, partial(_look, election, stopping))
        Loop([look, *tasks_of(services)], heartbeat.beat).run(stopping)


def _look(election: Election, stopping: threading.Event) -> None:
    """Stop where the directory has been replaced, as before a backup is restored: its files are
    open here, and the new one gets a keeper of its own."""
    if election.is_void():
        logger.error("the data directory was replaced, and the keeper of the former one ends")
        stopping.set()


def _wait(holds: Callable[[], bool], stopping: threading.Event, otherwise: str) -> bool:
    """Whether ``holds`` became true before ``stopping`` was set."""
    said = False
    while not holds():
        if not said:
            logger.info("waiting: %s", otherwise)
            said = True
        if stopping.wait(LOOK_SECONDS):
            return False
    return True


def _is_current(database: Database) -> bool:
    """Whether the database can be read and has a schema that this release serves.

    The keeper never migrates: a server that starts does. Raises SchemaMismatch.
    """
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return False
    try:
        with database.read() as session:
            return is_served(current_revision(session.connection()))
    except Unavailable:
        return False
