"""Prepares the data directory in a process that imports what reads the database anyway.

The main process only starts and stops others. It imports neither SQLAlchemy nor what reads
artifacts, which would take a quarter of the start and 40 MB. The first worker prepares, or with
``--demo`` the process that trains; the other workers wait until it has finished. The main process
locks the data directory before the database is opened.
"""

import importlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli.exits import SAID_NO, CommandFailed, failure_of
from config import Settings
from registry.errors import Fault, RegistryError

if TYPE_CHECKING:
    from api.stores import Stores
    from registry.storage.database import Database

_PAUSE_SECONDS = 0.05
_SUITABLE, _HELD = "suitable", "held"


class AdminToken(NamedTuple):
    """``made``: its value, if this start generated it, to be shown. ``first``: the id of the one
    that the first start made, if it is in use. ``filed``: the digest of the valid one in the file.
    ``usable``: the digest of the configured one or of that in the file."""

    made: str | None
    first: int | None
    filed: str | None
    usable: str | None


class _Refused(NamedTuple):
    """A CommandFailed, as it is sent."""

    message: str
    exit_code: int
    faults: tuple[Fault, ...]
    advice: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker has to do with the preparation of its service."""

    main: Connection | None
    """The pipe to the main process, if this worker prepares."""
    finished: Connection
    """Holds a byte when the service is prepared."""
    keeps_schema: bool

    def take(self) -> None:
        """Prepare the service, or import what serves; then wait until it is prepared.

        A worker of a service that cannot be prepared waits until it is stopped.
        """
        if self.main is None:
            importlib.import_module("api.app")
        else:
            settings = Settings.from_environment()
            prepare_here(settings, self.main, self.finished, keeps_schema=self.keeps_schema)
        self.finished.poll(None)


@dataclass(slots=True)
class Preparation:
    """The preparation of a service by its first worker. ``keeps_schema``: it has a predecessor."""

    keeps_schema: bool
    worker: Connection = field(init=False)
    """The pipe to the worker that prepares. If that ends, the one in its place uses it too."""
    _main: Connection = field(init=False)
    _finished: tuple[Connection, Connection] = field(init=False)
    is_finished: bool = False
    """Whether workers that start from now on find the service prepared."""

    def __post_init__(self) -> None:
        self.worker, self._main = multiprocessing.Pipe()
        self._finished = multiprocessing.Pipe(duplex=False)

    def part_of(self, worker: int) -> Part:
        """That of the worker with this index, which is about to start."""
        prepares = worker == 0 and not self.is_finished
        return Part(self._main if prepares else None, self._finished[0], self.keeps_schema)

    def finish(self) -> None:
        """Let all workers serve, also those that start later."""
        self.is_finished = True
        self._finished[1].send_bytes(b"finished")


def prepared_by(
    process: Connection, hold: Callable[[], None], ended: Callable[[], bool]
) -> AdminToken | None:
    """Wait until the process at the other end of a pipe has prepared the service.

    ``hold`` is called when it has found the data directory suitable, before it opens the database
    there; not if a predecessor holds it. None if ``ended`` returns true first. Raises CommandFailed
    if it refuses, and what ``hold`` raises.
    """
    while True:
        while not process.poll(_PAUSE_SECONDS):
            if ended():
                return None
        message = process.recv()
        if isinstance(message, AdminToken):
            return message
        if isinstance(message, _Refused):
            said, code, faults, advice = message
            raise CommandFailed(said, code, faults=faults, advice=advice)
        hold()
        process.send(_HELD)


def prepare_here(
    settings: Settings, main: Connection, *finished: Connection, keeps_schema: bool
) -> bool:
    """Prepare the service of ``settings``; false if that is refused, or the main process has ended
    or waits no longer.

    ``main`` is the other end of the pipe of ``prepared_by``. ``finished`` can be read from when it
    waits no longer: a worker that died had told it that the service is prepared. ``keeps_schema``:
    another service uses the database, so it is not migrated.
    """
    try:
        token = _prepare(settings, main, finished, keeps_schema=keeps_schema)
    except (CommandFailed, RegistryError, OSError) as error:
        failed = error if isinstance(error, CommandFailed) else failure_of(error)
        _send(main, _Refused(failed.message, failed.exit_code, failed.faults, failed.advice))
        return False
    except EOFError:
        return False
    return _send(main, token)


def _send(main: Connection, message: AdminToken | _Refused) -> bool:
    """Whether the main process is still there."""
    try:
        main.send(message)
    except BrokenPipeError:
        return False
    return True


def _prepare(
    settings: Settings, main: Connection, finished: Sequence[Connection], *, keeps_schema: bool
) -> AdminToken:
    from api.start import ADMIN_TOKEN_FILE, prepare
    from registry.operations.ensure_admin import admin_token_in, first_token_in_use
    from registry.tokens import token_digest

    stores = _stores(settings)
    try:
        if keeps_schema:
            _require_schema(stores.database)
        else:
            main.send(_SUITABLE)
            if main not in wait([main, *finished]):
                raise EOFError
            main.recv()
        made = prepare(stores)
        first = first_token_in_use(stores.database)
        filed = admin_token_in(stores.database, settings.data / ADMIN_TOKEN_FILE)
    finally:
        stores.close()
    if settings.admin_token:  # not printed, because standard output is often stored
        return AdminToken(None, first, filed, token_digest(settings.admin_token))
    return AdminToken(made, first, filed, filed)


def _stores(settings: Settings) -> "Stores":
    """Those of ``settings``. Raises CommandFailed where the directories or the database cannot be
    used."""
    from sqlalchemy.exc import ArgumentError

    from api.stores import Stores, warn_of_unconfirmed

    try:
        return Stores.of(settings, warn_of_unconfirmed)
    except (ValueError, ArgumentError) as error:
        raise CommandFailed(str(error), SAID_NO) from error
    except OSError as error:
        raise CommandFailed(
            f"{Path(error.filename or settings.data).absolute()} cannot be used: {error.strerror}.",
            SAID_NO,
            advice="Choose other directories with --data or HOTSWAP_DATA, and HOTSWAP_RUN.",
        ) from error


def _require_schema(database: "Database") -> None:
    """Raises CommandFailed if the workers of a predecessor would have to serve with another schema
    than their own."""
    from registry.storage.schema import HEAD, current_revision

    with database.read() as session:
        revision = current_revision(session.connection())
    if revision != HEAD:
        raise CommandFailed(
            f"This release migrates the database from schema {revision} to {HEAD}, which the "
            "running service does not support.",
            SAID_NO,
            advice="Stop that service, and start this one without --take-over.",
        )
